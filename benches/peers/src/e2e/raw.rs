//! No client at all: packets that were encoded before, and answers that are only counted. What the machine can carry.

use std::{
    error::Error,
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use mqtt_codec::{
    Ack, AckKind, Connect, Packet, PacketId, Publish, QoS, Subscribe, SubscribeFilter, Text, TopicFilter,
    TopicName, Version,
};

use super::{Lap, PAYLOAD, TOPIC, Work, sink::Sink};

const VERSION: Version = Version::V311;

/// PUBACK, PUBREC, PUBREL and PUBCOMP are all so long.
const ACK: usize = 4;

pub fn run(sink: &Sink, work: Work, messages: u64) -> Result<Option<Duration>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(sink.addr())?;
    stream.set_nodelay(true)?;
    let connect = Connect::new(VERSION, Text::from_static("raw")?);
    stream.write_all(&encoded([connect.into()]))?;
    stream.read_exact(&mut [0; 4])?;
    match work {
        Work::Publish { qos, window, .. } => publish(&mut stream, qos, window, messages)?,
        Work::Receive { qos, .. } => receive(&mut stream, sink, qos, messages)?,
        Work::PingPong => return Ok(echoes(&mut stream, messages)?.all()),
    }
    Ok(None)
}

fn echoes(stream: &mut TcpStream, messages: u64) -> io::Result<Lap> {
    let message = encoded([message(QoS::AtMostOnce, 1)]);
    let mut echo = vec![0; message.len()];
    let mut lap = Lap::new();
    for _ in 0..messages {
        lap.begin();
        stream.write_all(&message)?;
        stream.read_exact(&mut echo)?;
        lap.end();
    }
    Ok(lap)
}

fn publish(stream: &mut TcpStream, qos: QoS, window: u16, messages: u64) -> Result<(), Box<dyn Error>> {
    let window = if qos == QoS::AtMostOnce { 1000 } else { window };
    let publishes = encoded((1..=window).map(|id| message(qos, id)));
    let releases = encoded((1..=window).filter_map(PacketId::new).map(|id| ack(AckKind::Pubrel, id)));
    let mut answers = vec![0; ACK * usize::from(window)];
    for _ in 0..messages / u64::from(window) {
        stream.write_all(&publishes)?;
        if qos != QoS::AtMostOnce {
            stream.read_exact(&mut answers)?;
        }
        if qos == QoS::ExactlyOnce {
            stream.write_all(&releases)?;
            stream.read_exact(&mut answers)?;
        }
    }
    Ok(())
}

/// The bytes of each message are known, so that it is enough to count them.
fn receive(stream: &mut TcpStream, sink: &Sink, qos: QoS, messages: u64) -> Result<(), Box<dyn Error>> {
    let filter = SubscribeFilter { filter: TopicFilter::new(TOPIC)?, options: Default::default() };
    stream.write_all(&encoded([Subscribe::new(PacketId::MIN, vec![filter]).into()]))?;
    stream.read_exact(&mut [0; 5])?;
    let size = encoded([message(qos, 1)]).len() as u64;
    let first = if qos == QoS::ExactlyOnce { AckKind::Pubrec } else { AckKind::Puback };
    let mut chunk = vec![0; 256 * 1024];
    let (mut bytes, mut seen, mut acked) = (0, 0, 0);
    while seen < messages {
        bytes += stream.read(&mut chunk)? as u64;
        // Of QoS 2, a PUBREL comes for each message that was answered, before any further message.
        let now = if qos == QoS::ExactlyOnce {
            bytes.saturating_sub(ACK as u64 * acked) / size
        } else {
            bytes / size
        };
        let now = now.min(messages);
        if qos != QoS::AtMostOnce && now > seen {
            let ids = (seen..now).filter_map(|n| PacketId::new((n % 60_000) as u16 + 1));
            let mut answers = encoded(ids.clone().map(|id| ack(first, id)));
            if qos == QoS::ExactlyOnce {
                stream.write_all(&answers)?;
                stream.read_exact(&mut chunk[..answers.len()])?;
                bytes += answers.len() as u64;
                acked += now - seen;
                answers = encoded(ids.map(|id| ack(AckKind::Pubcomp, id)));
            }
            stream.write_all(&answers)?;
        }
        seen = now;
    }
    if qos == QoS::AtMostOnce {
        sink.done().set();
    }
    sink.wait(std::time::Duration::from_secs(60))?;
    Ok(())
}

fn message(qos: QoS, id: u16) -> Packet {
    let topic = TopicName::from_static(TOPIC).expect("a topic");
    let packet_id = PacketId::new(id).filter(|_| qos != QoS::AtMostOnce);
    Publish { qos, packet_id, ..Publish::new(topic, &[7; PAYLOAD][..]) }.into()
}

fn ack(kind: AckKind, id: PacketId) -> Packet {
    Ack::new(kind, id).into()
}

fn encoded(packets: impl IntoIterator<Item = Packet>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.encode(VERSION, &mut bytes).expect("a legal packet");
    }
    bytes
}
