//! The command line as a whole: the commands, and how a wrong one is told.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::broker::BrokerArgs;
use crate::outcome::{Exit, report};
use crate::publish::PubArgs;
use crate::subscribe::SubArgs;

const EXAMPLES: &str = "\
Examples:
  mqtt demo                                  what MQTT does, on a machine without any broker
  mqtt broker                                a broker on this machine, to try the next two with
  mqtt sub -t 'plant/#' -v                   print what is published below plant/
  mqtt pub -t plant/temperature -m 21.5 -q 1

Each command has examples of its own: mqtt pub --help";

const EXIT_CODES: &str = "\
Exit codes:
  0   all went well
  1   something on this machine failed: a file, standard output, a port in use
  2   the flags make no sense
  3   no connection: no such host, nobody listens, refused by the broker, or lost for good
  4   the broker rejected a message or a subscription, or a message may not have arrived
  27  the time given with -W is up (mqtt sub)
  130 interrupted a second time, before the first Ctrl-C had been dealt with";

/// Publishes, subscribes, and shows what MQTT does.
#[derive(Debug, Parser)]
#[command(name = "mqtt", version, arg_required_else_help = true)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publishes messages, and waits for the outcome of each
    Pub(PubArgs),
    /// Subscribes, and prints what comes
    Sub(SubArgs),
    /// Runs a broker for trying things out; never for production
    Broker(BrokerArgs),
    /// Shows messages at each QoS in both versions, and a cut link; needs no broker and no network
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Everything happens inside this program, on the loopback interface, in a few seconds. It ends with a table of what was
sent, delivered, doubled and lost, and with exit code 0 only if nothing was doubled or lost.")]
pub(crate) struct DemoArgs {}

impl Cli {
    /// The program's command line. `Err` when there is nothing to run: help and version were printed, or what is wrong.
    pub(crate) fn parse_words() -> Result<Self, ExitCode> {
        Cli::try_parse().map_err(|error| {
            let text = error.render().to_string();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    let _ = writeln!(io::stdout().lock(), "{}", text.trim_end());
                    ExitCode::SUCCESS
                }
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
                    Exit::Usage.into()
                }
                _ => {
                    report(&without_passwords(&one_line(&text)));
                    Exit::Usage.into()
                }
            }
        })
    }
}

/// What clap says about a wrong command line, without the usage below it.
fn one_line(text: &str) -> String {
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let paragraphs = text.split("\n\n").map(words);
    let said = paragraphs.filter(|said| !said.starts_with("Usage:") && !said.starts_with("For more"));
    format!("{} (try --help)", said.collect::<Vec<_>>().join("; "))
}

/// clap repeats words that it does not understand, and a URL among them may hold a password.
fn without_passwords(text: &str) -> String {
    let word = |word: &str| {
        let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
        match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://…@{host}"),
            None => word.to_owned(),
        }
    };
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_command_line_is_told_in_one_line() {
        let told = |words: &[&str]| one_line(&Cli::try_parse_from(words).unwrap_err().to_string());
        assert_eq!(
            told(&["mqtt", "pub", "-m", "x", "--topc", "t"]),
            "unexpected argument '--topc' found; tip: a similar argument exists: '--topic' (try --help)"
        );
        assert_eq!(
            told(&["mqtt", "sub", "-t", "t", "-q", "3"]),
            "invalid value '3' for '--qos <QOS>': QoS is 0, 1 or 2, not 3 (try --help)"
        );
    }

    #[test]
    fn a_repeated_word_does_not_show_a_password() {
        let told = without_passwords("unexpected argument 'mqtt://ann:se@cret@host/x' found\n  see --help\n");
        assert_eq!(told, "unexpected argument 'mqtt://…@host/x' found\n  see --help\n");
    }

    #[test]
    fn no_password_shows_when_the_command_line_is_debugged() {
        for words in [
            "mqtt pub -t t -m m -u ann -P hunter2",
            "mqtt pub -t t -m m -L mqtt://ann:hunter2@host",
            "mqtt sub -t t --proxy http://ann:hunter2@host",
            "mqtt broker --user ann:hunter2",
        ] {
            let cli = Cli::try_parse_from(words.split(' ')).unwrap();
            let told = format!("{cli:?}");
            assert!(told.contains("(hidden)") && !told.contains("hunter2"), "{words}: {told}");
        }
    }
}
