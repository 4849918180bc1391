//! The link breaks, and comes back: what was promised before still holds.

use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS, ReasonCode, TopicFilter, Version};
use mqtt_client_core::session::Direction;
use mqtt_client_core::{Delivered, Event, Failure, Indeterminate, PublishFailure, Reconnect};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Events, Mosquitto, Next, Subscription, failure, until};
use mqtt_testkit::{BrokerConfig, Fault, Server};

scenarios!(
    a_cut_is_told_and_mended,
    subscriptions_are_restored_after_a_lost_session,
    a_subscription_that_is_not_restored_is_told,
    a_resumed_session_loses_nothing,
    a_cut_at_any_packet_of_a_flow_is_mended,
    a_sent_qos2_message_of_a_lost_session_is_indeterminate,
    a_restarted_mosquitto_is_found_again,
    the_second_address_is_used_when_the_first_is_dead,
    reconnecting_by_hand_resumes_the_session,
);

scenarios!(only 5.0: a_take_over_is_no_fight);

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap()
}

fn a_cut_is_told_and_mended<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    let mut events = client.events();
    for cut in 1..=5 {
        server.drop_connections();
        match events.failure() {
            Failure::Closed | Failure::Io { doing: "reading" | "writing", .. } => {}
            other => panic!("{other}"),
        }
        assert!(!events.connected(), "there was no session to keep");
        client.send("a", "x", QoS::AtLeastOnce).unwrap();
        assert_eq!(client.stats().reconnects, cut);
    }
}

fn subscriptions_are_restored_after_a_lost_session<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    let mut plants = client.subscribe(["plant/#", "seed/+"]).unwrap();
    let mut alarms = client.subscribe_with("alarm", |builder| builder.qos(QoS::AtLeastOnce)).unwrap();
    let mut events = client.events();
    for _ in 0..3 {
        server.drop_connections();
        // Connected means: restored.
        assert!(!events.connected());
        for topic in ["plant/1", "seed/2", "alarm"] {
            client.send(topic, topic.to_owned(), QoS::ExactlyOnce).unwrap();
        }
        assert_eq!(plants.texts(2), ["plant/1", "seed/2"]);
        let alarm = alarms.message();
        assert_eq!((&*alarm.text(), alarm.qos()), ("alarm", QoS::AtLeastOnce));
    }
}

