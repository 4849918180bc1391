//! A machine that has slept. What follows from it, mqtt-client-core's tests show; here, that both drivers tell of it.

use mqtt_client_core::codec::PacketKind;
use mqtt_scenarios::{Adapter, Case, Sleeper, until};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(only 5.0: a_link_is_looked_at_when_the_machine_has_slept);

fn a_link_is_looked_at_when_the_machine_has_slept<A: Adapter>(_: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let sleeper = Sleeper::start::<A>(env!("CARGO_BIN_EXE_stay"), &server.url());
    let has_come = |kind| server.with_broker(|broker| broker.log().any(|entry| entry.packet.kind == kind));
    until("it connects", || has_come(PacketKind::Connack));
    assert!(!has_come(PacketKind::Pingreq), "nothing has happened");
    sleeper.sleep();
    until("it pings", || has_come(PacketKind::Pingreq));
}
