//! Rust source as text: where the files are, what in them is code, and where their tests begin.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::shell::root;

/// The folders that hold Rust of ours.
const FOLDERS: [&str; 4] = ["crates", "xtask", "fuzz", "benches"];

/// One file of Rust.
pub(crate) struct Source {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments and the insides of literals blanked: same lines, same columns.
    pub(crate) code: String,
    /// The first line (from 0) that is test code; the number of lines when there is none.
    pub(crate) tests_from: usize,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = blank_comments_and_literals(&text);
        let lines = code.lines().count();
        let tests_from = if is_test_file(&path) { 0 } else { test_module(&code).unwrap_or(lines) };
        Self { path, text, code, tests_from }
    }

    /// The crate's folder, e.g. `mqtt-codec`; `xtask`, `fuzz` and `benches` stand for themselves.
    pub(crate) fn package(&self) -> &str {
        let path = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        path.split('/').next().unwrap_or(path)
    }
}

/// Every file of Rust, sorted by path.
pub(crate) fn all() -> Result<Vec<Source>> {
    let root = root();
    let paths = FOLDERS.iter().map(|folder| files(&root.join(folder), "rs")).collect::<Result<Vec<_>>>()?;
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(&root).expect("found below the root").display().to_string();
        Ok(Source::new(relative, read(&path)?))
    };
    paths.into_iter().flatten().map(read).collect()
}

/// Reads a text file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// All files with this extension below a folder, sorted; what builds produce is left out.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in read_folder(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// What a folder holds, sorted.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.with_context(|| folder.display().to_string())?;
    paths.sort();
    Ok(paths)
}

/// Whether this identifier stands in blanked code, as a word of its own.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(part)
            && !code[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// The scenario crate is nothing but tests; elsewhere cargo's folder and the file name tell.
fn is_test_file(path: &str) -> bool {
    path.starts_with("crates/mqtt-scenarios/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

/// The line of the `#[cfg(test)]` over a module with a body, which is the last thing in a file of ours.
fn test_module(code: &str) -> Option<usize> {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]"
            && (pair[1].starts_with("mod ") || pair[1].contains(" mod "))
            && pair[1].ends_with('{')
    })
}

/// Replaces the characters of comments, and those between the quotes of literals, by blanks.
fn blank_comments_and_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (shown, blanked) = token(rest, out.chars().next_back());
        let len = (shown + blanked).max(first.len_utf8());
        let (token, after) = rest.split_at(len);
        out.push_str(&token[..len - blanked]);
        out.extend(token[len - blanked..].chars().map(|c| if c == '\n' { c } else { ' ' }));
        rest = after;
    }
    out
}

/// At the start of `rest`: how many bytes to keep, then how many to blank. (0, 0) is one plain character.
fn token(rest: &str, before: Option<char>) -> (usize, usize) {
    let up_to = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return (0, up_to(rest.find('\n')));
    }
    if rest.starts_with("/*") {
        return (0, block_comment(rest));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(open) = raw_string(rest) {
        let close = format!("\"{}", "#".repeat(open.matches('#').count()));
        let end = rest[open.len()..].find(&close).map(|at| open.len() + at + close.len());
        return (open.len(), up_to(end) - open.len());
    }
    if rest.starts_with('"') {
        return (1, up_to(closing(rest, '"')) - 1);
    }
    // A quote opens a character when another closes it; else it is a lifetime.
    if rest.starts_with('\'') {
        let mut chars = rest.char_indices().skip(1);
        match (chars.next(), chars.next()) {
            (Some((_, '\\')), _) => return (1, up_to(closing(rest, '\'')) - 1),
            (_, Some((at, '\''))) => return (1, at),
            _ => {}
        }
    }
    (0, 0)
}

/// The length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The opening of a raw string, e.g. `br##"`.
fn raw_string(rest: &str) -> Option<&str> {
    let after = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let body = after.trim_start_matches('#').strip_prefix('"')?;
    Some(&rest[..rest.len() - body.len()])
}

/// Just past the quote that closes the one at the start.
fn closing(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    rest.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str) {
        assert_eq!(blank_comments_and_literals(text), code, "{text}");
    }

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ */ d", "a                 d");
        check(r#"f("x\"y", z)"#, r#"f("     , z)"#);
        check(r##"f(r#"x"y"#, z)"##, r##"f(r#"     , z)"##);
        check("'x' 'é' '\\'' '\"' x", "'   '   '    '   x");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("\"unclosed", "\"        ");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("Instant::now()", "Instant"));
        assert!(!has_word("Instantly", "Instant"));
        assert!(!has_word("my_Instant", "Instant"));
        assert!(has_word("std::thread::spawn", "std::thread"));
    }

    #[test]
    fn test_code_is_found() {
        let tests_from = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned()).tests_from;
        assert_eq!(tests_from("crates/a/src/b.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n}\n"), 1);
        assert_eq!(tests_from("crates/a/src/b.rs", "fn f() {}\n#[cfg(test)]\nmod tests;\n"), 3);
        assert_eq!(tests_from("crates/a/src/b.rs", "// #[cfg(test)]\n// mod tests {\n"), 2);
        assert_eq!(tests_from("crates/a/tests/it/main.rs", "fn f() {}\n"), 0);
    }
}
