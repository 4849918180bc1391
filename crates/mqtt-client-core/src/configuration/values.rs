//! How the values of a file are checked: each fault names its key by the path.

use std::borrow::Cow;
use std::time::Duration;

use crate::codec::{Binary, QoS, Text, TopicName};
use crate::secret::Secret;
use crate::{InvalidOptions, OptionsBuilder};

pub(super) fn fault(key: &str, problem: impl Into<String>) -> InvalidOptions {
    InvalidOptions::Key { key: key.into(), problem: problem.into() }
}

/// A method of the builder's.
pub(super) type Set<T> = fn(OptionsBuilder, T) -> OptionsBuilder;

/// Sets what the file says; what it does not say stays as the builder has it.
pub(super) fn given<T>(
    options: OptionsBuilder,
    value: Option<T>,
    set: impl FnOnce(OptionsBuilder, T) -> OptionsBuilder,
) -> OptionsBuilder {
    match value {
        Some(value) => set(options, value),
        None => options,
    }
}

pub(super) fn in_range<T: TryFrom<i64>>(
    key: &str,
    value: i64,
    least: i64,
    most: i64,
) -> Result<T, InvalidOptions> {
    let checked = Some(value).filter(|value| (least..=most).contains(value));
    checked.and_then(|value| T::try_from(value).ok()).ok_or_else(|| match most {
        i64::MAX => fault(key, format!("{value} is less than {least}")),
        _ => fault(key, format!("{value} is not in {least} to {most}")),
    })
}

/// The same for a key that may be left out.
pub(super) fn optional<T: TryFrom<i64>>(
    key: &str,
    value: Option<i64>,
    least: i64,
    most: i64,
) -> Result<Option<T>, InvalidOptions> {
    value.map(|value| in_range(key, value, least, most)).transpose()
}

pub(super) fn seconds(key: &str, value: i64, least: i64, most: i64) -> Result<Duration, InvalidOptions> {
    in_range(key, value, least, most).map(Duration::from_secs)
}

/// The same for a key that may be left out, and that can be as long as anybody likes.
pub(super) fn optional_seconds(
    key: &str,
    value: Option<i64>,
    least: i64,
) -> Result<Option<Duration>, InvalidOptions> {
    value.map(|value| seconds(key, value, least, u32::MAX.into())).transpose()
}

pub(super) fn qos(key: &str, value: i64) -> Result<QoS, InvalidOptions> {
    let level: u8 = in_range(key, value, 0, 2)?;
    QoS::try_from(level).map_err(|error| fault(key, error.to_string()))
}

pub(super) fn text(key: &str, value: &str) -> Result<Text, InvalidOptions> {
    Text::try_from(value).map_err(|error| fault(key, error.to_string()))
}

pub(super) fn topic(key: &str, value: &str) -> Result<TopicName, InvalidOptions> {
    TopicName::try_from(value).map_err(|error| fault(key, error.to_string()))
}

pub(super) fn binary(key: &str, value: &str) -> Result<Binary, InvalidOptions> {
    Binary::try_from(value.as_bytes().to_vec()).map_err(|error| fault(key, error.to_string()))
}

/// The text that it was in the file.
pub(super) fn secret_text(secret: &Secret) -> Cow<'_, str> {
    String::from_utf8_lossy(secret)
}
