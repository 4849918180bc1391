//! Any bytes as a stream, in any chunking.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mqtt_fuzz::stream::run(data));
