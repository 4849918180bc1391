//! Processes that are killed, through mosquitto. `cargo xtask kill` does this longer.

use mqtt_client_core::codec::Version;
use mqtt_scenarios::Killing;

/// Twelve lives, of which none is long enough to finish anything by itself.
#[track_caller]
fn check(version: Version) {
    let program = env!("CARGO_BIN_EXE_kill").into();
    let counted = Killing { program, version, kills: 12, seed: 7 }.run();
    assert!(counted.published > 100 && counted.received > 100, "{counted}");
}

#[test]
fn nothing_is_lost_or_doubled_in_3_1_1() {
    check(Version::V311);
}

#[test]
fn nothing_is_lost_or_doubled_in_5_0() {
    check(Version::V5);
}
