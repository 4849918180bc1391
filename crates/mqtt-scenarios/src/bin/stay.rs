//! `stay tokio|blocking URL COUNT`: so many clients that connect and then do nothing, until the input ends. For a
//! [`Sleeper`](mqtt_scenarios::Sleeper), and for a look at the memory that they take.

use std::io::{self, Read};
use std::time::Duration;

use mqtt_client_core::codec::Version;
use mqtt_scenarios::{Adapter, Blocking, Case, Tokio};

/// Nothing is sent for so long, unless there is a reason.
const KEEP_ALIVE: Duration = Duration::from_secs(18 * 3600);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [Tokio::NAME, url, count] => stay::<Tokio>(url, count),
        [Blocking::NAME, url, count] => stay::<Blocking>(url, count),
        _ => panic!("usage: stay tokio|blocking URL COUNT"),
    }
}

fn stay<A: Adapter>(url: &str, count: &str) {
    let count: usize = count.parse().expect("COUNT is a number");
    let case = Case::<A>::start(Version::V5);
    let connect = |_| case.connect_with(case.options(url).keep_alive(KEEP_ALIVE));
    let _clients: Vec<_> = (0..count).map(connect).collect();
    // However it ends, that is the end.
    let _ = io::stdin().read_to_end(&mut Vec::new());
}
