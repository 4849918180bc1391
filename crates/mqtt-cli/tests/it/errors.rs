//! What goes wrong is said in one line, with what and where, and an exit code of its own; never with a password.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use mqtt_testkit::session::codec::TopicFilter;
use mqtt_testkit::{BrokerConfig, ScramServer, Server};

use crate::programs::{Broker, Ended, Program, free_port};

const HERE: i32 = 1;
const USAGE: i32 = 2;
const CONNECTION: i32 = 3;
const REJECTED: i32 = 4;
const TIMED_OUT: i32 = 27;

/// One line on standard error that holds these parts, nothing on standard output, and this exit code.
#[track_caller]
fn check(args: &[&str], code: i32, parts: &[&str]) {
    let Ended { code: ended, stdout, stderr } = Program::mqtt(args).end();
    assert_eq!(ended, Some(code), "{args:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    assert!(stderr.starts_with("mqtt: "), "{args:?}: {stderr}");
    assert!(stdout.is_empty(), "{args:?}");
    for part in parts {
        assert!(stderr.contains(part), "{args:?} does not say {part:?}: {stderr}");
    }
    for word in ["secret", "hunter2"] {
        assert!(!stderr.contains(word), "{args:?} shows a password: {stderr}");
    }
}

#[test]
fn wrong_flags_are_told_before_anything_is_tried() {
    check(&["pub", "-t", "a"], USAGE, &["--message", "--help"]);
    check(&["pub", "-m", "x"], USAGE, &["topic", "-t"]);
    check(&["pub", "-t", "a", "-m", "x", "-n"], USAGE, &["--message", "--null-message"]);
    check(&["pub", "-t", "a/#", "-m", "x"], USAGE, &["a/#", "wildcard"]);
    check(&["pub", "-t", "", "-m", "x"], USAGE, &["topic"]);
    check(&["pub", "-t", "a", "-m", "x", "-q", "3"], USAGE, &["--qos", "0, 1 or 2"]);
    check(&["pub", "-t", "a", "-m", "x", "-V", "31"], USAGE, &["--protocol-version", "311 and 5"]);
    check(&["pub", "-t", "a", "-m", "x", "-p", "0"], USAGE, &["--port"]);
    check(&["pub", "-t", "a", "-m", "x", "--topc"], USAGE, &["--topc", "--topic"]);
    check(&["pub", "-t", "a", "-m", "x", "--repeat", "0"], USAGE, &["--repeat"]);
    check(&["pub", "-t", "a", "-m", "x", "-P", "hunter2"], USAGE, &["--username"]);
    let scram = ["pub", "-t", "a", "-m", "x", "-u", "ann", "-P", "hunter2", "--auth-method"];
    check(&[&scram[..], &["plain"]].concat(), USAGE, &["--auth-method", "scram-sha-256"]);
    check(&[&scram[..], &["scram-sha-256", "-V", "311"]].concat(), USAGE, &["3.1.1", "authentication"]);
    check(&["sub", "-t", "a", "--auth-method", "scram-sha-256"], USAGE, &["--username", "--pw"]);
    let keyed = ["pub", "-t", "a", "-m", "x", "--cert", "c", "--key", "k", "--keypass-file", "/nowhere/pass"];
    check(&keyed, HERE, &["--keypass-file", "/nowhere/pass"]);
    check(&["pub", "-t", "a", "-m", "x", "--will-topic", "w/+"], USAGE, &["will", "wildcard"]);
    check(&["sub"], USAGE, &["topic filter"]);
    check(&["sub", "-t", "a/#/b"], USAGE, &["a/#/b", "#"]);
    check(&["sub", "-t", "a", "-F", "%j"], USAGE, &["%j", "%p payload"]);
    check(&["sub", "-t", "a", "-C", "0"], USAGE, &["--count", "at least 1"]);
    check(&["sub", "-t", "a", "-c"], USAGE, &["--id"]);
    check(&["sub", "-t", "a", "-V", "311", "-x", "60"], USAGE, &["-x", "5.0"]);
    check(&["sub", "-t", "a", "-i", "", "-c"], USAGE, &["client_id"]);
    check(&["broker", "--user", "ann"], USAGE, &["--user"]);
    check(&["broker", "--bind", "nowhere"], USAGE, &["--bind"]);
    check(&["sub", "-t", "a", "--debug-payload", "9"], USAGE, &["--debug"]);
    check(&["serve"], USAGE, &["serve"]);
}

#[test]
fn wrong_urls_are_told_without_their_password() {
    let urls = [
        ("http://ann:secret@h", "http://"),
        ("mqtts://ann:secret@h?a", "query"),
        ("mqtt://ann:se cret@secret", "URL"),
        ("mqtt://ann:secret@", "host"),
        ("mqtt://ann:secret@h:99999", "port"),
        ("ann:secret@h", "scheme"),
    ];
    for (url, part) in urls {
        check(&["pub", "-t", "a", "-m", "x", "-L", url], USAGE, &["url", part]);
    }
    check(&["pub", "-t", "a", "-m", "x", "mqtt://ann:secret@h/a"], USAGE, &["unexpected", "@h/a"]);
    check(&["sub", "-t", "a", "-L", "mqtt://h", "-h", "h"], USAGE, &["--host", "--url"]);
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let port = &free_port().to_string();
    let place = format!("mqtt://127.0.0.1:{port}: connecting: Connection refused");
    for version in ["311", "5"] {
        for qos in ["0", "2"] {
            let args = ["-h", "127.0.0.1", "-p", port, "-V", version, "-q", qos, "-t", "a"];
            check(&[&["pub", "-m", "x"], &args[..]].concat(), CONNECTION, &[&place]);
            check(&[&["sub"], &args[..]].concat(), CONNECTION, &[&place]);
        }
    }
    check(
        &["pub", "-h", "nobody.invalid", "-t", "a", "-m", "x", "-u", "ann", "-P", "hunter2"],
        CONNECTION,
        &["mqtt://nobody.invalid:1883: resolving: "],
    );
}

#[test]
fn a_broker_that_says_nothing_is_given_up() {
    // Accepts into its backlog, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = &silent.local_addr().unwrap().port().to_string();
    let start = Instant::now();
    let place = format!("mqtt://localhost:{port}: ");
    check(&["sub", "-p", port, "-t", "a", "-W", "1"], TIMED_OUT, &[&place, "-W"]);
    assert!(start.elapsed().as_secs() < 8, "the connect timeout was not waited for");
    check(&["pub", "-p", port, "-t", "a", "-m", "x"], CONNECTION, &[&place, "no CONNACK within 10s"]);
}

#[test]
fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let broker = Broker::ours(&["--user", "ann:secret"]);
    let port = &broker.port.to_string();
    for (version, code) in [("5", "0x86"), ("311", "refused")] {
        for user in [&["-u", "ann", "-P", "hunter2"][..], &["-u", "ann"], &[]] {
            let args = ["-p", port, "-V", version, "-t", "a"];
            let place = format!("mqtt://localhost:{port}: refused by the broker: ");
            check(&[&["pub", "-m", "x"], &args[..], user].concat(), CONNECTION, &[&place]);
            check(&[&["sub"], &args[..], user].concat(), CONNECTION, &[&place]);
        }
        let wrong = ["pub", "-p", port, "-V", version, "-t", "a", "-m", "x", "-u", "ann", "-P", "hunter2"];
        check(&wrong, CONNECTION, &[code]);
    }
    let right = ["pub", "-p", port, "-t", "a", "-m", "x", "-u", "ann", "-P", "secret", "-d"];
    let Ended { code, stderr, .. } = Program::mqtt(&right).end();
    assert_eq!(code, Some(0));
    assert!(stderr.contains("CONNECT ") && !stderr.contains("secret"), "{stderr}");
    let Ended { stderr, .. } = Program::mqtt(&[&right[..], &["--debug-payload", "9"]].concat()).end();
    assert!(stderr.contains("  a  \"x\"\n") && !stderr.contains("secret"), "{stderr}");
}

