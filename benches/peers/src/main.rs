//! Our codec, session and clients beside those of other houses, on the same work: `cargo xtask bench codec`, `cargo xtask
//! bench session`, `cargo xtask bench e2e`.
//!
//! `mqtt-peers codec|session [--filter TEXT] [--rounds N] [--count] [--out FILE]` prints one table: medians of
//! interleaved rounds in nanoseconds a packet or message, or with `--count` instructions, which valgrind counts in a
//! run of its own for each candidate (`--one ROW CANDIDATE`).

mod e2e;
mod floor;
mod inputs;
mod measure;
mod peers;
mod rows;
mod session;
mod table;

use std::{env, error::Error, fs, process::Command};

use measure::Row;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let filter = value("--filter").map_or("", String::as_str);
    if args.first().is_some_and(|subject| subject == "e2e") {
        let rounds = value("--rounds").map_or(Ok(5), |text| text.parse())?;
        let (table, missed) = e2e::run(filter, rounds, args.iter().any(|arg| arg == "--quick"))?;
        if let Some(file) = value("--out") {
            fs::write(file, table)?;
        }
        return match missed[..] {
            [] => Ok(()),
            _ => Err(format!("below the gate: {}", missed.join("; ")).into()),
        };
    }
    let (subject, mut rows) = match args.first().map(String::as_str) {
        Some("codec") => (&table::CODEC, rows::all()),
        Some("session") => (&table::SESSION, session::rows()),
        _ => return Err("codec, session or e2e?".into()),
    };
    if let Some(at) = args.iter().position(|arg| arg == "--one") {
        let [row, candidate] =
            [1, 2].map(|next| args.get(at + next).map_or(0, |text| text.parse().unwrap_or(0)));
        rows[row].candidates[candidate].once();
        return Ok(());
    }
    let rounds = value("--rounds").map_or(Ok(200), |text| text.parse())?;
    let count = args.iter().any(|arg| arg == "--count");
    let mut lines = table::head(subject, count);
    for (index, row) in rows.iter_mut().enumerate().filter(|(_, row)| row.name.contains(filter)) {
        let figures = if count { instructions(subject.chore, index, row)? } else { row.times(rounds) };
        let line = table::row(row, &figures);
        println!("{line}");
        lines += &line;
        lines.push('\n');
    }
    if let Some(file) = value("--out") {
        fs::write(file, lines)?;
    }
    Ok(())
}

/// Instructions a packet of each candidate.
fn instructions(chore: &str, index: usize, row: &Row) -> Result<Vec<f64>, Box<dyn Error>> {
    let count = |(number, candidate): (usize, &measure::Candidate)| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--toggle-collect=*the_measured_part*")
            .arg(env::current_exe()?)
            .args([chore, "--one", &index.to_string(), &number.to_string()])
            .output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let total =
            text.lines().find_map(|line| line.split_once("Collected : ")).ok_or("no count by valgrind")?.1;
        Ok(total.trim().parse::<f64>()? / candidate.packets as f64)
    };
    row.candidates.iter().enumerate().map(count).collect()
}
