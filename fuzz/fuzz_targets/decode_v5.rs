//! Any bytes as packets of 5.0.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mqtt_fuzz::decode::run(mqtt_codec::Version::V5, data));
