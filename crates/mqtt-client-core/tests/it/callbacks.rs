//! Callbacks: which is called, in what order, and what a panic in one does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS, ReasonCode};
use mqtt_client_core::{
    CallbackPacket, CallbackRunner, Callbacks, Event, Options, RunningCallbacks, Subscription,
};

use crate::rig::{Rig, drain};

/// What the callbacks have noted.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().expect("no panic holds it").push(note.into());
    }

    /// A callback that notes its name and what it was given.
    fn packet(&self, name: &'static str) -> impl FnMut(&CallbackPacket) + Send + 'static {
        let notes = self.clone();
        move |packet| {
            let text = packet.message().map(|message| message.text().into_owned());
            notes.add(format!("{name} {}", text.unwrap_or_default()).trim_end());
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic holds it"))
    }
}

/// A connected client with callbacks, and a subscription to everything that is theirs.
fn running(callbacks: Callbacks) -> (Rig, CallbackRunner, RunningCallbacks) {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    let (runner, running) = client.callbacks(callbacks);
    subscribe_for_callbacks(&mut rig);
    (rig, runner, running)
}

/// Its messages go to the callbacks, because nobody has its stream.
fn subscribe_for_callbacks(rig: &mut Rig) {
    let client = rig.client.clone();
    let stream: Subscription = rig.run(client.subscribe("#").keep_on_drop(true)).expect("granted");
    drop(stream);
}

fn run(rig: &mut Rig, runner: &mut CallbackRunner) {
    for _ in 0..10 {
        assert!(rig.poll(runner).is_none(), "it goes on");
    }
}

fn topic_is(topic: &'static str) -> impl FnMut(&CallbackPacket) -> bool + Send + 'static {
    move |packet| packet.topic() == Some(topic)
}

#[test]
fn the_highest_priority_whose_condition_holds_runs_and_without_one_the_unconditional() {
    let notes = Notes::default();
    let publish = PacketKind::Publish;
    let callbacks = Callbacks::new()
        .on(publish, notes.packet("otherwise"))
        .on(publish, notes.packet("never"))
        .on_if(publish, topic_is("a"), 1, notes.packet("low"))
        .on_if(publish, topic_is("a"), 5, notes.packet("first of the high"))
        .on_if(publish, topic_is("a"), 5, notes.packet("second of the high"))
        .on_if(publish, topic_is("b"), -1, notes.packet("b"));
    let (mut rig, mut runner, _running) = running(callbacks);
    for (topic, payload) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")] {
        rig.publish(topic, payload, QoS::AtMostOnce);
    }
    run(&mut rig, &mut runner);
    assert_eq!(notes.take(), ["first of the high 1", "b 2", "otherwise 3", "first of the high 4"]);
}

#[test]
fn each_kind_of_packet_has_its_callbacks() {
    use PacketKind::{Pingreq, Pingresp, Puback, Pubcomp, Pubrec, Suback, Unsuback};
    let notes = Notes::default();
    let kinds = [Puback, Pubrec, Pubcomp, Suback, Unsuback, Pingreq, Pingresp];
    let callbacks = kinds.into_iter().fold(Callbacks::new(), |callbacks, kind| {
        let notes = notes.clone();
        callbacks.on(kind, move |packet| notes.add(format!("{} {}", kind, packet.packet_id().is_some())))
    });
    let (mut rig, mut runner, _running) = running(callbacks);
    let client = rig.client.clone();
    let mut check = |rig: &mut Rig, expected: &[&str]| {
        run(rig, &mut runner);
        assert_eq!(notes.take(), expected);
    };
    check(&mut rig, &["SUBACK true"]);
    rig.publish("a", "1", QoS::AtLeastOnce);
    check(&mut rig, &["PUBACK true"]);
    rig.publish("a", "2", QoS::ExactlyOnce);
    check(&mut rig, &["PUBREC true", "PUBCOMP true"]);
    rig.run(client.ping()).expect("there is a link");
    check(&mut rig, &["PINGREQ false", "PINGRESP false"]);
    rig.run(client.unsubscribe("#")).expect("granted");
    check(&mut rig, &["UNSUBACK true"]);
}

#[test]
fn a_qos_2_message_comes_with_its_publish_and_again_with_its_pubrel() {
    let notes = Notes::default();
    let callbacks = Callbacks::new()
        .on(PacketKind::Publish, notes.packet("PUBLISH"))
        .on(PacketKind::Pubrel, notes.packet("PUBREL"));
    let (mut rig, mut runner, _running) = running(callbacks);
    for payload in ["1", "2"] {
        rig.publish("a", payload, QoS::ExactlyOnce);
        run(&mut rig, &mut runner);
    }
    assert_eq!(notes.take(), ["PUBLISH 1", "PUBREL 1", "PUBLISH 2", "PUBREL 2"]);
    assert_eq!(rig.client.stats().unacknowledged_messages, 0);
}

#[test]
fn a_message_is_acknowledged_after_its_callbacks() {
    let notes = Notes::default();
    let told = notes.clone();
    let callbacks = Callbacks::new().on_message(move |message| told.add(message.text()));
    let (mut rig, mut runner, _running) = running(callbacks);
    rig.publish("a", "1", QoS::AtLeastOnce);
    assert_eq!(rig.client.stats().unacknowledged_messages, 1);
    run(&mut rig, &mut runner);
    assert_eq!(notes.take(), ["1"]);
    assert_eq!(rig.client.stats().unacknowledged_messages, 0);
}

#[test]
fn before_and_after_each_reconnect() {
    let notes = Notes::default();
    let [attempts, connected, disconnected] = [0; 3].map(|_| notes.clone());
    let callbacks = Callbacks::new()
        .on_attempt(move |endpoint, number| attempts.add(format!("attempt {number} at {}", endpoint.host())))
        .on_connected(move |session_present| connected.add(format!("connected {session_present}")))
        .on_disconnected(move |reason, why| disconnected.add(format!("disconnected {reason:?} {why}")));
    let (mut rig, mut runner, _running) = running(callbacks);
    rig.cut();
    rig.run_for(Duration::from_secs(10));
    run(&mut rig, &mut runner);
    let lost = "disconnected None the broker closed the connection";
    assert_eq!(notes.take(), [lost, "attempt 2 at localhost", "connected false"]);
    // DISCONNECT of a broker that shuts down.
    rig.inject(&[0xe0, 2, 0x8b, 0]);
    rig.run_for(Duration::from_secs(10));
    run(&mut rig, &mut runner);
    let told = notes.take();
    let said = format!("disconnected {:?}", Some(ReasonCode::ServerShuttingDown));
    assert!(told[0].starts_with(&said), "{told:?}");
    let client = rig.client.clone();
    rig.run(client.disconnect());
    run(&mut rig, &mut runner);
    assert_eq!(
        notes.take(),
        ["disconnected None the client was disconnected, and does not connect by itself"]
    );
}

#[test]
fn a_callback_for_exactly_one_message() {
    let notes = Notes::default();
    let (mut rig, mut runner, running) = running(Callbacks::new());
    let client = rig.client.clone();
    for qos in [QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce] {
        let completion = client.publish("a", "x").qos(qos).try_enqueue().expect("room");
        let notes = notes.clone();
        running.when_done(completion, move |result| notes.add(format!("{qos:?} {}", result.is_ok())));
    }
    run(&mut rig, &mut runner);
    assert_eq!(notes.take(), ["ExactlyOnce true", "AtLeastOnce true", "AtMostOnce true"], "in their order");
}

#[test]
fn a_panic_is_contained_and_told() {
    let notes = Notes::default();
    let callbacks = Callbacks::new()
        .on_if(PacketKind::Publish, topic_is("bad"), 0, |_| panic!("on purpose"))
        .on(PacketKind::Publish, notes.packet("good"))
        .on_event(|event| assert!(!matches!(event, Event::CallbackPanicked(_)), "it would never end"));
    let (mut rig, mut runner, _running) = running(callbacks);
    let mut events = rig.client.events();
    for (topic, payload) in [("bad", "1"), ("good", "2"), ("bad", "3"), ("good", "4")] {
        rig.publish(topic, payload, QoS::AtLeastOnce);
    }
    run(&mut rig, &mut runner);
    assert_eq!(notes.take(), ["good 2", "good 4"]);
    let told = drain(&mut events);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(&told[0], Event::CallbackPanicked(what) if what == "on purpose"), "{told:?}");
    let stats = rig.client.stats();
    assert_eq!((stats.callback_panics, stats.unacknowledged_messages), (2, 0));
}

#[test]
fn a_callback_may_use_the_client_and_dropping_the_handle_stops_them() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    let notes = Notes::default();
    let (own, told) = (client.clone(), notes.clone());
    let callbacks = Callbacks::new().on_message(move |message| {
        told.add(message.topic());
        if message.topic() == "question" {
            drop(own.publish("answer", "x").try_enqueue().expect("room"));
        }
    });
    let (mut runner, running) = client.callbacks(callbacks);
    subscribe_for_callbacks(&mut rig);
    rig.publish("question", "?", QoS::AtMostOnce);
    run(&mut rig, &mut runner);
    assert_eq!(notes.take(), ["question", "answer"]);
    drop(running);
    assert!(rig.poll(&mut runner).is_some(), "over");
}
