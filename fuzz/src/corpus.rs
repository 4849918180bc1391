//! Stored inputs: `corpus/<target>.hex` has one a line, in hex, with a comment behind `#` where it is worth one.
//!
//! Text, because it can be read, commented and compared; libFuzzer's folders of files are made from it.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// The file that holds a target's corpus.
#[must_use]
pub fn path(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target).with_extension("hex")
}

/// The inputs of a target.
///
/// # Errors
///
/// The file can't be read, or is not hex.
pub fn read(target: &str) -> io::Result<Vec<Vec<u8>>> {
    parse(&fs::read_to_string(path(target))?)
}

/// Writes each input to a file of its own, as libFuzzer wants them.
///
/// # Errors
///
/// Those of [`read`], and of writing.
pub fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    read(target)?
        .iter()
        .enumerate()
        .try_for_each(|(number, input)| fs::write(folder.join(format!("{number:05}")), input))
}

/// Appends the files of a folder that the corpus does not hold yet, the shortest first. Returns their number.
///
/// # Errors
///
/// Those of [`read`], and of writing.
pub fn add(target: &str, folder: &Path) -> io::Result<usize> {
    let mut text = fs::read_to_string(path(target))?;
    let known = parse(&text)?;
    let mut new = Vec::new();
    for entry in fs::read_dir(folder)? {
        let input = fs::read(entry?.path())?;
        if !known.contains(&input) {
            new.push(input);
        }
    }
    new.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    for input in &new {
        text.push_str(&hex(input));
        text.push('\n');
    }
    fs::write(path(target), text)?;
    Ok(new.len())
}

/// Bytes that look random and depend on the seed alone (an xorshift generator).
#[must_use]
pub fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Some(state.to_le_bytes())
    };
    std::iter::from_fn(next).flatten().take(len).collect()
}

/// The bytes as hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String can't fail");
        hex
    })
}

fn parse(text: &str) -> io::Result<Vec<Vec<u8>>> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| from_hex(line).ok_or_else(|| not_hex(line))).collect()
}

/// What [`hex`] wrote; `None` if it is not hex.
#[must_use]
pub fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn not_hex(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a line of hex: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_no_inputs() {
        assert_eq!(parse("# how it begins\n\n00ff # two bytes\nc000\n").unwrap(), [[0, 0xff], [0xc0, 0]]);
    }

    #[test]
    fn what_is_not_hex_is_an_error() {
        assert!(parse("0\n").is_err());
        assert!(parse("zz\n").is_err());
    }

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(from_hex(&hex(&[0, 15, 255])).unwrap(), [0, 15, 255]);
    }
}
