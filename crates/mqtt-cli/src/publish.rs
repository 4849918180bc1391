//! `mqtt pub`: sends messages, and does not end before it knows what became of each.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::{ArgGroup, Args};
use mqtt_tokio::core::codec::TopicName;
use mqtt_tokio::{Client, Completion, Indeterminate, NotSent, Offline, PublishError, PublishFailure, QoS};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::connection::Connection;
use crate::input;
use crate::interrupt::Interrupt;
use crate::news::News;
use crate::outcome::{Exit, Failure, Printable, counted, report};
use crate::values;

/// Messages whose outcome is waited for at once.
const OPEN: usize = 1_000;

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(group = ArgGroup::new("payload").required(true))]
#[command(after_help = "\
Examples:
  mqtt pub -t plant/temperature -m 21.5                  one message to localhost, at QoS 0
  mqtt pub -h broker.example -u ann -P secret -t plant/pump -m on -q 1 -r
  mqtt pub -L mqtt://ann:secret@broker.example/plant/pump -m on -q 1
  mqtt pub -t plant/picture -f leaf.jpg -q 2             a file as one message
  tail -F log.txt | mqtt pub -t plant/log -l -q 1        each line as a message
  mqtt pub -t plant/tick -m tick --repeat 10 --repeat-delay 0.5

It waits for the outcome of each message: at QoS 0 that it was written to the connection, at QoS 1 and 2 that the
broker has it. The exit code is 0 only if all of them went well; 3 without a connection, 4 if a message was rejected
or may not have arrived (mqtt --help lists all).")]
pub(crate) struct PubArgs {
    /// Topic to publish to
    #[arg(short, long, allow_hyphen_values = true)]
    topic: Option<String>,

    /// The payload
    #[arg(short, long, group = "payload", allow_hyphen_values = true)]
    message: Option<String>,

    /// An empty payload; with -r it removes the retained message
    #[arg(short, long, group = "payload")]
    null_message: bool,

    /// A file's contents as the payload
    #[arg(short, long, value_name = "PATH", group = "payload")]
    file: Option<PathBuf>,

    /// All of standard input as the payload
    #[arg(short, long, group = "payload")]
    stdin_file: bool,

    /// Each line of standard input as a message; blank ones are left out
    #[arg(short = 'l', long, group = "payload")]
    stdin_line: bool,

    /// Quality of service: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short, long, default_value = "0", value_parser = values::qos)]
    qos: QoS,

    /// The broker keeps the message for later subscribers
    #[arg(short, long)]
    retain: bool,

    /// Send the message so many times
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "stdin_line")]
    #[arg(value_parser = values::count)]
    repeat: u64,

    /// Seconds between repeated messages, such as 0.25
    #[arg(long, value_name = "SECONDS", requires = "repeat", value_parser = values::seconds)]
    repeat_delay: Option<Duration>,

    /// Messages of QoS 1 and 2 that may be unacknowledged at once
    #[arg(short = 'M', long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    max_inflight: Option<u16>,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,

    // Last, because its heading would go on over what follows.
    #[command(flatten)]
    connection: Connection,
}

/// Connects, sends everything, waits for each outcome, disconnects.
pub(crate) async fn run(args: PubArgs) -> Result<(), Failure> {
    let Some(topic) = args.topic.as_deref().or(args.connection.url_topic()?) else {
        return Err(Failure::new(Exit::Usage, "no topic; give one with -t, or in the URL"));
    };
    if let Err(error) = TopicName::new(topic) {
        return Err(Failure::new(Exit::Usage, format!("topic {}: {error}", Printable(topic))));
    }
    let mut source = Source::open(&args)?;
    let (client, endpoint) = args.connection.client(|options| match args.max_inflight {
        Some(max) => options.max_in_flight(max),
        None => options,
    })?;
    let interrupt = Interrupt::listen()?;
    let events = client.events();

    tokio::select! {
        connected = client.connect() => connected.map_err(|offline| Failure::offline(&endpoint, &offline))?,
        () = interrupt.requested() => {
            let text = format!("{endpoint}: interrupted before anything was sent");
            return Err(Failure::new(Exit::Rejected, text));
        }
    };
    tokio::spawn(News::new(&endpoint).tell_all(events));

    let publisher = Publisher { client: &client, topic, qos: args.qos, retain: args.retain };
    let (sent, mut outcomes) = mpsc::channel(OPEN);
    let mut tally = Tally::new(format!("{endpoint}: "), topic);
    let send = async {
        tokio::select! {
            ended = publisher.send_all(&mut source, sent) => ended,
            () = interrupt.requested() => Ok(()),
        }
    };
    let count = async {
        while let Some(started) = outcomes.recv().await {
            tally.count(match started {
                Ok(completion) => completion.await,
                Err(error) => Err(error),
            });
        }
    };
    // In good order: what is on its way goes out first, and ends the outcomes that are still open.
    let leave = async {
        interrupt.requested().await;
        let open = client.stats().pending_publishes as u64;
        if open > 0 {
            let open = counted(open, "message");
            report(&format!("{endpoint}: interrupted; {open} still on the way, Ctrl-C again gives up"));
        }
        drop(client.disconnect().await);
        std::future::pending().await
    };
    let read = tokio::select! {
        (read, ()) = async { tokio::join!(send, count) } => read,
        never = leave => never,
    };
    drop(client.disconnect().await);
    tally.finish().and(read)
}

