//! `mqtt demo`: what MQTT does, on a machine with no broker and no network.

mod record;
mod stage;
mod table;

use mqtt_tokio::{QoS, Version};

use crate::outcome::{self, Exit, Failure, counted};
use stage::Stage;
use table::Row;

/// Messages of each act, those included that are not shown.
const MESSAGES: u32 = 1_000;

/// Plays everything for both versions; an error unless each message arrived exactly once.
pub(crate) async fn run() -> Result<(), Failure> {
    say("\
A tour of MQTT. It needs no broker and no network: a broker runs inside this program, on a free port of this machine,
and two clients, \"writer\" and \"reader\", connect to it. Each line shows one packet as one of the clients sees it:

  client, direction, time in microseconds, packet type, length, flags, packet id, topic

The flags are the low four bits of a packet's first byte. Those of a PUBLISH are DUP (sent before), two bits of QoS, and
RETAIN: 0100 is QoS 2, 1100 is the same message sent again.
")?;
    let mut rows = Vec::new();
    for version in [Version::V311, Version::V5] {
        play(version, &mut rows).await?;
    }
    say(&format!("\nWhat became of the messages:\n\n{}", table::render(&rows)))?;
    if !rows.iter().all(Row::is_exactly_once) {
        return Err(Failure::new(Exit::Rejected, "not every message arrived exactly once"));
    }
    say("\nEach message arrived exactly once, although the links were cut.\n")
}

async fn play(version: Version, rows: &mut Vec<Row>) -> Result<(), Failure> {
    say(&format!("\n=== MQTT {version} ===\n\nThe clients connect. The reader subscribes to demo/#.\n\n"))?;
    let stage = Stage::set(version).await?;
    say(&stage.recorded())?;

    for (qos, story) in [
        (QoS::AtMostOnce, "QoS 0, at most once: a PUBLISH, and nobody answers."),
        (
            QoS::AtLeastOnce,
            "QoS 1, at least once: a PUBACK says that it has arrived. Until then it may be sent again.",
        ),
        (
            QoS::ExactlyOnce,
            "QoS 2, exactly once: PUBREC says that it has arrived; with PUBREL and PUBCOMP both ends forget it.",
        ),
    ] {
        say(&format!("\n{story}\n\n"))?;
        let topic = format!("demo/qos{}", qos.as_u8());
        stage.publish(&topic, qos, 0..1).await?;
        say(&stage.recorded())?;
        stage.publish(&topic, qos, 1..MESSAGES).await?;
        say(&format!("  and {} more, not shown\n", MESSAGES - 1))?;
        stage.discard_recorded();
        rows.push(stage.row(qos, &topic, MESSAGES, 0));
    }

    let (qos, topic) = (QoS::ExactlyOnce, "demo/cut");
    say("
The writer's link is cut in the middle of a QoS 2 flow: the broker has the message, but its PUBREC does not arrive. The
writer connects again, resumes its session, and sends the message once more, with DUP and the same packet id. The broker
knows that id, so the reader hears of it only once.\n\n")?;
    stage.cut_writer_before_pubrec();
    stage.publish(topic, qos, 0..1).await?;
    say(&stage.recorded())?;

    say("
Now the reader's link: its PUBREC does not reach the broker, which therefore sends the message once more. The reader has
it already, and only answers.\n\n")?;
    stage.cut_reader_before_pubrec();
    stage.publish(topic, qos, 1..2).await?;
    say(&stage.recorded())?;

    say(&format!("\n{} more at once, while both links are cut again and again:\n\n", MESSAGES - 2))?;
    stage.cut_often();
    stage.publish(topic, qos, 2..MESSAGES).await?;
    stage.discard_recorded();
    let cuts = stage.reconnects();
    say(&format!("  not shown; in all the links were cut {}\n", counted(cuts, "time")))?;
    rows.push(stage.row(qos, topic, MESSAGES, cuts));
    stage.end().await
}

/// Narrates. When nobody reads any more, the rest is not worth playing.
fn say(text: &str) -> Result<(), Failure> {
    if outcome::print(text.as_bytes())? { Ok(()) } else { Err(Failure::told(Exit::Here)) }
}
