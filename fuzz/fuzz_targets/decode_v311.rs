//! Any bytes as packets of 3.1.1.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mqtt_fuzz::decode::run(mqtt_codec::Version::V311, data));