/// What is the same for all messages of a call.
struct Publisher<'a> {
    client: &'a Client,
    topic: &'a str,
    qos: QoS,
    retain: bool,
}

impl Publisher<'_> {
    /// Enqueues every payload of the source, unless the client goes offline for good.
    async fn send_all(
        &self,
        source: &mut Source,
        sent: mpsc::Sender<Result<Completion, PublishError>>,
    ) -> Result<(), Failure> {
        while let Some(payload) = source.next().await {
            let message = self.client.publish(self.topic, payload?).qos(self.qos).retain(self.retain);
            let started = message.enqueue().await;
            let last = started.as_ref().is_err_and(|error| offline(error).is_some());
            if sent.send(started).await.is_err() || last {
                break;
            }
        }
        Ok(())
    }
}

/// Where payloads come from.
enum Source {
    Lines(mpsc::Receiver<Result<Bytes, Failure>>),
    /// The same one, so many times more.
    Repeated {
        payload: Bytes,
        left: u64,
        delay: Duration,
        due: Instant,
    },
}

impl Source {
    /// Reads what there is to read at once, so that a file that can't be read is told before anything is sent.
    fn open(args: &PubArgs) -> Result<Self, Failure> {
        if args.stdin_line {
            return Ok(Source::Lines(input::stdin_lines()?));
        }
        let payload = match (&args.message, &args.file) {
            (Some(message), _) => Bytes::copy_from_slice(message.as_bytes()),
            (None, Some(path)) => input::file(path)?,
            (None, None) if args.stdin_file => input::stdin()?,
            (None, None) => Bytes::new(),
        };
        let delay = args.repeat_delay.unwrap_or_default();
        Ok(Source::Repeated { payload, left: args.repeat, delay, due: Instant::now() })
    }

    async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        match self {
            Source::Lines(lines) => lines.recv().await,
            Source::Repeated { left: 0, .. } => None,
            Source::Repeated { payload, left, delay, due } => {
                sleep_until(*due).await;
                *left -= 1;
                *due = Instant::now() + *delay;
                Some(Ok(payload.clone()))
            }
        }
    }
}

/// Counts outcomes, and tells of each failure: of a row of equal ones the first, and how many followed.
struct Tally<'a> {
    place: String,
    topic: &'a str,
    delivered: u64,
    failed: u64,
    last: String,
    repeated: u64,
    gave_up: bool,
}

impl<'a> Tally<'a> {
    fn new(place: String, topic: &'a str) -> Self {
        Tally { place, topic, delivered: 0, failed: 0, last: String::new(), repeated: 0, gave_up: false }
    }

    fn count<T>(&mut self, outcome: Result<T, PublishError>) {
        let Err(error) = outcome else {
            self.delivered += 1;
            return;
        };
        self.failed += 1;
        self.gave_up |= matches!(offline(&error), Some(Offline::GaveUp(_)));
        let text = error.failure().to_string();
        if text == self.last {
            self.repeated += 1;
            return;
        }
        self.tell_repeated();
        let number = self.delivered + self.failed;
        // Why there is no connection says itself where.
        let place = if self.gave_up { "" } else { &self.place };
        report(&format!("{place}message {number} to {}: {text}", Printable(self.topic)));
        self.last = text;
    }

    fn tell_repeated(&mut self) {
        if self.repeated > 0 {
            report(&format!("the same for {}", counted(self.repeated, "more message")));
            self.repeated = 0;
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.tell_repeated();
        let exit = match (self.failed, self.gave_up) {
            (0, _) => return Ok(()),
            (_, true) => Exit::Connection,
            (_, false) => Exit::Rejected,
        };
        let total = self.delivered + self.failed;
        Err(match total {
            1 => Failure::told(exit),
            _ => {
                Failure::new(exit, format!("{}{} of {total} messages not delivered", self.place, self.failed))
            }
        })
    }
}

/// Whether a message failed because the client is offline for good.
fn offline(error: &PublishError) -> Option<&Offline> {
    match error.failure() {
        PublishFailure::NotSent(NotSent::Offline(offline))
        | PublishFailure::Indeterminate(Indeterminate::Offline(offline)) => Some(offline),
        _ => None,
    }
}
