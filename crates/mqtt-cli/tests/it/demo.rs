//! The demonstration: what it shows, and that its table says what it claims.

use crate::programs::Program;

#[test]
fn it_shows_packets_and_ends_with_a_table_without_losses_or_duplicates() {
    let shown = String::from_utf8(Program::mqtt(&["demo"]).succeed()).unwrap();
    for part in
        ["=== MQTT 3.1.1 ===", "=== MQTT 5.0 ===", "writer -out-> ", "reader <-in-- ", "flags 1100", "***"]
    {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    let (_, table) = shown.split_once("What became of the messages:").expect("a table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| matches!(words.first(), Some(&"3.1.1" | &"5.0")))
        .collect();
    let acts: Vec<_> = rows.iter().map(|row| (row[0], row[1])).collect();
    let qos = ["0", "1", "2", "2"];
    let expected: Vec<_> =
        ["3.1.1", "5.0"].iter().flat_map(|version| qos.map(|qos| (*version, qos))).collect();
    assert_eq!(acts, expected, "{table}");
    for row in &rows {
        let [.., sent, delivered, duplicates, losses] = row[..] else { panic!("{row:?}") };
        assert_eq!((delivered, duplicates, losses), (sent, "0", "0"), "{table}");
    }
    assert_eq!(rows.iter().filter(|row| row.contains(&"times")).count(), 2, "{table}");
}
