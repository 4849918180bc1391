//! A program that is made of functions to be called: `cargo run -p mqtt-blocking --example callbacks [URL]`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::sync::mpsc;

use mqtt_blocking::{Callbacks, Client, PacketKind, QoS, Wait};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    for line in run(&url)? {
        println!("{line}");
    }
    Ok(())
}

/// What was called, in its order.
pub(crate) fn run(url: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let (called, calls) = mpsc::channel();
    let note = |what: &'static str| {
        let called = called.clone();
        move |more: &str| drop(called.send(format!("{what}: {more}")))
    };
    let (connected, disconnected, alarm, other, any, done) = (
        note("connected"),
        note("disconnected"),
        note("alarm"),
        note("message"),
        note("any message"),
        note("delivered"),
    );
    // Of the PUBLISH callbacks one is called: that with the highest priority whose condition holds, else the one without.
    let callbacks = Callbacks::new()
        .on_if(
            PacketKind::Publish,
            |packet| packet.topic() == Some("house/alarm"),
            10,
            move |packet| alarm(packet.topic().unwrap_or_default()),
        )
        .on(PacketKind::Publish, move |packet| other(packet.topic().unwrap_or_default()))
        .on_message(move |message| any(&message.text()))
        .on_connected(move |session_present| connected(&format!("session present: {session_present}")))
        .on_disconnected(move |_reason, why| disconnected(why));

    // They run on a thread of their own, one at a time, and may block, and publish. What they need is there before they run.
    let client = Client::new(url)?;
    let running = client.run_callbacks(callbacks)?;
    client.connect().wait()?;
    // The messages are for the callbacks: the subscription stays when its stream is dropped.
    drop(client.subscribe("house/#").keep_on_drop(true).wait()?);

    for topic in ["house/door", "house/alarm"] {
        let message = client.publish(topic, "open").qos(QoS::AtLeastOnce).enqueue().wait()?;
        let done = done.clone();
        // Called for exactly this message.
        running.when_done(message, move |outcome| done(if outcome.is_ok() { topic } else { "no" }));
    }
    // Two calls for each message, one for its outcome, and one for the connection.
    let mut lines: Vec<String> = calls.iter().take(7).collect();
    client.disconnect().wait();
    lines.extend(calls.recv());
    Ok(lines)
}
