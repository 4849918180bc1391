//! Fuzz targets of codec and session, each a plain function of its input: libFuzzer calls it from `fuzz_targets/`,
//! and `tests/replay.rs` with every input of `corpus/`, so that an ordinary test run repeats all that fuzzing learnt.
//!
//! | target | the input is | what must hold |
//! | --- | --- | --- |
//! | [`decode`] | frames from either side | no panic; what is accepted can be encoded and is the same packet again |
//! | [`stream`] | a chunking and a stream | any chunking gives the same packets and the same error |
//! | [`round_trip`] | choices of [`generate`] | any legal packet survives encoding and decoding |
//! | [`differential`] | frames from either side | two codecs of other houses agree, or it is known why not |
//! | [`session`] | a story of `mqtt-session-model` | a session does what its model does; messages keep their promise |

#![forbid(unsafe_code)]

pub mod corpus;
pub mod decode;
pub mod differential;
pub mod generate;
pub mod round_trip;
pub mod session;
pub mod stream;

/// Runs the target of that name; `None` if there is none.
pub fn run(target: &str, input: &[u8]) -> Option<()> {
    use mqtt_codec::Version;
    match target {
        "decode_v311" => decode::run(Version::V311, input),
        "decode_v5" => decode::run(Version::V5, input),
        "differential" => differential::run(input),
        "stream" => stream::run(input),
        "round_trip" => round_trip::run(input),
        "session" => session::run(input),
        _ => return None,
    }
    Some(())
}
