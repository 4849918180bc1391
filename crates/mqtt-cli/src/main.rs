//! The `mqtt` program: publish, subscribe, a broker to try things with, and a demonstration.
//!
//! Everything about MQTT is `mqtt-tokio`'s and `mqtt-testkit`'s. Here are flags, lines of text, and exit codes.

mod broker;
mod cli;
mod connection;
mod demo;
mod encryption;
mod format;
mod hidden;
mod input;
mod interrupt;
mod news;
mod outcome;
mod publish;
mod subscribe;
mod values;

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::cli::{Cli, Command};
use crate::outcome::{Exit, Failure, report};

fn main() -> ExitCode {
    let cli = match Cli::parse_words() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = &failure.text {
                report(text);
            }
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    // The command itself runs on this thread and may block it, on standard output above all; the worker moves the bytes.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Here, format!("starting: {error}")))?;
    let result = runtime.block_on(async {
        match command {
            Command::Pub(args) => publish::run(args).await,
            Command::Sub(args) => subscribe::run(args).await,
            Command::Broker(args) => broker::run(args).await,
            Command::Demo(_) => demo::run().await,
        }
    });
    runtime.shutdown_background();
    result
}
