//! [`Notes`]: what a worker writes down for whoever comes after it, in files that a kill can't tear: each line is one write.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The worker's files.
#[derive(Debug)]
pub(super) struct Notes {
    folder: PathBuf,
}

/// One of them, to append to.
#[derive(Debug)]
pub(super) struct Note(File);

impl Notes {
    pub(super) fn of(folder: &Path) -> Self {
        Notes { folder: folder.to_owned() }
    }

    pub(super) fn write(&self, name: &str) -> Note {
        let path = self.folder.join(name);
        Note(File::options().create(true).append(true).open(path).expect("the folder can be written to"))
    }

    /// Where the next message is to be counted from: behind all that may have been published.
    pub(super) fn next(&self) -> usize {
        self.lines("begun").pop().map_or(0, |line| line[0])
    }

    /// The messages that the store has confirmed.
    pub(super) fn stored(&self) -> Vec<usize> {
        self.lines("stored").into_iter().flat_map(|line| line[0]..line[1]).collect()
    }

    /// The numbers that were worked on.
    pub(super) fn results(&self) -> Vec<usize> {
        self.lines("results").into_iter().map(|line| line[0]).collect()
    }

    /// The deliveries that were worked on.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = u64> + use<> {
        self.lines("results").into_iter().filter_map(|line| line.get(1).map(|id| *id as u64))
    }

    fn lines(&self, name: &str) -> Vec<Vec<usize>> {
        let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        // A line that is being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let numbers = |line: &str| line.split(' ').map(|number| number.parse().expect("a number")).collect();
        whole.lines().map(numbers).collect()
    }
}

impl Note {
    pub(super) fn line(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).expect("the folder can be written to");
    }
}
