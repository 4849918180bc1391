//! Whatever ends the thread, nobody waits for it in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mqtt_blocking::{Client, ConnectError, Event, Failure, Offline, Options, PublishFailure, QoS, Wait};
use mqtt_testkit::{BrokerConfig, Server, play_accepted};

use crate::{PATIENCE, soon};

#[test]
fn a_panic_on_the_thread_ends_every_call_and_stream() {
    // This broker answers nothing but the CONNECT, so whatever is asked stays under way.
    let (url, _peer) = play_accepted(|stream| {
        thread::park();
        drop(stream);
    });
    let fatal = Arc::new(AtomicBool::new(false));
    let hook = Arc::clone(&fatal);
    let options = Options::builder().url(&url).on_packet(move |_| {
        assert!(!hook.load(Ordering::Relaxed), "in the hook");
    });
    let client = Client::new(options.build().expect("valid options")).expect("a thread");
    let mut events = client.events();
    soon("connecting", client.connect()).expect("accepted");
    let (subscribing, publishing) =
        (client.subscribe("a").into_future(), client.publish("a", "").qos(QoS::AtLeastOnce).into_future());
    fatal.store(true, Ordering::Relaxed);
    let ping = client.ping();

    let published = soon("publish", publishing).expect_err("the driver has ended");
    assert!(
        matches!(published.failure(), PublishFailure::Indeterminate(_) | PublishFailure::NotSent(_)),
        "{published:?}"
    );
    assert!(soon("subscribe", subscribing).is_err());
    assert!(soon("ping", ping).is_err());
    while let Some(event) = events.recv() {
        if let Event::Offline(offline) = event {
            assert!(matches!(offline, Offline::GaveUp(ConnectError { failure: Failure::DriverEnded, .. })));
        }
    }
    assert!(soon("connecting again", client.connect()).is_err());
    soon("disconnecting", client.disconnect());
}

#[test]
fn the_last_handle_disconnects_in_good_order() {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port");
    let client = mqtt_blocking::connect(server.url().as_str()).expect("a connection");
    let id = client.client_id();
    let (clone, stream) = (client.clone(), client.subscribe("a").wait().expect("granted"));
    drop((client, stream));
    assert!(clone.ping().wait().is_ok(), "a clone is left");
    drop(clone);
    let began = Instant::now();
    while server.with_broker(|broker| broker.is_connected(&id)) {
        assert!(began.elapsed() < PATIENCE, "still connected");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}
