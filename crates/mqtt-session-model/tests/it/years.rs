//! Ten years on a flaky link.

use mqtt_session::codec::Version;
use mqtt_session_model::soak::soak;

#[test]
fn ten_years_leave_nothing_behind() {
    for version in [Version::V311, Version::V5] {
        let years = soak(1, version, 10);
        println!("{version}: {years:?}");
        assert!(years.connections > 10_000 && years.silences > 1_000 && years.restarts > 1_000, "{years:?}");
        assert!(years.published > 200_000 && years.delivered > 200_000, "{years:?}");
    }
}
