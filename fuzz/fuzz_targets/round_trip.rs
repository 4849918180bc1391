//! Any legal packet, encoded and decoded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mqtt_fuzz::round_trip::run(data));
