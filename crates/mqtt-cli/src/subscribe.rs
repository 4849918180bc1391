//! `mqtt sub`: prints messages as they come, and acknowledges what it prints.

use std::future::pending;
use std::time::Duration;

use clap::Args;
use mqtt_tokio::core::codec::TopicFilter;
use mqtt_tokio::{Client, Endpoint, Event, Events, Message, Offline, QoS, SubscribeError, Subscription};
use tokio::task::coop::consume_budget;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::format::{self, Format};
use crate::interrupt::Interrupt;
use crate::news::News;
use crate::outcome::{self, Exit, Failure, Printable, report};
use crate::values;

/// How long the broker has to take note of the last acknowledgements.
const SETTLING: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = r"Examples:
  mqtt sub -t 'plant/#' -v                            everything below plant/, with topics, from localhost
  mqtt sub -L 'mqtt://ann:secret@broker.example/plant/#' -v
  mqtt sub -t plant/pump -t plant/valve -q 1 -C 10    ends after ten messages
  mqtt sub -t plant/picture -N -C 1 > leaf.jpg        one payload, byte for byte
  mqtt sub -t 'plant/#' -F '%U %t qos=%q retain=%r %x'
  mqtt sub -c -i logger -q 1 -t 'plant/#' >> log      the broker keeps messages while this does not run

Format strings (-F): %t topic, %p payload, %x and %X payload in hex, %l length, %q QoS, %r retain, %m packet id,
%U Unix time, %%, and the escapes \n \t \r \0 \\ \a \e \v. A line end follows each message unless -N is given.

A message of QoS 1 or 2 is acknowledged when it is printed; with -c whatever was not stays at the broker. Ctrl-C ends
it in good order. The exit code is 3 without a connection, 4 if a subscription was refused, 27 when the time given
with -W is up (mqtt --help lists all).")]
pub(crate) struct SubArgs {
    /// Topic filter to subscribe to, such as plant/+/temperature or plant/#; may be repeated
    #[arg(short, long = "topic", value_name = "FILTER", allow_hyphen_values = true)]
    topics: Vec<String>,

    /// Highest quality of service to receive with: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = values::qos)]
    qos: QoS,

    /// Print the topic before the payload
    #[arg(short, long, conflicts_with = "format")]
    verbose: bool,

    /// How to print a message, such as '%t %p'
    #[arg(short = 'F', long, value_parser = str::parse::<Format>, allow_hyphen_values = true)]
    format: Option<Format>,

    /// No line end behind a message
    #[arg(short = 'N', long)]
    no_eol: bool,

    /// Leave out retained messages that are older than the subscription
    #[arg(short = 'R', long)]
    no_retained: bool,

    /// End after so many messages
    #[arg(short = 'C', long, value_parser = values::count)]
    count: Option<u64>,

    /// End after so many seconds
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = values::count)]
    timeout: Option<u64>,

    /// End as soon as the broker has answered the subscription
    #[arg(short = 'E', long)]
    exit_subscribed: bool,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,

    // Last, because its heading would go on over what follows.
    #[command(flatten)]
    connection: Connection,
}

/// Connects, subscribes, prints until the end, disconnects.
pub(crate) async fn run(args: SubArgs) -> Result<(), Failure> {
    let filters = filters(&args)?;
    let (client, endpoint) = args.connection.client(|options| options)?;
    let interrupt = Interrupt::listen()?;
    let mut listener = Listener { client: &client, endpoint: &endpoint, subscription: None, refused: false };
    let ended = tokio::select! {
        biased;
        () = interrupt.requested() => Ok(()),
        () = elapsed(args.timeout) => {
            Err(Failure::new(Exit::TimedOut, format!("{endpoint}: the time given with -W is up")))
        }
        ended = listener.listen(&args, filters) => ended,
    };
    if args.connection.is_persistent() && client.is_connected() {
        // The answer to a ping comes after the answers to all that was acknowledged before it. From then on the session
        // that stays behind holds what was not printed, and nothing else.
        let _ = timeout(SETTLING, client.ping()).await;
    }
    // The subscription is still there: without it, what comes until the end would be nobody's.
    drop(client.disconnect().await);
    ended.and(if listener.refused { Err(Failure::told(Exit::Rejected)) } else { Ok(()) })
}

