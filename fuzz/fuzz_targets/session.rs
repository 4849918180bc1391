//! Any driver, application and server around a session.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mqtt_fuzz::session::run(data));
