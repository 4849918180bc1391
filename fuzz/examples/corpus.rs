//! `corpus unpack <target> <folder>` writes a corpus as files; `corpus add <target> <folder>` appends files to it.

use std::{env, io, path::Path, process::ExitCode};

use mqtt_fuzz::corpus;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let done: io::Result<()> = match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", target, folder] => corpus::unpack(target, Path::new(folder)),
        ["add", target, folder] => {
            corpus::add(target, Path::new(folder)).map(|count| println!("{target}: {count} inputs added"))
        }
        _ => Err(io::Error::other("usage: corpus unpack|add <target> <folder>")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}
