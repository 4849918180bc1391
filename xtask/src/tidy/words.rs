//! Words that may not stand in certain code: clocks in the pure crates, sleeping in their tests, unfinished work.

use crate::source::{Source, has_word};

/// The crates in which time and bytes come in as arguments and nothing is left to chance.
const PURE: [&str; 3] = ["mqtt-codec", "mqtt-session", "mqtt-client-core"];

/// Where a rule holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everywhere,
    /// Pure crates, their tests too.
    Pure,
    /// Pure crates, their tests excepted.
    PureNoTests,
}

/// Words, where they are banned, and what to tell who used them.
const RULES: [(&[&str], Scope, &str); 6] = [
    (&["unsafe"], Scope::Everywhere, "this workspace has no unsafe code"),
    (&["todo!", "unimplemented!", "dbg!"], Scope::Everywhere, "finish it"),
    (&["ignore"], Scope::Everywhere, "a test that is switched off proves nothing"),
    (
        &["sleep", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "ToSocketAddrs"],
        Scope::Pure,
        "a pure crate neither sleeps nor opens a socket, its tests neither",
    ),
    (
        &["Instant", "SystemTime::now", "std::thread", "tokio", "getrandom", "rand", "fastrand"],
        Scope::PureNoTests,
        "a pure crate is told the time and the seed, and starts nothing",
    ),
    (
        &["HashMap::new", "HashSet::new", "RandomState"],
        Scope::PureNoTests,
        "iteration order must not depend on chance: give it a fixed hasher, or BTreeMap",
    ),
];

/// Marks of unfinished work, looked for in comments too.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(super) fn check(source: &Source) -> Vec<String> {
    // An example of a pure crate shows a driver, which has both.
    let pure = PURE.contains(&source.package()) && !source.path.contains("/examples/");
    let mut complaints = Vec::new();
    for (number, (code, text)) in source.code.lines().zip(source.text.lines()).enumerate() {
        let in_test = number >= source.tests_from;
        let mut complain = |what: &str, why: &str| {
            complaints.push(format!("{}:{}: `{what}`: {why}", source.path, number + 1));
        };
        for (words, scope, why) in RULES {
            let applies = match scope {
                Scope::Everywhere => true,
                Scope::Pure => pure,
                Scope::PureNoTests => pure && !in_test,
            };
            for word in words.iter().filter(|word| applies && stands(code, word)) {
                complain(word, why);
            }
        }
        for mark in MARKS.iter().filter(|mark| has_word(text, mark)) {
            complain(mark, "finish it, or put it on an issue");
        }
    }
    complaints
}

/// A macro counts with its `!`; `ignore` only as the attribute.
fn stands(code: &str, word: &str) -> bool {
    match word {
        "ignore" => code.contains("#[ignore"),
        _ => has_word(code, word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: usize) {
        let complaints = check(&Source::new(path.to_owned(), text.to_owned()));
        assert_eq!(complaints.len(), expected, "{text}: {complaints:?}");
    }

    #[test]
    fn clocks_are_banned_from_pure_code_only() {
        check_one("crates/mqtt-session/src/a.rs", "let now = Instant::now();", 1);
        check_one("crates/mqtt-session/src/a.rs", "// no Instant here", 0);
        check_one("crates/mqtt-tokio/src/a.rs", "let now = Instant::now();", 0);
        check_one("crates/mqtt-session/tests/it/a.rs", "let now = Instant::now();", 0);
    }

    #[test]
    fn sleeping_is_banned_from_the_tests_of_pure_crates() {
        check_one("crates/mqtt-codec/tests/it/a.rs", "std::thread::sleep(d);", 1);
        check_one("crates/mqtt-testkit/tests/it/a.rs", "std::thread::sleep(d);", 0);
    }

    #[test]
    fn unfinished_work_is_found() {
        check_one("crates/mqtt-cli/src/a.rs", concat!("to", "do!(\"later\")"), 1);
        check_one("crates/mqtt-cli/src/a.rs", concat!("// TO", "DO: later"), 1);
        check_one("crates/mqtt-cli/src/a.rs", concat!("#[ign", "ore]"), 1);
        check_one("crates/mqtt-cli/src/a.rs", "// rust,ignore", 0);
    }
}
