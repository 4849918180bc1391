//! Callbacks, on the task or the thread that each adapter gives them.

use std::sync::mpsc::channel;

use mqtt_client_core::Callbacks;
use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_scenarios::{Adapter, Bed, Case, Client, PATIENCE, until};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(
    callbacks_run_apart_from_the_driver,
    callbacks_run_around_each_connection,
    callbacks_end_with_the_client,
);

/// What a callback does, it does while pings, acknowledgements and other messages go on.
fn callbacks_run_apart_from_the_driver<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("callbacks");
        let (told, tell) = channel();
        let (go_on, wait) = channel();
        let (own, told_done) = (client.clone(), told.clone());
        let question = format!("{topic}/question");
        let is_question = question.clone();
        let callbacks = Callbacks::new()
            .on_if(
                PacketKind::Publish,
                move |packet| packet.topic() == Some(&is_question),
                1,
                move |packet| {
                    wait.recv_timeout(PATIENCE).expect("the driver goes on meanwhile");
                    let answer = packet.topic().unwrap_or_default().replace("question", "answer");
                    drop(own.publish(&answer, "42").qos(QoS::AtLeastOnce).try_enqueue().unwrap());
                },
            )
            .on(PacketKind::Publish, |_| panic!("on purpose, and contained"))
            .on_message(move |message| told.send(message.topic().to_owned()).unwrap());
        let running = client.run_callbacks(callbacks).unwrap();
        drop(client.subscribe_with(&format!("{topic}/#"), |builder| builder.keep_on_drop(true)).unwrap());
        let publish = client.publish(&question, "?").qos(QoS::ExactlyOnce);
        let completion = client.wait(publish.enqueue()).unwrap();
        running.when_done(completion, move |result| {
            told_done.send(format!("done {}", result.is_ok())).unwrap();
        });
        client.ping().expect("the driver is not held up");
        go_on.send(()).unwrap();
        let mut told: Vec<String> = (0..3).map(|_| tell.recv_timeout(PATIENCE).expect("called")).collect();
        told.sort();
        assert_eq!(told, [format!("{topic}/answer"), question, "done true".to_owned()]);
        until("the panic is counted", || client.stats().callback_panics == 1);
        drop(running);
        client.disconnect();
    }
}

/// Before each attempt, after each connection, and when it has ended.
fn callbacks_run_around_each_connection<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let client = case.client(case.persistent(&server.url(), "called"));
    let (told, tell) = channel();
    let [attempts, connected] = [(); 2].map(|()| told.clone());
    let callbacks = Callbacks::new()
        .on_attempt(move |endpoint, number| attempts.send(format!("{number} {}", endpoint.host())).unwrap())
        .on_connected(move |session_present| connected.send(format!("connected {session_present}")).unwrap())
        .on_disconnected(move |reason, _| told.send(format!("disconnected {reason:?}")).unwrap());
    let _running = client.run_callbacks(callbacks).unwrap();
    let next = |expected: &str| assert_eq!(tell.recv_timeout(PATIENCE).as_deref(), Ok(expected));
    client.connect().unwrap();
    next("1 127.0.0.1");
    next("connected false");
    for number in [2, 3] {
        server.drop_connections();
        next("disconnected None");
        next(&format!("{number} 127.0.0.1"));
        next("connected true");
    }
    client.disconnect();
    next("disconnected None");
}

fn callbacks_end_with_the_client<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let (told, tell) = channel();
    let running = client.run_callbacks(Callbacks::new().on_event(move |event| {
        told.send(event.to_string()).unwrap();
    }));
    client.stop();
    assert_eq!(
        tell.recv_timeout(PATIENCE).as_deref(),
        Ok("offline: the client was disconnected, and does not connect by itself")
    );
    tell.recv_timeout(PATIENCE).expect_err("it is gone, with what it called");
    drop(running);
}
