//! The shape of a file: it says what it is, and holds one concept.

use crate::source::Source;

/// Lines of a file besides its test module.
const MAX_LINES: usize = 600;
/// Lines of a file with its test module, or of a test file.
const MAX_LINES_WITH_TESTS: usize = 900;

pub(super) fn check(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.text.starts_with("//!") {
        complaints.push(format!("{}:1: the file must begin with `//!` and what it is", source.path));
    }
    let all = source.text.lines().count();
    let own = source.tests_from;
    if own > MAX_LINES {
        complaints.push(format!("{}: {own} lines besides tests, at most {MAX_LINES}", source.path));
    }
    if all > MAX_LINES_WITH_TESTS {
        complaints.push(format!("{}: {all} lines, at most {MAX_LINES_WITH_TESTS}", source.path));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: usize) {
        assert_eq!(check(&Source::new(path.to_owned(), text.to_owned())).len(), expected);
    }

    #[test]
    fn a_file_says_what_it_is() {
        check_one("crates/a/src/b.rs", "//! A thing.\n", 0);
        check_one("crates/a/src/b.rs", "fn f() {}\n", 1);
    }

    #[test]
    fn tests_have_more_room_than_code() {
        let lines = |count: usize| format!("//! A thing.\n{}", "fn f() {}\n".repeat(count - 1));
        check_one("crates/a/src/b.rs", &lines(600), 0);
        check_one("crates/a/src/b.rs", &lines(601), 1);
        check_one("crates/a/tests/it/b.rs", &lines(900), 0);
        check_one("crates/a/tests/it/b.rs", &lines(901), 1);
        let tests = format!("{}#[cfg(test)]\nmod tests {{\n}}\n", lines(600));
        check_one("crates/a/src/b.rs", &tests, 0);
    }
}
