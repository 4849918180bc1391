//! Servers that never come to the point, on the way to MQTT and in its first packet: each is left at the deadline or at a limit.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mqtt_client_core::{Failure, OptionsBuilder, ProxyError, TlsOptions, WebSocketError};
use mqtt_scenarios::{Adapter, Case, Client, PATIENCE};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(
    a_server_that_is_silent_is_left_at_the_deadline,
    a_server_that_dribbles_is_left_at_the_deadline,
    a_server_that_never_stops_is_left_at_a_limit,
    a_wrong_path_is_told_as_such,
    a_proxy_that_refuses_is_told_as_such,
    a_proxy_makes_the_way,
);

/// A server that does this with each connection. Returns its address.
pub(crate) fn serve(play: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let play = std::sync::Arc::new(play);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let play = std::sync::Arc::clone(&play);
            std::thread::spawn(move || play(stream));
        }
    });
    addr
}

/// How a connection fails, which must not take longer than its deadline.
#[track_caller]
fn failure<A: Adapter>(case: &Case<A>, options: OptionsBuilder, timeout: Duration) -> Failure {
    let began = Instant::now();
    let failure = case.failure(options.connect_timeout(timeout));
    assert!(began.elapsed() < timeout + Duration::from_secs(5), "{:?}", began.elapsed());
    failure
}

/// Each scheme, and each kind of proxy, at this address.
fn every_way<A: Adapter>(case: &Case<A>, addr: &str) -> Vec<OptionsBuilder> {
    let tls = || TlsOptions::new().dangerously_accept_any_certificate();
    vec![
        case.options(&format!("mqtt://{addr}")),
        case.options(&format!("mqtts://{addr}")).tls(tls()),
        case.options(&format!("ws://{addr}")),
        case.options(&format!("wss://{addr}")).tls(tls()),
        case.options("mqtt://behind").proxy(format!("http://{addr}").parse().unwrap()),
        case.options("mqtt://behind").proxy(format!("socks5://{addr}").parse().unwrap()),
    ]
}

fn a_server_that_is_silent_is_left_at_the_deadline<A: Adapter>(case: &Case<A>) {
    let addr = serve(|stream| {
        std::thread::sleep(PATIENCE);
        drop(stream);
        Ok(())
    });
    for options in every_way(case, &addr) {
        let failure = failure(case, options, Duration::from_millis(100));
        assert!(matches!(failure, Failure::ConnectTimeout(_)), "{failure}");
    }
}

fn a_server_that_dribbles_is_left_at_the_deadline<A: Adapter>(case: &Case<A>) {
    let check = |options: OptionsBuilder| {
        let failure = failure(case, options, Duration::from_millis(200));
        assert!(matches!(failure, Failure::ConnectTimeout(_)), "{failure}");
    };
    // One byte at a time of a CONNACK of 100 bytes, of an answer's head, of a TLS record.
    let dribble = |start: &'static [u8]| {
        serve(move |mut stream| {
            stream.set_nodelay(true)?;
            for byte in start.iter().chain([b'x'].iter().cycle()) {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        })
    };
    check(case.options(&format!("mqtt://{}", dribble(&[0x20, 0x7f, 0, 0]))));
    check(case.options(&format!("ws://{}", dribble(b"HTTP/1.1 101 "))));
    let proxy = format!("http://{}", dribble(b"HTTP/1.1 200 "));
    check(case.options("mqtt://behind").proxy(proxy.parse().unwrap()));
    let tls = TlsOptions::new().dangerously_accept_any_certificate();
    check(case.options(&format!("mqtts://{}", dribble(&[22, 3, 3, 0x10, 0]))).tls(tls));
}

