//! A machine that is suspended: only the wall clock goes on meanwhile.

use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_client_core::session::Direction;
use mqtt_client_core::{Event, Failure, Options, Reconnect};
use mqtt_testkit::Fault;

use crate::rig::{Dial, Rig, drain};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// How late a sleep may be noticed.
const SOON: Duration = Duration::from_secs(6);

fn options() -> mqtt_client_core::OptionsBuilder {
    Options::builder().keep_alive(HOUR * 18).ping_timeout(SECOND * 10)
}

fn pings(rig: &Rig) -> usize {
    let is_ping = |entry: &&mqtt_testkit::LogEntry| {
        entry.packet.direction == Direction::Inbound && entry.packet.kind == PacketKind::Pingreq
    };
    rig.broker.log().filter(is_ping).count()
}

#[test]
fn a_link_that_died_while_the_machine_slept_is_found_out_at_once() {
    let mut rig = Rig::connected(options());
    let mut events = rig.client.events();
    rig.broker.inject(Fault::received(PacketKind::Pingreq).lose());
    rig.suspend(HOUR);
    rig.run_for(SOON + SECOND * 10);
    let failed = |event: &Event| matches!(event, Event::Failed { failure: Failure::PingTimeout, .. });
    assert!(drain(&mut events).iter().any(failed));
    rig.run_for(SECOND * 5);
    assert!(rig.client.is_connected(), "and is replaced");
}

#[test]
fn a_link_that_lived_on_costs_one_ping() {
    let mut rig = Rig::connected(options());
    for slept in 1..=3 {
        rig.suspend(HOUR);
        rig.run_for(SECOND * 60);
        assert_eq!(pings(&rig), slept);
    }
    rig.publish("a", "x", QoS::AtLeastOnce);
    assert_eq!((rig.dials.len(), rig.client.stats().reconnects), (1, 0));
}

#[test]
fn a_wait_for_the_next_attempt_ends_with_the_sleep() {
    let reconnect = Reconnect { first_wait: HOUR * 10, max_wait: HOUR * 10, ..Reconnect::default() };
    let mut rig = Rig::connected(options().reconnect(reconnect));
    rig.dial = Dial::Fails;
    rig.cut();
    rig.run_for(SECOND);
    rig.dial = Dial::Reaches;
    rig.suspend(HOUR);
    rig.run_for(SOON);
    assert!(rig.client.is_connected());
}

#[test]
fn clocks_that_agree_cause_no_traffic() {
    let mut rig = Rig::connected(options());
    rig.suspend(Duration::ZERO);
    rig.run_for(HOUR);
    rig.suspend(SECOND);
    rig.run_for(HOUR);
    assert_eq!(pings(&rig), 0);
}