fn a_subscription_that_is_not_restored_is_told<A: Adapter>(case: &Case<A>) {
    let deny_subscribe = vec![TopicFilter::new("gone").unwrap()];
    let strict =
        Server::bind("127.0.0.1:0", BrokerConfig { deny_subscribe, ..BrokerConfig::default() }).unwrap();
    let lenient = server();
    let proxy = mqtt_testkit::Proxy::start(lenient.addr(), Default::default()).unwrap();
    let client = case.connect(&proxy.url());
    let mut gone = client.subscribe("gone").unwrap();
    let mut kept = client.subscribe("kept").unwrap();
    let mut events = client.events();
    proxy.set_upstream(strict.addr());
    proxy.cut();
    let lost = events.find("the lost subscription", |event| match event {
        Event::SubscriptionLost { filter, .. } => Some(filter.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(lost, "gone");
    gone.ends();
    client.send("kept", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(kept.message().text(), "x");
}

fn a_resumed_session_loses_nothing<A: Adapter>(case: &Case<A>) {
    let server = server();
    let publisher = case.connect(&server.url());
    let subscriber = case.connect_with(case.persistent(&server.url(), "resumer"));
    let mut messages = subscriber.subscribe("feed").unwrap();
    let mut events = subscriber.events();
    for round in 0..3 {
        server.with_broker(|broker| broker.cut("resumer"));
        for i in 0..50 {
            let qos = if i % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            publisher.send("feed", format!("{round}/{i}"), qos).unwrap();
        }
        assert!(events.connected(), "the broker has kept the session");
        for i in 0..50 {
            assert_eq!(messages.message().text(), format!("{round}/{i}"));
        }
        // Before the next cut: a QoS 1 message whose acknowledgement it swallowed would come again.
        until("all is acknowledged", || server.with_broker(|broker| broker.backlog("resumer")) == Some(0));
    }
    messages.stays_silent(Duration::from_millis(50));
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}

/// Each packet of the QoS 1 and 2 flows, in both directions, is the last one of its connection once.
fn a_cut_at_any_packet_of_a_flow_is_mended<A: Adapter>(case: &Case<A>) {
    use PacketKind::{Puback, Pubcomp, Publish, Pubrec, Pubrel};
    let server = server();
    let publisher = case.connect_with(case.persistent(&server.url(), "publisher"));
    let subscriber = case.connect_with(case.persistent(&server.url(), "subscriber"));
    let mut messages = subscriber.subscribe("flow").unwrap();
    for client in ["publisher", "subscriber"] {
        for kind in [Publish, Puback, Pubrec, Pubrel, Pubcomp] {
            for direction in [Direction::Inbound, Direction::Outbound] {
                for before in [true, false] {
                    let fault = match direction {
                        Direction::Inbound => Fault::received(kind),
                        Direction::Outbound => Fault::sent(kind),
                    };
                    let fault = fault.client(client);
                    let fault = if before { fault.cut_before() } else { fault.cut_after() };
                    server.with_broker(|broker| {
                        broker.clear_faults();
                        broker.inject(fault);
                    });
                    let name = format!("{client} {direction:?} {kind} before: {before}");
                    // QoS 2 first, which may not be doubled; then QoS 1, which may.
                    publisher.send("flow", name.clone() + " QoS 2", QoS::ExactlyOnce).unwrap();
                    assert_eq!(messages.message().text(), name.clone() + " QoS 2");
                    publisher.send("flow", name.clone() + " QoS 1", QoS::AtLeastOnce).unwrap();
                    assert_eq!(messages.message().text(), name.clone() + " QoS 1");
                    // Another copy is acknowledged when it is read.
                    until("all is acknowledged", || {
                        if let Next::Message(copy) = messages.next_within(Duration::from_millis(1)) {
                            assert_eq!(copy.text(), name.clone() + " QoS 1", "only QoS 1 may be doubled");
                        }
                        server.with_broker(|broker| broker.backlog("subscriber")) == Some(0)
                    });
                }
            }
        }
    }
    assert!(publisher.stats().reconnects > 5 && subscriber.stats().reconnects > 5);
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}

fn a_sent_qos2_message_of_a_lost_session_is_indeterminate<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    server.with_broker(|broker| {
        broker.inject(Fault::received(PacketKind::Publish).cut_before());
    });
    match failure("a", &client.send("a", "once", QoS::ExactlyOnce)) {
        PublishFailure::Indeterminate(Indeterminate::SessionLost) => {}
        other => panic!("{other:?}"),
    }
    // QoS 1 goes out anew.
    server.with_broker(|broker| {
        broker.inject(Fault::received(PacketKind::Publish).cut_before());
    });
    match client.send("a", "at least once", QoS::AtLeastOnce) {
        Ok(Delivered::Acknowledged(ack)) => assert!(!ack.reason.is_error()),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.with_broker(|broker| broker.stats().received), 1);
}

fn a_restarted_mosquitto_is_found_again<A: Adapter>(case: &Case<A>) {
    let mut mosquitto = Mosquitto::start();
    let client = case.connect_with(case.persistent(&mosquitto.url(), "patient"));
    let mut messages = client.subscribe("after").unwrap();
    let mut events = client.events();
    mosquitto.stop();
    let failure = events.failure();
    if case.version == Version::V5
        && let Failure::Disconnected(disconnect) = failure
    {
        assert_eq!(disconnect.reason, ReasonCode::ServerShuttingDown);
    }
    let completion = client.publish("after", "x").qos(QoS::ExactlyOnce).try_enqueue().unwrap();
    mosquitto.restart();
    assert!(events.connected(), "mosquitto has kept the session");
    client.wait(completion).unwrap();
    assert_eq!(messages.message().text(), "x");
}

/// Two clients with one id: the broker lets the newer one in, and the older one, told so, keeps away for long.
fn a_take_over_is_no_fight<A: Adapter>(case: &Case<A>) {
    let server = server();
    let reconnect = Reconnect { max_wait: Duration::from_secs(60), ..Reconnect::default() };
    let older = case.connect_with(case.options(&server.url()).client_id("twin").reconnect(reconnect));
    let mut events = older.events();
    let newer = case.connect_with(case.options(&server.url()).client_id("twin"));
    let wait = events.find("the failure", |event| match event {
        Event::Failed { failure: failure @ Failure::TakenOver { client_id, .. }, retry_in, .. } => {
            assert!(&**client_id == "twin" && failure.to_string().contains("twin"), "{failure}");
            assert_eq!(failure.reason(), Some(ReasonCode::SessionTakenOver));
            Some(*retry_in)
        }
        _ => None,
    });
    assert!(wait >= Duration::from_secs(30), "{wait:?}: a first wait is half a second at most");
    newer.send("a", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(newer.stats().reconnects, 0);
}

fn the_second_address_is_used_when_the_first_is_dead<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    // Nobody listens on a port that was given back.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = case.options(&format!("mqtt://{dead}"));
    let client = case.connect_with(options.or_endpoint(server.url().parse().unwrap()));
    client.send("a", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(client.stats().reconnects, 0);
}

fn reconnecting_by_hand_resumes_the_session<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect_with(case.persistent(bed.url(), &case.unique("again")));
        let topic = case.unique("again");
        let mut messages = client.subscribe(&topic).unwrap();
        for n in 0..3_u8 {
            assert!(client.reconnect().unwrap().session_present);
            client.send(&topic, n.to_string(), QoS::ExactlyOnce).unwrap();
        }
        assert_eq!(messages.texts(3), ["0", "1", "2"]);
        assert_eq!(client.stats().reconnects, 3);
    }
}
