//! What lies under the database: the file, with or without syncs, and a copy of it that nothing written to ever reaches.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend};

/// The file.
#[derive(Debug)]
pub(crate) struct Disk {
    file: FileBackend,
    /// Whether to wait until the disk has what was written; otherwise the system has it, which outlives the process.
    synced: bool,
}

impl Disk {
    /// The lock stays with `file`.
    pub(crate) fn new(file: &File, synced: bool) -> Result<Self, DatabaseError> {
        Ok(Disk { file: FileBackend::new(file.try_clone()?)?, synced })
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.synced { self.file.sync_data() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

/// A file as it would be after everything that was written to it. The file itself stays as it is.
#[derive(Debug)]
pub(crate) struct Overlay<B> {
    below: B,
    above: Mutex<Above>,
}

const BLOCK: usize = 4096;

#[derive(Debug)]
struct Above {
    len: u64,
    /// So much of the file is still to be seen where no block covers it; behind that are zeros.
    seen: u64,
    /// The blocks that were written to, by their number.
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

impl<B: StorageBackend> Overlay<B> {
    pub(crate) fn new(below: B) -> io::Result<Self> {
        let len = below.len()?;
        Ok(Overlay { below, above: Mutex::new(Above { len, seen: len, blocks: BTreeMap::new() }) })
    }

    fn above(&self) -> MutexGuard<'_, Above> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as it is now.
    fn block(&self, above: &Above, number: u64) -> io::Result<Box<[u8; BLOCK]>> {
        if let Some(block) = above.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = Box::new([0; BLOCK]);
        let start = number * BLOCK as u64;
        let seen = usize::try_from(above.seen.saturating_sub(start)).unwrap_or(BLOCK).min(BLOCK);
        if seen > 0 {
            self.below.read(start, &mut block[..seen])?;
        }
        Ok(block)
    }
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.above().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let above = self.above();
        if end(offset, out.len())? > above.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, within, piece) in pieces(offset, out.len()) {
            let block = self.block(&above, number)?;
            let length = piece.len();
            out[piece].copy_from_slice(&block[within..within + length]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut above = self.above();
        if len < above.len {
            let (last, kept) = (len / BLOCK as u64, (len % BLOCK as u64) as usize);
            let mut block = self.block(&above, last)?;
            block[kept..].fill(0);
            above.blocks.split_off(&last);
            above.blocks.insert(last, block);
            above.seen = above.seen.min(len);
        }
        above.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut above = self.above();
        above.len = above.len.max(end(offset, data.len())?);
        for (number, within, piece) in pieces(offset, data.len()) {
            let mut block = self.block(&above, number)?;
            block[within..within + piece.len()].copy_from_slice(&data[piece]);
            above.blocks.insert(number, block);
        }
        Ok(())
    }
}

fn end(offset: u64, length: usize) -> io::Result<u64> {
    offset.checked_add(length as u64).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// The parts of a range that lie in one block each: the block, where in it, and which part of the range.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let (number, within) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
        let piece = done..length.min(done + BLOCK - within);
        done = piece.end;
        (!piece.is_empty()).then_some((number, within, piece))
    })
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    fn bytes(backend: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0; backend.len().unwrap() as usize];
        backend.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_overlay_behaves_as_the_file_would_and_leaves_it_alone() {
        let (file, copy) = (InMemoryBackend::new(), InMemoryBackend::new());
        for backend in [&file, &copy] {
            backend.set_len(10_000).unwrap();
            backend.write(0, &[7; 10_000]).unwrap();
        }
        let overlay = Overlay::new(file).unwrap();
        let check = |what: &str| assert_eq!(bytes(&overlay), bytes(&copy), "{what}");
        let write = |offset, data: &[u8]| {
            overlay.write(offset, data).unwrap();
            copy.write(offset, data).unwrap();
        };
        let resize = |len| {
            overlay.set_len(len).unwrap();
            copy.set_len(len).unwrap();
        };
        check("untouched");
        write(4090, &[1; 20]);
        check("across two blocks");
        resize(5000);
        check("shorter");
        resize(12_000);
        check("longer: what was cut off is zeros");
        write(8191, &[2; 3]);
        check("behind the old end");
        assert!(overlay.read(11_999, &mut [0; 2]).is_err(), "nothing is behind the end");
        assert_eq!(bytes(&overlay.below), [7; 10_000]);
    }
}
