//! Any legal packet survives encoding and decoding.

use arbitrary::Unstructured;
use mqtt_codec::{Side, Version};

use crate::{decode::encodes_to_the_same, generate};

/// Generates a packet from the input and checks it.
///
/// # Panics
///
/// That is a finding.
pub fn run(input: &[u8]) {
    let mut u = Unstructured::new(input);
    let Ok((version, sender)) = version_and_sender(&mut u) else { return };
    if let Ok(packet) = generate::packet(&mut u, version, sender) {
        encodes_to_the_same(&packet, version, sender);
    }
}

fn version_and_sender(u: &mut Unstructured<'_>) -> arbitrary::Result<(Version, Side)> {
    Ok((*u.choose(&[Version::V311, Version::V5])?, *u.choose(&[Side::Client, Side::Server])?))
}
