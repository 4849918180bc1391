//! `stay tokio|blocking URL`: a client that connects and then does nothing, until its input ends. For a
//! [`Sleeper`](mqtt_scenarios::Sleeper).

use std::io::{self, Read};
use std::time::Duration;

use mqtt_client_core::codec::Version;
use mqtt_scenarios::{Adapter, Blocking, Case, Tokio};

/// Nothing is sent for so long, unless there is a reason.
const KEEP_ALIVE: Duration = Duration::from_secs(18 * 3600);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [Tokio::NAME, url] => stay::<Tokio>(url),
        [Blocking::NAME, url] => stay::<Blocking>(url),
        _ => panic!("usage: stay tokio|blocking URL"),
    }
}

fn stay<A: Adapter>(url: &str) {
    let case = Case::<A>::start(Version::V5);
    let _client = case.connect_with(case.options(url).keep_alive(KEEP_ALIVE));
    // However it ends, that is the end.
    let _ = io::stdin().read_to_end(&mut Vec::new());
}
