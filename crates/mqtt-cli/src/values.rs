//! Values of flags: text to what it means, or to what would have been right.

use std::time::Duration;

use mqtt_tokio::{QoS, SESSION_NEVER_EXPIRES, TlsVersion, Version};

/// 0, 1 or 2.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    let number: u8 = text.parse().map_err(|_| "QoS is 0, 1 or 2".to_owned())?;
    QoS::try_from(number).map_err(|error| error.to_string())
}

/// The numbers and mosquitto's names.
pub(crate) fn version(text: &str) -> Result<Version, String> {
    match text {
        "5" | "mqttv5" => Ok(Version::V5),
        "311" | "mqttv311" => Ok(Version::V311),
        "31" | "mqttv31" => Err("MQTT 3.1 is not spoken; there are 311 and 5".into()),
        _ => Err("there are 311 and 5".into()),
    }
}

/// How a password is shown to be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AuthMethod {
    /// SCRAM-SHA-256.
    ScramSha256,
}

/// The method's name, in either case.
pub(crate) fn auth_method(text: &str) -> Result<AuthMethod, String> {
    match text.eq_ignore_ascii_case("scram-sha-256") {
        true => Ok(AuthMethod::ScramSha256),
        false => Err("there is scram-sha-256".into()),
    }
}

/// mosquitto's names.
pub(crate) fn tls_version(text: &str) -> Result<TlsVersion, String> {
    match text {
        "tlsv1.2" => Ok(TlsVersion::Tls12),
        "tlsv1.3" => Ok(TlsVersion::Tls13),
        _ => Err("there are tlsv1.2 and tlsv1.3".into()),
    }
}

/// A session expiry: seconds, or -1 for ever.
pub(crate) fn expiry(text: &str) -> Result<Duration, String> {
    match text {
        "-1" | "∞" => Ok(SESSION_NEVER_EXPIRES),
        _ => match text.parse::<u32>() {
            Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
            Err(_) => Err(format!("seconds from 0 to {}, or -1 for ever", u32::MAX - 1)),
        },
    }
}

/// A number of things, at least one.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number, at least 1".into()),
        Ok(count) => Ok(count),
    }
}

/// A time in seconds, fractions allowed.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "seconds, such as 0.25".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    #[track_caller]
    fn check<T: PartialEq + Debug>(parse: fn(&str) -> Result<T, String>, good: &[(&str, T)], bad: &[&str]) {
        for (text, expected) in good {
            assert_eq!(parse(text).as_ref(), Ok(expected), "{text}");
        }
        for text in bad {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_is_what_it_says_or_refused() {
        let seconds_of = Duration::from_secs;
        check(qos, &[("0", QoS::AtMostOnce), ("2", QoS::ExactlyOnce)], &["3", "-1", "", "256", "two"]);
        check(version, &[("5", Version::V5), ("mqttv311", Version::V311)], &["4", "31", "", "3.1.1"]);
        check(
            expiry,
            &[
                ("0", Duration::ZERO),
                ("60", seconds_of(60)),
                ("-1", SESSION_NEVER_EXPIRES),
                ("4294967295", SESSION_NEVER_EXPIRES),
            ],
            &["-2", "4294967296", "1.5", ""],
        );
        check(count, &[("1", 1), ("18446744073709551615", u64::MAX)], &["0", "-1", "x", ""]);
        check(
            seconds,
            &[("0", Duration::ZERO), ("0.25", Duration::from_millis(250)), ("3", seconds_of(3))],
            &["-1", "NaN", "inf", "1e99", ""],
        );
    }
}
