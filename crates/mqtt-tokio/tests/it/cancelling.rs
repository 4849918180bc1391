//! Every public future, dropped at each point at which it can wait: the client goes on, nothing is lost, nothing doubled.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use mqtt_testkit::{BrokerConfig, Server};
use mqtt_tokio::{Client, Options, QoS};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use crate::soon;

const MOMENT: Duration = Duration::from_micros(300);

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port")
}

async fn connected(server: &Server) -> Client {
    mqtt_tokio::connect(server.url().as_str()).await.expect("a connection")
}

/// Polls a future so many times, each time when it was woken, then drops it; its output if that came first. One that is not
/// woken any more is dropped too.
async fn polled<F: IntoFuture>(times: u32, future: F) -> Option<F::Output> {
    if times == 0 {
        return None;
    }
    let mut future = pin!(future.into_future());
    let mut left = times;
    let polling = poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    timeout(Duration::from_millis(20), polling).await.ok().flatten()
}

/// More than any of the futures is ever woken.
const DEPTH: u32 = 8;

/// The client works as if nothing had happened.
async fn works(client: &Client) {
    let mut stream = soon("subscribing", client.subscribe("proof")).await.expect("granted");
    soon("publishing", client.publish("proof", "x").qos(QoS::ExactlyOnce)).await.expect("delivered");
    assert_eq!(soon("a message", stream.recv()).await.expect("not the end").text(), "x");
    soon("a ping", client.ping()).await.expect("answered");
}

#[tokio::test]
async fn connect_reconnect_and_disconnect() {
    let server = server();
    for times in 0..DEPTH {
        let options: Options = server.url().parse().expect("a URL");
        // The free function gives its client up with the future: nothing is left but what the broker still has to see.
        let _ = polled(times, mqtt_tokio::connect(options.clone())).await;
        let client = Client::new(options).expect("a runtime");
        let _ = polled(times, client.connect()).await;
        let _ = polled(times, client.reconnect()).await;
        soon("connecting", client.connect()).await.expect("accepted");
        works(&client).await;
        let _ = polled(times, client.disconnect()).await;
        soon("disconnecting", client.disconnect()).await;
        soon("connecting", client.connect()).await.expect("accepted");
        works(&client).await;
    }
}

#[tokio::test]
async fn publish_enqueue_completion_and_flush() {
    let server = server();
    let client = connected(&server).await;
    let mut stream = client.subscribe("a").await.expect("granted");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for times in 0..DEPTH {
            let message = |n: u32| client.publish("a", format!("{times}/{n}")).qos(qos);
            let _ = polled(times, message(1)).await;
            let _ = polled(times, message(2).enqueue()).await;
            let completion = message(3).enqueue().await.expect("admitted");
            let _ = polled(times, completion).await;
            polled(times, client.flush()).await;
            soon("flushing", client.flush()).await;
            // There is room: what was polled at all was taken, and `enqueue` takes at once.
            let expected: &[u32] = if times == 0 { &[2, 3] } else { &[1, 2, 3] };
            for n in expected {
                let text = soon("a message", stream.recv()).await.expect("not the end");
                assert_eq!(text.text(), format!("{times}/{n}"), "{qos:?}");
            }
        }
    }
    works(&client).await;
    assert_eq!(client.stats().pending_publishes, 0);
}

#[tokio::test]
async fn subscribe_unsubscribe_ping_and_request() {
    let server = server();
    let client = connected(&server).await;
    for times in 0..DEPTH {
        let _ = polled(times, client.subscribe("a")).await;
        let _ = polled(times, client.ping()).await;
        let mut kept = soon("subscribing", client.subscribe("a")).await.expect("granted");
        let _ = polled(times, client.unsubscribe("b")).await;
        soon("publishing", client.publish("a", "x").qos(QoS::AtLeastOnce)).await.expect("delivered");
        assert_eq!(soon("a message", kept.recv()).await.expect("not the end").text(), "x", "{times}");
        assert!(kept.recv_timeout(MOMENT).await.is_err(), "once");
        let _ = polled(times, client.request("nobody/answers", "?").timeout(MOMENT)).await;
    }
    works(&client).await;
}

#[tokio::test]
async fn recv_and_recv_timeout_of_streams_and_events() {
    let server = server();
    let client = connected(&server).await;
    let mut events = client.events();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut stream = client.subscribe("a").await.expect("granted");
        for n in 0..DEPTH {
            soon("publishing", client.publish("a", n.to_string()).qos(qos)).await.expect("taken");
        }
        let mut read = Vec::new();
        for times in 0.. {
            if read.len() == DEPTH as usize {
                break;
            }
            if let Some(message) = polled(times % 3, stream.recv()).await {
                read.push(message.expect("not the end").text().into_owned());
            }
            if let Some(Ok(message)) = polled(times % 3, stream.recv_timeout(MOMENT)).await {
                read.push(message.text().into_owned());
            }
            yield_now().await;
        }
        assert_eq!(read, (0..DEPTH).map(|n| n.to_string()).collect::<Vec<_>>(), "{qos:?}");
        assert!(stream.try_recv().is_err());
    }
    let _ = polled(3, events.recv()).await;
    let _ = polled(3, events.recv_timeout(MOMENT)).await;
    server.drop_connections();
    let failed = soon("an event", events.recv()).await.expect("not the end");
    assert!(matches!(failed, mqtt_tokio::Event::Failed { .. }), "{failed}");
    soon("connecting", client.connect()).await.expect("accepted again");
    works(&client).await;
}

/// Tasks, not threads: a thousand of them on one client, and a queue with room for a few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_publish_at_once_and_some_are_aborted() {
    let server = server();
    let options =
        Options::builder().url(&server.url()).max_queued(20, 1 << 20).build().expect("valid options");
    let client = mqtt_tokio::connect(options).await.expect("a connection");
    let mut stream = client.subscribe("a").await.expect("granted");
    let tasks: Vec<_> = (0..1_000_u32)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                client.publish("a", n.to_string()).qos(QoS::ExactlyOnce).await.expect("delivered");
                n
            })
        })
        .collect();
    tasks.iter().skip(1).step_by(3).for_each(JoinHandle::abort);
    let mut delivered = Vec::new();
    for task in tasks {
        delivered.extend(soon("a task", task).await);
    }
    soon("flushing", client.flush()).await;
    let mut read = Vec::new();
    while let Ok(message) = stream.recv_timeout(Duration::from_millis(200)).await {
        read.push(message.text().parse::<u32>().expect("a number"));
    }
    read.sort_unstable();
    assert!(read.windows(2).all(|pair| pair[0] < pair[1]), "none twice");
    assert!(delivered.iter().all(|n| read.binary_search(n).is_ok()), "all that were not aborted");
    works(&client).await;
}
