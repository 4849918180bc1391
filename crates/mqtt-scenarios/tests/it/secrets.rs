//! Passwords, tokens, keys and payloads, on each way that they take, to those who want them and those who do not: the watch over
//! all that is said hears nothing of them.

use std::io::{Read as _, Write as _};

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{
    ClientError, Endpoint, Options, OptionsBuilder, ProviderError, Proxy, Reconnect, TlsOptions,
};
use mqtt_scenarios::secrets::{PAYLOAD, TOKEN, told, told_error};
use mqtt_scenarios::{Adapter, Authority, Bed, Case, Client, Subscription, Way, Ways};

use crate::hostile_ways::serve;

scenarios!(
    what_a_proxy_is_told,
    what_a_websocket_is_asked_for,
    what_a_provider_gives,
    what_a_connection_is_sealed_with,
    what_is_published,
    what_makes_no_sense,
);

/// The connection fails, and tells what it likes.
#[track_caller]
fn fails<A: Adapter>(case: &Case<A>, options: OptionsBuilder) {
    let options = told(options.reconnect(Reconnect::never()).build().unwrap());
    assert!(case.adapter.connect(options).is_err());
}

fn what_a_proxy_is_told<A: Adapter>(case: &Case<A>) {
    let nobody = "127.0.0.1:9".to_owned();
    let no_http = serve(|mut stream| stream.write_all(b"HTTP/1.1 407 Who are you?\r\n\r\n"));
    let no_socks = serve(|mut stream| {
        stream.read_exact(&mut [0; 4])?;
        stream.write_all(b"\x05\x02")?;
        stream.read_exact(&mut [0; 3 + 4 + TOKEN.len()])?;
        stream.write_all(b"\x01\x01")
    });
    for proxy in [("http", &no_http), ("socks5", &no_socks), ("http", &no_socks), ("socks5", &nobody)] {
        let url = format!("{}://user:{TOKEN}@{}", proxy.0, proxy.1);
        let proxy: Proxy = told(url.parse().unwrap());
        fails(case, case.options("mqtt://behind").proxy(proxy));
    }
}

fn what_a_websocket_is_asked_for<A: Adapter>(case: &Case<A>) {
    let ways = Ways::start();
    let url = format!("{}?token={TOKEN}", ways.url(Way::WebSocket));
    let endpoint: Endpoint = told(url.parse().unwrap());
    let endpoint = told(endpoint.with_header("Authorization", format!("Bearer {TOKEN}")));
    let client = case.connect_with(case.options(&url).endpoint(endpoint.clone()));
    assert!(client.is_connected());
    client.disconnect();

    for answer in ["HTTP/1.1 401 No\r\n\r\n", "HTTP/1.1 404 No\r\n\r\n", "SSH-2.0\r\n", ""] {
        let addr = serve(move |mut stream| {
            stream.read_exact(&mut [0; 64])?;
            stream.write_all(answer.as_bytes())
        });
        let port = addr.rsplit(':').next().unwrap().parse().unwrap();
        let path = format!("/mqtt?token={TOKEN}");
        let endpoint = Endpoint::websocket("127.0.0.1", port, path).with_header("Authorization", TOKEN);
        fails(case, case.options("mqtt://nobody").endpoint(endpoint));
    }
}

fn what_a_provider_gives<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let with_token = |case: &Case<A>| {
        case.options(bed.url()).before_attempt(|attempt| async move {
            told_error(told(attempt).with_credentials("planted", Some(TOKEN.as_bytes())))
                .map(told)
                .map_err(ProviderError::from)
        })
    };
    assert!(case.connect_with(with_token(case)).is_connected());
    let too_long = case.options(bed.url()).before_attempt(|attempt| async move {
        let long = TOKEN.repeat(5_000);
        told_error(attempt.with_credentials("planted", Some(long.as_bytes()))).map_err(ProviderError::from)
    });
    fails(case, too_long);
}

fn what_a_connection_is_sealed_with<A: Adapter>(case: &Case<A>) {
    let ways = Ways::start();
    let url = ways.url(Way::ClientCertificate);
    let (ours, other) = (ways.authority().certify(&["client"]), Authority::new().certify(&["client"]));
    let tls = |certificate: &str, key: &str| {
        told(TlsOptions::new().ca_file(ways.file("ca.pem")).client_auth(certificate, key))
    };
    let client = case.connect_with(case.options(&url).tls(tls(&ours.certificate, &ours.key)));
    assert!(client.is_connected());
    // Another's key; a key where the certificate should be, and the reverse; half of a key.
    fails(case, case.options(&url).tls(tls(&ours.certificate, &other.key)));
    fails(case, case.options(&url).tls(tls(&ours.key, &ours.key)));
    fails(case, case.options(&url).tls(tls(&ours.certificate, &ours.certificate)));
    fails(case, case.options(&url).tls(tls(&ours.certificate, &ours.key[..ours.key.len() / 2])));
    // A password that opens the key, and one that does not.
    let locked = told(tls(&ours.certificate, &ours.encrypted_key(TOKEN)).client_key_password(TOKEN));
    assert!(case.connect_with(case.options(&url).tls(locked)).is_connected());
    let locked = told(tls(&ours.certificate, &ours.encrypted_key(PAYLOAD)).client_key_password(TOKEN));
    fails(case, case.options(&url).tls(locked));
}

fn what_is_published<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let topic = case.unique("told");
        let options = case.options(bed.url()).will(&topic, TOKEN, QoS::AtLeastOnce, false);
        let client = case.connect_with(options);
        let mut messages = client.subscribe(topic.as_str()).unwrap();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            client.send(&topic, PAYLOAD, qos).unwrap();
            assert_eq!(messages.message().text(), PAYLOAD);
        }
        client.disconnect();
        assert!(told_error(client.send(&topic, PAYLOAD, QoS::AtLeastOnce)).is_err());
    }
}

fn what_makes_no_sense<A: Adapter>(case: &Case<A>) {
    let urls = [
        format!("mqtt://u:{TOKEN}@"),
        format!("mqtt://u:{TOKEN} @h"),
        format!("mqtt://u:{TOKEN}@h:99999"),
        format!("mqtt://u:{TOKEN}@h/path"),
        format!("mqtt://%ff:{TOKEN}@h"),
        format!("mqtt://u:{TOKEN}@[::1"),
        format!("mqtt://u:{TOKEN}%@h"),
        format!("nothing://u:{TOKEN}@h"),
        format!("//u:{TOKEN}@h"),
        format!("wss://h?token={TOKEN}#{TOKEN}"),
    ];
    for url in &urls {
        let error = told(case.options(url).build()).map_err(ClientError::from);
        assert!(told_error(error).is_err(), "{}", url.replace(TOKEN, "…"));
        assert!(told_error(told(url.parse::<Proxy>())).is_err());
    }
    let long = told(case.options("mqtt://h").credentials("u", Some(TOKEN.repeat(5_000).as_bytes())).build());
    assert!(told_error(long).is_err());
    let endpoint = Endpoint::tcp("h", 1).with_header("Authorization", TOKEN);
    assert!(told_error(told(Options::builder().endpoint(endpoint).build())).is_err());
    let endpoint = Endpoint::websocket("h", 1, "/").with_header("Authorization", format!("{TOKEN}\r\n"));
    assert!(told_error(told(Options::builder().endpoint(endpoint).build())).is_err());
}
