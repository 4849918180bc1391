//! `mqtt broker`: the testkit's broker on a port, for trying things out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use mqtt_testkit::{BrokerConfig, Server};
use mqtt_tokio::core::DEFAULT_PORT;

use crate::hidden::Hidden;
use crate::interrupt::Interrupt;
use crate::outcome::{Exit, Failure, counted, print};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mqtt broker
  mqtt broker -p 2883 --user ann:secret
  mqtt broker --bind 0.0.0.0                   reachable from other machines

It speaks MQTT 3.1.1 and 5.0 over TCP, unencrypted, keeps everything in memory, and forgets it at the end (Ctrl-C).
It is for trying things out, never for production.")]
pub(crate) struct BrokerArgs {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST.into())]
    bind: IpAddr,

    /// The port to listen on; 0 takes any free one
    #[arg(short, long, default_value_t = DEFAULT_PORT)]
    port: u16,

    /// A user who may connect; may be repeated. With it, nobody else may
    #[arg(long = "user", value_name = "NAME:PASSWORD")]
    users: Vec<Hidden>,
}

pub(crate) async fn run(args: BrokerArgs) -> Result<(), Failure> {
    let mut users = BTreeMap::new();
    for user in &args.users {
        let Some((name, password)) = user.split_once(':') else {
            return Err(Failure::new(
                Exit::Usage,
                "--user takes a name and a password with a colon between them",
            ));
        };
        users.insert(name.to_owned(), password.as_bytes().to_vec());
    }
    let interrupt = Interrupt::listen()?;
    let allow_anonymous = users.is_empty();
    let config = BrokerConfig { users, allow_anonymous, ..BrokerConfig::default() };
    let address = SocketAddr::new(args.bind, args.port);
    let server = Server::bind(address, config)
        .map_err(|error| Failure::new(Exit::Here, format!("{address}: listening: {error}")))?;

    let port = server.addr().port();
    let here = if port == DEFAULT_PORT { String::new() } else { format!(" -p {port}") };
    say(&format!(
        "listening on mqtt://{} (MQTT 3.1.1 and 5.0)\n\
         For trying things out, never for production: unencrypted, and all in memory.\n\
         In two other terminals:  mqtt sub{here} -t 'demo/#' -v   and   mqtt pub{here} -t demo/hello -m hello\n\
         Ctrl-C ends it.\n",
        SocketAddr::new(args.bind, port)
    ));
    interrupt.requested().await;

    let stats = server.with_broker(|broker| broker.stats().clone());
    // Tells its clients, and closes their connections.
    drop(server);
    say(&format!(
        "\nended after {}: {} received, {} delivered\n",
        counted(stats.connections, "connection"),
        counted(stats.received, "message"),
        stats.delivered
    ));
    Ok(())
}

/// What it says is a courtesy; that nobody reads it is no reason to end.
fn say(text: &str) {
    let _ = print(text.as_bytes());
}
