//! What keeping a session costs: the databases that could do it, and whole clients with each durability.
//!
//! ```text
//! cargo run --release -- engines|clients [FOLDER]
//! ```
//!
//! `STORES.md` holds the figures, and the choice. FOLDER decides which disk is measured; what is in it is removed.

mod clients;
mod engines;

use std::error::Error;
use std::path::PathBuf;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let subject = arguments.next().unwrap_or_default();
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("mqtt-stores"), PathBuf::from);
    match subject.to_str() {
        Some("engines") => engines::run(&folder),
        Some("clients") => clients::run(&folder),
        _ => Err("engines or clients?".into()),
    }
}