fn a_server_that_never_stops_is_left_at_a_limit<A: Adapter>(case: &Case<A>) {
    let flood = |start: &'static [u8], rest: &'static [u8]| {
        serve(move |mut stream| {
            stream.write_all(start)?;
            loop {
                stream.write_all(rest)?;
            }
        })
    };
    let far = Duration::from_secs(10);
    // A CONNACK of 200 MB, more than is accepted, and an endless row of packets in place of one.
    for (start, rest) in [(&[0x20, 0x80, 0x84, 0xaf, 0x5f][..], &[0; 4096][..]), (&[], &[0xd0, 0])] {
        let failure = failure(case, case.options(&format!("mqtt://{}", flood(start, rest))), far);
        assert!(matches!(failure, Failure::Protocol(_)), "{failure}");
    }
    let failure_of = |options| failure(case, options, far);
    let answer = flood(b"HTTP/1.1 101 x\r\n", b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
    match failure_of(case.options(&format!("ws://{answer}"))) {
        Failure::WebSocket(error) => assert!(matches!(*error, WebSocketError::Answer(_)), "{error}"),
        other => panic!("{other}"),
    }
    let proxy = format!("http://{answer}").parse().unwrap();
    let failure = failure_of(case.options("mqtt://behind").proxy(proxy));
    assert!(matches!(failure, Failure::Proxy(ProxyError::Protocol(_))), "{failure}");
    let tls = TlsOptions::new().dangerously_accept_any_certificate();
    let failure = failure_of(case.options(&format!("mqtts://{answer}")).tls(tls));
    assert!(matches!(failure, Failure::Tls(_)), "{failure}");
}

fn a_wrong_path_is_told_as_such<A: Adapter>(case: &Case<A>) {
    let addr = serve(|mut stream| stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    match failure(case, case.options(&format!("ws://{addr}/wrong")), PATIENCE) {
        Failure::WebSocket(error) => assert_eq!(*error, WebSocketError::Status(404)),
        other => panic!("{other}"),
    }
}

fn a_proxy_that_refuses_is_told_as_such<A: Adapter>(case: &Case<A>) {
    let addr = serve(|mut stream| stream.write_all(b"HTTP/1.1 407 Who are you?\r\n\r\n"));
    let proxy = format!("http://ann:guessed@{addr}").parse().unwrap();
    let failure = failure(case, case.options("mqtt://behind").proxy(proxy), PATIENCE);
    assert!(matches!(failure, Failure::Proxy(ProxyError::Credentials)), "{failure}");
    assert!(!format!("{failure} {failure:?}").contains("guessed"));
}

/// The proxies are asked for names that only they know.
fn a_proxy_makes_the_way<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let behind = server.addr();
    let tunnel = move |mut client: TcpStream, rounds: &[(&[u8], &[u8])]| -> std::io::Result<()> {
        for (asked, answer) in rounds {
            let mut request = vec![0; asked.len()];
            std::io::Read::read_exact(&mut client, &mut request)?;
            assert_eq!(request, *asked);
            client.write_all(answer)?;
        }
        let mut broker = TcpStream::connect(behind)?;
        let (mut from, mut to) = (client.try_clone()?, broker.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        std::io::copy(&mut broker, &mut client).map(drop)
    };
    let asked = b"CONNECT only.the.proxy.knows:1883 HTTP/1.1\r\nHost: only.the.proxy.knows:1883\r\n\r\n";
    let http = serve(move |client| tunnel(client, &[(asked, b"HTTP/1.1 200 Go\r\n\r\n")]));
    let asked = b"\x05\x01\x00\x03\x14only.the.proxy.knows\x07\x5b";
    let granted = b"\x05\0\0\x01\0\0\0\0\0\0";
    let socks = serve(move |client| tunnel(client, &[(b"\x05\x01\0", b"\x05\0"), (asked, granted)]));
    for proxy in [format!("http://{http}"), format!("socks5://{socks}")] {
        let options = case.options("mqtt://only.the.proxy.knows").proxy(proxy.parse().unwrap());
        let client = case.connect_with(options);
        assert!(client.ping().unwrap() < PATIENCE);
        client.disconnect();
    }
}
