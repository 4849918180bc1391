//! Matching a filter with a topic name, level by level, on bytes (section 4.7 of both versions).

/// Whether a well-formed filter (without `$share/name/`) matches a topic name.
pub(super) fn matches(filter: &[u8], topic: &[u8]) -> bool {
    // [MQTT-4.7.2-1]: what servers publish about themselves is not caught by accident.
    if topic.first() == Some(&b'$') && matches!(filter.first(), Some(b'+' | b'#')) {
        return false;
    }
    let mut filter_levels = filter.split(|&byte| byte == b'/');
    let mut topic_levels = topic.split(|&byte| byte == b'/');
    loop {
        match (filter_levels.next(), topic_levels.next()) {
            // The parent is included: `a/#` matches `a`, whose levels have just ended.
            (Some(b"#"), _) => return true,
            (Some(b"+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[track_caller]
    fn check(filter: &str, hits: &[&str], misses: &[&str]) {
        for topic in hits {
            assert!(matches(filter.as_bytes(), topic.as_bytes()), "{filter} must match {topic}");
        }
        for topic in misses {
            assert!(!matches(filter.as_bytes(), topic.as_bytes()), "{filter} must not match {topic}");
        }
    }

    #[test]
    fn the_specification_s_examples() {
        check(
            "sport/tennis/player1/#",
            &["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"],
            &["sport/tennis/player10", "sport/tennis", "Sport/tennis/player1"],
        );
        check("sport/#", &["sport", "sport/", "sport/a/b"], &["sports", "/sport"]);
        check(
            "sport/tennis/+",
            &["sport/tennis/player1", "sport/tennis/player2", "sport/tennis/"],
            &["sport/tennis/player1/ranking", "sport/tennis"],
        );
        check("sport/+", &["sport/"], &["sport"]);
        check("+/+", &["/finance", "a/b"], &["finance", "a/b/c"]);
        check("/+", &["/finance"], &["finance", "//finance"]);
        check("+", &["finance", ""], &["/finance"]);
        check("#", &["a", "a/b", "/", "/a"], &["$SYS/monitor/Clients"]);
        check("+/tennis/#", &["sport/tennis", "sport/tennis/a"], &["tennis", "a/b/tennis"]);
    }

    #[test]
    fn topics_are_compared_exactly() {
        check("ACCOUNTS", &["ACCOUNTS"], &["Accounts", "ACCOUNTS/", "/ACCOUNTS"]);
        check("Accounts payable", &["Accounts payable"], &["Accountspayable"]);
        // U+00C5, and A with a combining ring: no normalisation.
        check("\u{c5}", &["\u{c5}"], &["A\u{30a}"]);
    }

    // [3.1.1 MQTT-4.7.2-1] [5.0 MQTT-4.7.2-1]
    #[test]
    fn dollar_topics_need_their_first_level_spelled_out() {
        check("#", &[], &["$SYS", "$SYS/a"]);
        check("+/monitor/Clients", &["x/monitor/Clients"], &["$SYS/monitor/Clients"]);
        check("$SYS/#", &["$SYS", "$SYS/monitor"], &["SYS"]);
        check("$SYS/monitor/+", &["$SYS/monitor/Clients"], &[]);
        check("a/+", &["a/$b"], &[]);
    }
}
