//! Whatever ends the task, nobody waits for it in vain.

use std::thread;

use mqtt_testkit::{BrokerConfig, Server, play_accepted};
use mqtt_tokio::{Client, ConnectError, Event, Failure, Offline, Options, PublishFailure, QoS};
use tokio::runtime::{Builder, Runtime};

use crate::soon;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn the_end_of_the_runtime_ends_every_call_and_stream() {
    // This broker answers nothing but the CONNECT, so whatever is asked stays under way.
    let (url, _peer) = play_accepted(|stream| {
        thread::park();
        drop(stream);
    });
    let (theirs, ours) = (runtime(), runtime());
    ours.block_on(async {
        let client = Client::with_handle(&url, theirs.handle()).expect("valid options");
        let mut events = client.events();
        soon("connecting", client.connect()).await.expect("accepted");
        let (subscribing, publishing) = (
            client.subscribe("a").into_future(),
            client.publish("a", "").qos(QoS::AtLeastOnce).into_future(),
        );
        let ping = client.ping();
        theirs.shutdown_background();

        let published = soon("publish", publishing).await.expect_err("the driver has ended");
        assert!(matches!(published.failure(), PublishFailure::Indeterminate(_) | PublishFailure::NotSent(_)));
        assert!(soon("subscribe", subscribing).await.is_err());
        assert!(soon("ping", ping).await.is_err());
        while let Some(event) = soon("events", events.recv()).await {
            if let Event::Offline(offline) = event {
                assert!(matches!(
                    offline,
                    Offline::GaveUp(ConnectError { failure: Failure::DriverEnded, .. })
                ));
            }
        }
        assert!(soon("connecting again", client.connect()).await.is_err());
        soon("disconnecting", client.disconnect()).await;
    });
}

#[tokio::test]
async fn a_panic_on_the_task_ends_the_client_with_an_error() {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port");
    let options = Options::builder().url(&server.url()).on_packet(|_| panic!("in the hook")).build();
    let client = Client::new(options.expect("valid options")).expect("a runtime");
    let outcome = soon("connecting", client.connect()).await;
    assert!(matches!(outcome, Err(Offline::GaveUp(ConnectError { failure: Failure::DriverEnded, .. }))));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let error = Client::new("mqtt://localhost").expect_err("no runtime runs here");
    assert!(error.to_string().starts_with("the client can't start: "), "{error}");
}

#[tokio::test]
async fn the_last_handle_disconnects_in_good_order() {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port");
    let client = mqtt_tokio::connect(server.url().as_str()).await.expect("a connection");
    let id = client.client_id();
    let (clone, stream) = (client.clone(), client.subscribe("a").await.expect("granted"));
    drop((client, stream));
    assert!(clone.ping().await.is_ok(), "a clone is left");
    drop(clone);
    soon("the session's end", async {
        while server.with_broker(|broker| broker.is_connected(&id)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}
