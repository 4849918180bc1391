//! Builds packets by hand, and prints what they are on the wire.
//!
//! ```sh
//! cargo run -p mqtt-codec --example build
//! ```

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::{error::Error, io::IoSlice, num::NonZero};

use mqtt_codec::{
    Binary, Connect, EncodeError, Packet, PacketId, Publish, PublishProperties, QoS, Subscribe,
    SubscribeFilter, Text, TopicFilter, TopicName, Version, Will,
};

fn main() -> Result<(), Box<dyn Error>> {
    // Each field has a type that can't hold what the wire can't; a mistake shows where it is made.
    let mut connect = Connect::new(Version::V5, Text::new("sensor-7")?);
    connect.keep_alive = 30;
    connect.properties.set_receive_maximum(NonZero::new(20).ok_or("not zero")?);
    connect.will = Some(Will::new(TopicName::new("plant/3/status")?, Binary::new("lost")?));
    connect.username = Some(Text::new("operator")?);
    show("CONNECT with a will", &connect.clone().into(), Version::V5)?;

    let filter = SubscribeFilter::new(TopicFilter::new("plant/+/command/#")?, QoS::AtLeastOnce);
    show("SUBSCRIBE", &Subscribe::new(PacketId::MIN, vec![filter]).into(), Version::V5)?;

    let reading = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: PacketId::new(2),
        properties: PublishProperties::new()
            .with_message_expiry_interval(60)
            .with_content_type(&Text::new("text/plain")?)
            .with_user_property(&Text::new("unit")?, &Text::new("celsius")?),
        ..Publish::new(TopicName::new("plant/3/temperature")?, "21.5")
    };
    show("PUBLISH with properties", &reading.clone().into(), Version::V5)?;

    // A large payload is not copied: the head, then the payload from where it lies.
    let picture = Publish::new(TopicName::new("plant/3/camera")?, vec![0xD8; 100_000]);
    let mut head = Vec::new();
    picture.encode_head(Version::V311, &mut head)?;
    let slices = [IoSlice::new(&head), IoSlice::new(&picture.payload)];
    println!("for a vectored write: {:?} bytes", slices.map(|slice| slice.len()));

    // What only the version rules out is an error of encoding, and nothing is written.
    let refused = Packet::from(reading).encode(Version::V311, &mut Vec::new());
    assert_eq!(refused, Err(EncodeError::NotInVersion { what: "properties", version: Version::V311 }));
    println!("for 3.1.1: {}", refused.map_or_else(|error| error.to_string(), |len| len.to_string()));
    Ok(())
}

fn show(what: &str, packet: &Packet, version: Version) -> Result<(), EncodeError> {
    let mut out = Vec::new();
    let len = packet.encode(version, &mut out)?;
    let hex: Vec<String> = out.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{what}, {len} bytes:\n    {}", hex.join(" "));
    Ok(())
}
