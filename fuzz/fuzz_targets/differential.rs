//! Any bytes as one packet, read by three codecs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mqtt_fuzz::differential::run(data));