/// A broker that forbids topics and filters that begin with `no/`.
fn strict() -> Server {
    let forbidden = vec![TopicFilter::new("no/#").unwrap()];
    let config = BrokerConfig {
        deny_publish: forbidden.clone(),
        deny_subscribe: forbidden,
        ..BrokerConfig::default()
    };
    Server::bind("127.0.0.1:0", config).unwrap()
}

#[test]
fn a_password_can_be_proven_instead_of_told() {
    let method = Arc::new(ScramServer::new([("ann", "secret")]));
    let config =
        BrokerConfig { authentication: Some(method), allow_anonymous: false, ..BrokerConfig::default() };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let port = &server.addr().port().to_string();
    let by = |password| {
        vec!["pub", "-p", port, "-t", "a", "-m", "x", "-q", "1", "-u", "ann", "-P", password, "--auth-method"]
    };
    let Ended { code, stderr, .. } = Program::mqtt(&[by("secret"), vec!["scram-sha-256"]].concat()).end();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    check(&[by("hunter2"), vec!["SCRAM-SHA-256"]].concat(), CONNECTION, &["refused by the broker", "0x87"]);
}

#[test]
fn a_message_that_the_broker_rejects_is_not_reported_as_delivered() {
    let server = strict();
    let port = &server.addr().port().to_string();
    let place = format!("mqtt://localhost:{port}: message 1 to no/way: ");
    for qos in ["1", "2"] {
        check(&["pub", "-p", port, "-t", "no/way", "-m", "x", "-q", qos], REJECTED, &[&place, "0x87"]);
    }
    let many = ["pub", "-p", port, "-t", "no/way", "-m", "x", "-q", "1", "--repeat", "50"];
    let Ended { code, stderr, .. } = Program::mqtt(&many).end();
    assert_eq!(code, Some(REJECTED));
    let lines: Vec<_> = stderr.lines().collect();
    assert!(lines[0].contains("message 1 to no/way"), "{stderr}");
    assert_eq!(lines[1], "mqtt: the same for 49 more messages");
    assert!(lines[2].ends_with("50 of 50 messages not delivered"), "{stderr}");
}

