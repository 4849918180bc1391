//! How large the adapters may be: they move bytes, and whatever decides anything is the core's.

use crate::source::Source;

const ADAPTERS: [&str; 2] = ["mqtt-tokio", "mqtt-blocking"];

/// Lines of code of one adapter besides its transports: blank lines, comments and tests don't count.
const MAX_LINES: usize = 500;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let oversized = |adapter: &&str| lines_of(adapter, sources) > MAX_LINES;
    let complain = |adapter: &str| {
        let lines = lines_of(adapter, sources);
        format!(
            "crates/{adapter}: {lines} lines of code besides its transports, at most {MAX_LINES}: \
             what both adapters need belongs in mqtt-client-core"
        )
    };
    ADAPTERS.into_iter().filter(oversized).map(complain).collect()
}

fn lines_of(adapter: &str, sources: &[Source]) -> usize {
    let counts = |source: &&Source| {
        source.path.starts_with(&format!("crates/{adapter}/src/")) && !source.path.contains("/transport/")
    };
    let own = |source: &Source| {
        let code = source.code.lines().take(source.tests_from);
        code.filter(|line| !line.trim().is_empty()).count()
    };
    sources.iter().filter(counts).map(own).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_that_grows_is_seen_and_its_transports_do_not_count() {
        let check_with = |path: &str, lines: usize, expected: usize| {
            let code = |count: usize| format!("//! A thing.\n\n{}", "fn f() {} // why\n".repeat(count));
            let sources = [
                Source::new("crates/mqtt-tokio/src/driver.rs".to_owned(), code(MAX_LINES)),
                Source::new(path.to_owned(), code(lines)),
            ];
            assert_eq!(check(&sources).len(), expected, "{path}");
        };
        check_with("crates/mqtt-tokio/src/client.rs", 1, 1);
        check_with("crates/mqtt-tokio/src/transport/tcp.rs", 100, 0);
        check_with("crates/mqtt-tokio/tests/it/ending.rs", 100, 0);
        check_with("crates/mqtt-tokio/examples/sensor.rs", 100, 0);
        check_with("crates/mqtt-blocking/src/driver.rs", MAX_LINES, 0);
        check_with("crates/mqtt-blocking/src/driver.rs", MAX_LINES + 1, 1);
        check_with("crates/mqtt-client-core/src/driver.rs", 10_000, 0);
    }
}
