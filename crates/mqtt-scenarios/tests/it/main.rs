//! The scenarios, a module for each theme; each runs over both adapters and in both versions.

#![allow(clippy::unwrap_used, reason = "scenarios are tests, in functions that the tests call")]

/// Makes tests of scenarios, `fn name<A: Adapter>(case: &Case<A>)`: `name::tokio_v5` and so on. A list may be limited to
/// MQTT 5.0.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            scenarios!(@test $name tokio_v311 Tokio V311);
            scenarios!(@test $name blocking_v311 Blocking V311);
            scenarios!(@test $name tokio_v5 Tokio V5);
            scenarios!(@test $name blocking_v5 Blocking V5);
        })+
    };
    (only 5.0: $($name:ident),+ $(,)?) => {
        $(mod $name {
            scenarios!(@test $name tokio_v5 Tokio V5);
            scenarios!(@test $name blocking_v5 Blocking V5);
        })+
    };
    (@test $name:ident $test:ident $adapter:ident $version:ident) => {
        #[test]
        fn $test() {
            mqtt_scenarios::secrets::watch();
            let version = mqtt_client_core::codec::Version::$version;
            super::$name(&mqtt_scenarios::Case::<mqtt_scenarios::$adapter>::start(version));
        }
    };
}

mod acknowledging;
mod after_disconnect;
mod aliases;
mod authenticating;
mod batching;
mod callbacks;
mod collecting;
mod configuring;
mod connecting;
mod destinations;
mod exactly_once;
mod hostile;
mod hostile_ways;
mod interop;
mod killing;
mod leaving;
mod liveness;
mod memory;
mod messages;
mod negotiating;
mod offline;
mod one_shot;
mod progressing;
mod properties;
mod providing;
mod publishing;
mod quic;
mod receiving;
mod reconnecting;
mod requests;
mod retrying;
mod round_trip;
mod secrets;
mod subscribing;
mod suspending;
mod tls;
mod transports;
mod watching;
mod wills;
