//! A session with a full window: messages out and acknowledged, messages in and acknowledged, at each QoS.
//!
//! The time is the session's and the codec's; that of the server's answers, which are encoded on the way, is in it.

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mqtt_benches::{client_id, message};
use mqtt_codec::{Ack, AckKind, Connack, Connect, Packet, PacketId, Publish, QoS, ReasonCode, Version};
use mqtt_session::{Command, Config, Event, Output, Session, Timestamp};

/// Messages in each turn: as many as may be unacknowledged, and fewer than fill the output (64 KiB).
const WINDOW: u16 = 500;

/// Bytes of each payload.
const PAYLOAD: usize = 64;

const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A session that is connected, and the buffers of its driver.
struct Driver {
    session: Session,
    output: Output,
    input: BytesMut,
    now: Timestamp,
}

impl Driver {
    fn connected() -> Self {
        let config = Config {
            version: Version::V311,
            max_in_flight: WINDOW,
            max_inbound: WINDOW,
            ..Config::default()
        };
        let mut driver = Self {
            session: Session::new(config),
            output: Output::new(),
            input: BytesMut::new(),
            now: Timestamp::ZERO,
        };
        let connect = Connect { keep_alive: 0, ..Connect::new(Version::V311, client_id()) };
        driver.session.handle_opened(driver.now, connect).expect("a plain CONNECT");
        driver.write();
        driver.read(&encoded([Connack::new(false, ReasonCode::Success).into()]));
        driver.events(|_, _| ());
        driver
    }

    /// Everything that waits is taken by the transport.
    fn write(&mut self) {
        loop {
            self.session.poll_io(self.now, &mut self.output);
            let bytes = self.output.len();
            if bytes == 0 {
                return;
            }
            self.output.advance(bytes);
            self.session.handle_written(self.now, bytes);
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while self.session.handle_input(self.now, &mut self.input).expect("the server keeps the rules") > 0 {}
    }

    fn events(&mut self, mut handle: impl FnMut(&mut Session, Event)) {
        while let Some(event) = self.session.poll_event() {
            handle(&mut self.session, event);
        }
    }
}

fn encoded(packets: impl IntoIterator<Item = Packet>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.encode(Version::V311, &mut bytes).expect("a legal packet");
    }
    bytes
}

fn acks(kind: AckKind, ids: &[PacketId]) -> Vec<u8> {
    encoded(ids.iter().map(|id| Ack::new(kind, *id).into()))
}

fn outbound(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session out");
    group.throughput(Throughput::Elements(u64::from(WINDOW)));
    for qos in ALL {
        let mut driver = Driver::connected();
        let publish = message(qos, PAYLOAD);
        let mut next = 1;
        group.bench_function(BenchmarkId::from_parameter(format!("{qos:?}")), |bencher| {
            bencher.iter(|| {
                for tag in 0..WINDOW {
                    let command = Command::Publish { tag: tag.into(), publish: publish.clone() };
                    driver.session.submit(command).expect("the window has room");
                }
                driver.write();
                // The session counts its identifiers up, from 1 to 65,535 and around.
                let ids: Vec<PacketId> = (0..WINDOW).map(|_| successor(&mut next)).collect();
                match qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => driver.read(&acks(AckKind::Puback, &ids)),
                    QoS::ExactlyOnce => {
                        driver.read(&acks(AckKind::Pubrec, &ids));
                        driver.write();
                        driver.read(&acks(AckKind::Pubcomp, &ids));
                    }
                }
                let mut ended = 0;
                driver.events(|_, event| ended += u16::from(matches!(event, Event::Published { .. })));
                assert_eq!(ended, WINDOW);
            });
        });
    }
    group.finish();
}

fn successor(next: &mut u16) -> PacketId {
    let id = PacketId::new(*next).expect("never 0");
    *next = next.checked_add(1).unwrap_or(1);
    id
}

fn inbound(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session in");
    group.throughput(Throughput::Elements(u64::from(WINDOW)));
    let ids: Vec<PacketId> = (1..=WINDOW).filter_map(PacketId::new).collect();
    let releases = acks(AckKind::Pubrel, &ids);
    for qos in ALL {
        let mut driver = Driver::connected();
        let numbered = |id: &PacketId| {
            let packet_id = (qos != QoS::AtMostOnce).then_some(*id);
            Publish { packet_id, ..message(qos, PAYLOAD) }.into()
        };
        let messages = encoded(ids.iter().map(numbered));
        group.bench_function(BenchmarkId::from_parameter(format!("{qos:?}")), |bencher| {
            bencher.iter(|| {
                driver.read(&messages);
                let mut count = 0;
                driver.events(|session, event| {
                    if let Event::Message(message) = event {
                        count += 1;
                        if let Some(token) = message.token {
                            session.acknowledge(token, ReasonCode::Success);
                        }
                    }
                });
                assert_eq!(count, WINDOW);
                driver.write();
                if qos == QoS::ExactlyOnce {
                    driver.read(&releases);
                    driver.write();
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, outbound, inbound);
criterion_main!(benches);
