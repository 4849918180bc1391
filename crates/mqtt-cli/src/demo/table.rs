//! The closing table: what was sent, and what became of it.

use std::collections::BTreeMap;

use mqtt_tokio::{QoS, Version};

/// How often each message, by its number, has arrived.
pub(super) type Arrivals = BTreeMap<u32, u64>;

/// One act: a version, a QoS, and its figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    version: Version,
    qos: QoS,
    cuts: u64,
    sent: u64,
    delivered: u64,
    duplicates: u64,
}

impl Row {
    pub(super) fn new(version: Version, qos: QoS, cuts: u64, sent: u32, arrivals: Option<&Arrivals>) -> Self {
        let counts = || arrivals.into_iter().flat_map(Arrivals::values);
        let delivered = counts().count() as u64;
        let duplicates = counts().sum::<u64>() - delivered;
        Row { version, qos, cuts, sent: sent.into(), delivered, duplicates }
    }

    pub(super) fn is_exactly_once(&self) -> bool {
        self.duplicates == 0 && self.losses() == 0
    }

    fn losses(&self) -> u64 {
        self.sent.saturating_sub(self.delivered)
    }
}

pub(super) fn render(rows: &[Row]) -> String {
    let mut table = String::from("  version  QoS  link cut    sent  delivered  duplicates  losses\n");
    for row in rows {
        let Row { version, qos, cuts, sent, delivered, duplicates } = row;
        let cuts = if *cuts == 0 { "never".to_owned() } else { format!("{cuts} times") };
        table += &format!(
            "  {:<7}  {:>3}  {cuts:<8}  {sent:>6}  {delivered:>9}  {duplicates:>10}  {:>6}\n",
            version.to_string(),
            qos.as_u8(),
            row.losses()
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arrivals: &[(u32, u64)], exactly_once: bool, expected: &str) {
        let arrivals = arrivals.iter().copied().collect();
        let row = Row::new(Version::V311, QoS::ExactlyOnce, 2, 3, Some(&arrivals));
        assert_eq!(row.is_exactly_once(), exactly_once);
        assert_eq!(render(&[row]).lines().nth(1), Some(expected));
    }

    #[test]
    fn losses_and_duplicates_do_not_make_up_for_each_other() {
        check(
            &[(0, 1), (1, 1), (2, 1)],
            true,
            "  3.1.1      2  2 times        3          3           0       0",
        );
        check(&[(0, 2), (2, 1)], false, "  3.1.1      2  2 times        3          2           1       1");
        check(&[], false, "  3.1.1      2  2 times        3          0           0       3");
    }

    #[test]
    fn an_act_that_nothing_arrived_of_is_lost_whole() {
        assert!(!Row::new(Version::V5, QoS::AtMostOnce, 0, 1, None).is_exactly_once());
    }
}