/// The filters of `-t` and of the URL.
fn filters(args: &SubArgs) -> Result<Vec<TopicFilter>, Failure> {
    let all = args.topics.iter().map(String::as_str).chain(args.connection.url_topic()?);
    let filters = all.map(|filter| {
        TopicFilter::new(filter).map_err(|error| {
            Failure::new(Exit::Usage, format!("topic filter {}: {error}", Printable(filter)))
        })
    });
    let filters = filters.collect::<Result<Vec<_>, _>>()?;
    if filters.is_empty() {
        return Err(Failure::new(Exit::Usage, "no topic filter; give one with -t, or in the URL"));
    }
    Ok(filters)
}

async fn elapsed(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => sleep(Duration::from_secs(seconds)).await,
        None => pending().await,
    }
}

struct Listener<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    /// Outlives the future that listens: it has to be there when the client disconnects.
    subscription: Option<Subscription>,
    /// The broker has refused a filter.
    refused: bool,
}

impl Listener<'_> {
    async fn listen(&mut self, args: &SubArgs, filters: Vec<TopicFilter>) -> Result<(), Failure> {
        let mut events = self.client.events();
        let mut news = News::new(self.endpoint);
        self.client.connect().await.map_err(|offline| Failure::offline(self.endpoint, &offline))?;
        let subscribing = self.client.subscribe(filters).qos(args.qos);
        let subscription = subscribing.keep_on_drop(args.connection.is_persistent()).await;
        let subscription = subscription.map_err(|error| match error {
            SubscribeError::Offline(offline) => Failure::offline(self.endpoint, &offline),
            error => Failure::new(Exit::Rejected, format!("{}: {error}", self.endpoint)),
        })?;
        for (filter, answer) in subscription.granted() {
            if let Err(why) = answer {
                self.refused = true;
                report(&format!("{}: subscription {}: {why}", self.endpoint, Printable(filter.as_str())));
            }
        }
        let subscription = self.subscription.insert(subscription);
        if args.exit_subscribed {
            return Ok(());
        }
        let format = match &args.format {
            Some(format) => format.clone(),
            None if args.verbose => Format::verbose(),
            None => Format::payload(),
        };
        let mut left = args.count;
        let mut gone = None;
        let mut buffer = Vec::new();
        while left != Some(0) {
            tokio::select! {
                biased;
                message = subscription.recv() => match message {
                    Some(message) if args.no_retained && message.retain() => {}
                    Some(message) => {
                        if !print(&message, &format, !args.no_eol, &mut buffer)? {
                            return Ok(());
                        }
                        left = left.map(|left| left - 1);
                    }
                    None => return Err(self.gone(gone, &mut events, &mut news).await),
                },
                Some(event) = events.recv() => gone = note(event, &mut news).or(gone),
            }
            // Messages that are always there must not keep the signals from being seen.
            consume_budget().await;
        }
        Ok(())
    }

    /// Why the stream has ended.
    async fn gone(&self, mut gone: Option<Offline>, events: &mut Events, news: &mut News) -> Failure {
        while gone.is_none()
            && let Some(event) = events.recv().await
        {
            gone = note(event, news);
        }
        Failure::offline(self.endpoint, &gone.unwrap_or(Offline::Disconnected))
    }
}

/// Tells of an event; gives the one that is the last.
fn note(event: Event, news: &mut News) -> Option<Offline> {
    news.tell(&event);
    match event {
        Event::Offline(offline) => Some(offline),
        _ => None,
    }
}

/// Writes one message at once; false when nobody reads standard output any more.
fn print(message: &Message, format: &Format, eol: bool, buffer: &mut Vec<u8>) -> Result<bool, Failure> {
    buffer.clear();
    format.append(message.into(), format::unix_time(), buffer);
    if eol {
        buffer.push(b'\n');
    }
    outcome::print(buffer)
}
