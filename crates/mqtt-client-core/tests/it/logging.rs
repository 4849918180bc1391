//! What a `tracing` subscriber is told: spans, events, a line for each packet, and nobody's secrets.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt_client_core::codec::{QoS, Version};
use mqtt_client_core::{Client, Options, ProviderError};
use mqtt_testkit::BrokerConfig;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::rig::Rig;

/// Writes down everything, each event with the spans that it is in.
#[derive(Clone, Default)]
struct Collector(Arc<Notes>);

#[derive(Default)]
struct Notes {
    ids: AtomicU64,
    spans: Mutex<Vec<String>>,
    entered: Mutex<Vec<usize>>,
    lines: Mutex<Vec<String>>,
    /// Called with every event, as a layer does that ships its lines through the client that it listens to.
    client: Mutex<Option<Client>>,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("mqtt")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(format!("{}{{", span.metadata().name()));
        span.record(&mut text);
        let parent = span.parent().map(|id| self.0.spans.lock().expect("no panic")[index(id)].clone());
        let path = parent.map(|parent| parent + ":").unwrap_or_default() + &text.0 + " }";
        self.0.spans.lock().expect("no panic").push(path);
        Id::from_u64(self.0.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let within = self.0.entered.lock().expect("no panic").last().copied();
        let span = within.map(|id| self.0.spans.lock().expect("no panic")[id].clone()).unwrap_or_default();
        let mut text = Text(format!("{span} {}", event.metadata().target()));
        event.record(&mut text);
        self.0.lines.lock().expect("no panic").push(text.0);
        if let Some(client) = self.0.client.lock().expect("no panic").as_ref() {
            client.stats();
        }
    }

    fn enter(&self, span: &Id) {
        self.0.entered.lock().expect("no panic").push(index(span));
    }

    fn exit(&self, _: &Id) {
        self.0.entered.lock().expect("no panic").pop();
    }
}

fn index(id: &Id) -> usize {
    id.into_u64() as usize - 1
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

/// Runs it with a collector, and returns what that has collected, by lines.
fn collected(run: impl FnOnce(&Collector)) -> Vec<String> {
    let collector = Collector::default();
    tracing::subscriber::with_default(collector.clone(), || run(&collector));
    collector.0.client.lock().expect("no panic").take();
    std::mem::take(&mut collector.0.lines.lock().expect("no panic"))
}

#[test]
fn each_packet_is_a_line_in_the_span_of_its_connection() {
    let lines = collected(|collector| {
        let mut rig = Rig::new(Options::builder().client_id("sensor").url("mqtt://h:1"));
        let client = rig.client.clone();
        *collector.0.client.lock().expect("no panic") = Some(client.clone());
        rig.run(client.connect()).expect("connected");
        rig.publish("a/b", "x", QoS::AtLeastOnce);
        rig.cut();
        rig.run_for(Duration::from_secs(10));
        rig.run(client.disconnect());
    });
    let span = r#"client{ client_id="sensor" }:connection{ endpoint=mqtt://h:1 number="#;
    let publish = lines.iter().find(|line| line.contains("kind=PUBLISH")).expect("a line for PUBLISH");
    assert_eq!(
        publish.as_str(),
        format!(
            r#"{span}1 }} mqtt::packet client_id="sensor" direction="-out->" at_us=0 kind=PUBLISH len=11 flags=2 packet_id=1 topic="a/b""#
        )
    );
    let has = |parts: &[&str]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["kind=PUBACK", "<-in--", "packet_id=1"]), "{lines:#?}");
    for event in ["connecting to mqtt://h:1", "connected", "closed the connection"] {
        assert!(has(&[span, event]), "{event}: {lines:#?}");
    }
    assert!(lines.iter().all(|line| line.starts_with(span)), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("kind=CONNECT ")).count(), 2);
}

#[test]
fn nothing_secret_is_ever_told() {
    let secrets = ["hunter2", "wrong-token", "my-will"];
    for (version, payload) in [(Version::V311, 0), (Version::V5, 0), (Version::V311, 99), (Version::V5, 99)] {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut lines = collected(|_| {
            let hook = Arc::clone(&seen);
            let users = [("ann".to_owned(), b"hunter2".to_vec())].into();
            let config = BrokerConfig { users, allow_anonymous: false, ..BrokerConfig::default() };
            let options = || {
                let hook = Arc::clone(&hook);
                let options = Options::builder().version(version).url("mqtt://ann:hunter2@h");
                let options = options.will("w", "my-will", QoS::AtLeastOnce, false).packet_payload(payload);
                options.on_packet(move |line| hook.lock().expect("no panic").push(format!("{line} {line:?}")))
            };
            let mut rig = Rig::with_broker(options(), config.clone());
            let client = rig.client.clone();
            rig.run(client.connect()).expect("connected");
            let mut stream = rig.subscribe("a");
            rig.publish("a", "my-payload", QoS::ExactlyOnce);
            rig.next(&mut stream).expect("the message");
            rig.cut();
            rig.run_for(Duration::from_secs(10));
            let provider = |attempt: mqtt_client_core::Attempt| async move {
                attempt.with_credentials("ann", Some(b"wrong-token")).map_err(ProviderError::from)
            };
            let mut refused = Rig::with_broker(options().before_attempt(provider), config);
            let client = refused.client.clone();
            refused.run(client.connect()).expect_err("the token is wrong");
        });
        assert!(lines.len() > 20);
        lines.append(&mut seen.lock().expect("no panic"));
        for secret in secrets {
            let told: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
            assert!(told.is_empty(), "{told:?}");
        }
        // The message, out and in, to the log and to the hook.
        let told = lines.iter().filter(|line| line.contains("my-payload")).count();
        assert_eq!(told, if payload > 0 { 4 } else { 0 });
    }
}

#[test]
fn a_payload_is_told_as_far_as_asked_for_and_escaped() {
    let mut hooked = Vec::new();
    let lines = collected(|_| {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let hook = Arc::clone(&seen);
        let options = Options::builder().url("mqtt://h:1").packet_payload(6);
        let options = options.on_packet(move |line| {
            hook.lock().expect("no panic").push(line.to_string());
        });
        let mut rig = Rig::connected(options.client_id("sensor"));
        rig.publish("a/b", b"\x00\"\xfftext".as_slice(), QoS::AtMostOnce);
        rig.publish("a/b", "", QoS::AtLeastOnce);
        hooked = seen.lock().expect("no panic").clone();
    });
    let ends = |lines: &[String], kind: &str, end: &str| {
        let line = lines.iter().find(|line| line.contains(kind) && line.ends_with(end));
        assert!(line.is_some(), "{end}: {lines:#?}");
    };
    let cut = r#" "\u{0}\"\xfftex"... of 7 bytes"#;
    ends(&lines, "kind=PUBLISH", &format!(" payload={}", cut.trim_start()));
    ends(&lines, "kind=PUBLISH", r#" payload="""#);
    ends(&lines, "kind=PUBACK", " packet_id=1");
    let line = "sensor -out->         0 us  PUBLISH        15 bytes  flags 0000            a/b ";
    ends(&hooked, "PUBLISH", &format!("{line}{cut}"));
    ends(&hooked, "PUBACK", "sensor <-in--         0 us  PUBACK          5 bytes  flags 0000  id 1");
}