#[test]
fn a_refused_subscription_is_told_and_others_go_on() {
    let server = strict();
    let port = &server.addr().port().to_string();
    let place = format!("mqtt://localhost:{port}: ");
    for version in ["311", "5"] {
        let args = ["sub", "-p", port, "-V", version, "-t", "no/#"];
        check(&args, REJECTED, &[&place, "no/#", "0x8"]);

        let args = ["sub", "-p", port, "-V", version, "-t", "no/#", "-t", "yes", "-C", "1"];
        let mut partly = Program::mqtt(&args);
        partly.until_error_with("subscription no/#: ");
        Program::mqtt(&["pub", "-p", port, "-t", "yes", "-m", "heard"]).succeed();
        assert_eq!(partly.line(), "heard");
        assert_eq!(partly.end().code, Some(REJECTED));
    }
}

#[test]
fn files_and_ports_that_can_not_be_had_are_named() {
    check(&["pub", "-t", "a", "-f", "/no/such/file"], HERE, &["reading /no/such/file: "]);
    check(&["pub", "-t", "a", "-f", "/"], HERE, &["reading /: "]);
    let broker = Broker::ours(&[]);
    let port = &broker.port.to_string();
    check(&["broker", "-p", port], HERE, &[&format!("127.0.0.1:{port}: listening: ")]);
}

/// Everything that a program says, with every flag that may hold a secret, wherever it gets to.
#[test]
fn no_secret_is_told_however_it_is_given() {
    const SECRET: &str = "planted.7c1f";
    let broker = Broker::ours(&["--user", &format!("ann:{SECRET}")]);
    let (port, nobody) = (broker.port, free_port());
    let url = format!("mqtt://ann:{SECRET}@127.0.0.1:{port}/a");
    let wrong = format!("mqtt://ann:{SECRET}.wrong@127.0.0.1:{port}/a");
    let proxied = format!("http://ann:{SECRET}@127.0.0.1:{nobody}");
    let will = ["--will-topic", "w", "--will-payload", SECRET];
    let ways: [&[&str]; 16] = [
        &["-L", &url],
        &["-L", &url, "-V", "311"],
        &["-L", &url, will[0], will[1], will[2], will[3]],
        &["-L", &wrong],
        &["-L", &wrong, "-V", "311"],
        &["-L", &format!("mqtt://ann:{SECRET}@127.0.0.1:{nobody}/a")],
        &["-L", &format!("mqtt://ann:{SECRET}/{SECRET}#@127.0.0.1")],
        &["-L", &format!("mqtt://ann:{SECRET}%@127.0.0.1/a")],
        &["-L", &format!("wss://127.0.0.1:{nobody}/mqtt?token={SECRET}"), "-t", "a"],
        &["-L", &format!("ws://127.0.0.1:{port}/mqtt?token={SECRET}"), "-t", "a"],
        &["-t", "a", "-p", &port.to_string(), "-u", "ann", "-P", SECRET],
        &["-t", "a", "-p", "x", "-u", "ann", "-P", SECRET],
        &["-t", "a", "-P", SECRET],
        &["-t", "a", "--proxy", &proxied],
        &["-t", "a", "--proxy", &format!("ftp://ann:{SECRET}@h")],
        &["-t", "a", &wrong],
    ];
    for way in ways {
        for command in [&["pub", "-m", "x", "-d"][..], &["sub", "-W", "1", "-v", "-d"]] {
            let args = [command, way].concat();
            let Ended { stdout, stderr, .. } = Program::mqtt(&args).end();
            let told = format!("{}{stderr}", String::from_utf8_lossy(&stdout));
            assert!(!told.is_empty(), "{args:?}");
            assert!(!told.contains(SECRET), "{args:?}: {told}");
        }
    }
    let told = broker.interrupt();
    assert!(!String::from_utf8_lossy(&told).contains(SECRET), "the broker");
}
