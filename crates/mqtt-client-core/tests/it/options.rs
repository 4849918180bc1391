//! What options make of CONNECT.

use std::task::Waker;
use std::time::Duration;

use mqtt_client_core::codec::bytes::BytesMut;
use mqtt_client_core::codec::{Connect, Decoder, Packet, QoS, Side, Text, Version, WillProperties};
use mqtt_client_core::session::{Output, Timestamp};
use mqtt_client_core::{Driver, Duty, Options, OptionsBuilder};

/// The first packet that a client with these options sends.
fn connect(options: OptionsBuilder) -> Connect {
    let options = options.build().expect("valid options");
    let version = options.version();
    let (client, mut driver) = Driver::new(options, 7, Waker::noop().clone()).expect("no store");
    let (now, mut output) = (Timestamp::ZERO, Output::new());
    let connecting = client.connect();
    assert!(matches!(driver.poll_io(now, &mut output), Duty::Dial(_)));
    driver.handle_dialed(now);
    driver.poll_io(now, &mut output);
    drop(connecting);
    let mut bytes: BytesMut = output.chunks().flatten().copied().collect();
    match Decoder::new(version, Side::Client).decode_from(&mut bytes) {
        Ok(Some(Packet::Connect(connect))) => *connect,
        other => panic!("expected CONNECT: {other:?}"),
    }
}

fn text(text: &str) -> Text {
    Text::try_from(text).expect("text")
}

#[test]
fn a_generated_client_id_begins_with_the_prefix_and_is_one_that_every_broker_takes() {
    for (options, prefix) in
        [(Options::builder(), "mqtt"), (Options::builder().client_id_prefix("pump"), "pump")]
    {
        let connect = connect(options);
        let id = connect.client_id.as_str();
        assert!(id.starts_with(prefix) && id.len() == prefix.len() + 13, "{id}");
        assert!(id.chars().all(|char| char.is_ascii_alphanumeric()), "{id}");
    }
    let given = connect(Options::builder().client_id("c").client_id_prefix("p"));
    assert_eq!(given.client_id.as_str(), "c", "the prefix is for generated ones only");
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    for version in [Version::V311, Version::V5] {
        let connect = connect(Options::builder().version(version));
        assert_eq!((connect.keep_alive, connect.clean_start), (60, true), "{version}");
        assert_eq!((connect.username, connect.password, connect.will), (None, None, None), "{version}");
    }
    let defaults = Options::default();
    assert_eq!(defaults.endpoint().to_string(), "mqtt://localhost:1883");
    assert_eq!(defaults.version(), Version::V5);
}

#[test]
fn credentials_and_keep_alive_go_out_as_given() {
    let options = Options::builder().credentials("ann", None).keep_alive(Duration::from_secs(7));
    let with_user = connect(options);
    assert_eq!((with_user.username, with_user.password, with_user.keep_alive), (Some(text("ann")), None, 7));
    let with_both = connect(Options::builder().url("mqtt://ann:p%40ss@h"));
    assert_eq!(with_both.password.as_ref().map(AsRef::as_ref), Some(&b"p@ss"[..]));
}

#[test]
fn the_properties_of_connect_and_of_the_will_are_told() {
    let properties =
        WillProperties::default().with_will_delay_interval(30).with_user_property(&text("a"), &text("b"));
    let options = Options::builder()
        .will("gone", "x", QoS::AtLeastOnce, true)
        .will_properties(properties.clone())
        .user_property("site", "north")
        .user_property("rack", "7")
        .request_response_information(true)
        .request_problem_information(false)
        .session_expiry(Duration::from_secs(90));
    let connect = connect(options);
    assert_eq!(connect.will.expect("a will").properties, properties);
    let properties = &connect.properties;
    let users: Vec<_> =
        properties.user_properties().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(users, [("site", "north"), ("rack", "7")]);
    assert_eq!(properties.request_response_information(), Some(true));
    assert_eq!(properties.request_problem_information(), Some(false));
    assert_eq!(properties.session_expiry_interval(), Some(90));
}

#[test]
fn what_3_1_1_can_not_say_is_refused_by_name() {
    let check = |name: &str, options: OptionsBuilder| {
        let refused =
            options.version(Version::V311).build().expect_err("3.1.1 has no properties").to_string();
        assert!(refused.starts_with(name), "{refused}");
    };
    check("user_property", Options::builder().user_property("a", "b"));
    check("request_response_information", Options::builder().request_response_information(true));
    check("request_problem_information", Options::builder().request_problem_information(true));
    let delayed = WillProperties::default().with_will_delay_interval(1);
    check("will_properties", Options::builder().will_properties(delayed));
}
