//! Secrets that are planted in every client of the suite, and a watch over all that is said: it ends the process when one is
//! told.

use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Once};
use std::{panic, process};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The user that every client of the suite says it is, unless its URL names another one.
pub const USER: &str = "planted";
/// The password of that user.
pub const PASSWORD: &str = "planted.password.7c1f";
/// For scenarios with a proxy, an HTTP header, a query, a token of a provider's, or a will.
pub const TOKEN: &str = "planted.token.a90e";
/// For scenarios with something to publish that is nobody else's business.
pub const PAYLOAD: &str = "planted.payload.42bd";

/// What all private keys of the suite begin with, as PEM and as DER: they are of the same kind.
const KEY_PEM: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
const KEY_DER: [u8; 8] = [48, 129, 135, 2, 1, 0, 48, 19];

/// What must not be told, in each form that it might be told in.
static FORBIDDEN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut forms = vec![KEY_PEM.to_owned(), list(&KEY_DER), hexadecimal(&KEY_DER)];
    for secret in [PASSWORD, TOKEN, PAYLOAD] {
        // Base 64 depends on where in a group of three bytes the secret begins.
        forms.extend((0..3).map(|at| base64_from(at, secret)));
        forms.extend([secret.to_owned(), list(secret.as_bytes()), hexadecimal(secret.as_bytes())]);
    }
    forms
});

/// From now on everything is looked at that is said to `tracing`, to `log`, and in panics.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Watch::default()).expect("nobody else listens");
        log::set_logger(&Logger).expect("nobody else listens");
        log::set_max_level(log::LevelFilter::Trace);
        let told_before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            examine("a panic", &panic.to_string());
            told_before(panic);
        }));
    });
}

/// The value itself, after a look at what its `Debug` tells.
pub fn told<T: Debug>(value: T) -> T {
    examine("Debug", &format!("{value:?}"));
    value
}

/// The result itself, after a look at what an error in it tells.
///
/// # Errors
/// That of the result.
pub fn told_error<T, E: Debug + std::error::Error>(result: Result<T, E>) -> Result<T, E> {
    if let Err(error) = &result {
        examine("an error", &format!("{error} {error:?}"));
        let mut source = error.source();
        while let Some(error) = source {
            examine("the source of an error", &format!("{error} {error:?}"));
            source = error.source();
        }
    }
    result
}

/// Ends the process if a secret is in it: a test that only failed could be one that expects a panic, or runs the code on a thread
/// whose panics nobody hears of.
fn examine(what: &str, text: &str) {
    if let Some(secret) = leak(text) {
        let _ = writeln!(io::stderr(), "{what} tells a planted secret, {secret:?}: {text}");
        process::abort();
    }
}

/// The secret that a text tells.
fn leak(text: &str) -> Option<&'static str> {
    FORBIDDEN.iter().find(|form| text.contains(*form)).map(String::as_str)
}

/// As `Debug` has bytes.
fn list(bytes: &[u8]) -> String {
    format!("{bytes:?}").trim_matches(['[', ']']).to_owned()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Of the secret's base 64 what does not depend on its neighbours.
fn base64_from(at: usize, secret: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = &secret.as_bytes()[(3 - at) % 3..];
    let digits = whole.chunks_exact(3).flat_map(|group| {
        let word = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[(word >> shift & 63) as usize]))
    });
    digits.collect()
}

/// Looks at everything, and keeps nothing.
#[derive(Default)]
struct Watch {
    spans: AtomicU64,
}

impl Subscriber for Watch {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields;

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        examine(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        examine(field.name(), value);
    }
}

/// For crates below that speak to `log`.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        examine(record.target(), &record.args().to_string());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;

    #[test]
    fn a_secret_is_found_in_whatever_form_it_is_told() {
        let key = Authority::new().certify(&["client"]).key;
        let bytes = PASSWORD.as_bytes();
        for told in [
            format!("password={PASSWORD}"),
            format!("{:?}", Some(PASSWORD)),
            format!("{bytes:?}"),
            format!("{bytes:02x?}").replace(", ", ""),
            // base64("planted:" + PASSWORD), and of the password alone.
            "Basic cGxhbnRlZDpwbGFudGVkLnBhc3N3b3JkLjdjMWY=".into(),
            "cGxhbnRlZC5wYXNzd29yZC43YzFm".into(),
            format!("{key:?}"),
            key,
        ] {
            assert!(leak(&told).is_some(), "{told}");
        }
        assert_eq!(leak("the user planted has a password"), None);
    }
}
