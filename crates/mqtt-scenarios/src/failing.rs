//! What the errors of publishes have to say whatever went wrong.

use std::fmt::Debug;

use mqtt_client_core::{PublishError, PublishFailure};

/// What became of a message that came to nothing. The error's text names the topic, once.
///
/// # Panics
/// When it went well, or the text says something else.
#[track_caller]
pub fn failure<'a, T: Debug>(topic: &str, outcome: &'a Result<T, PublishError>) -> &'a PublishFailure {
    let error = outcome.as_ref().expect_err("it comes to nothing");
    let named = format!("{topic:?}");
    assert!(error.topic() == topic && error.to_string().matches(&named).count() == 1, "{error:?}: {error}");
    error.failure()
}
