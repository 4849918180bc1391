//! What a user is told of the link while a command runs: that it was lost, why, when it is tried again, that it is back.

use mqtt_tokio::{Endpoint, Event, Events};

use crate::outcome::{Printable, report};

/// Turns events into lines for standard error. Ordinary life is not worth one.
pub(crate) struct News {
    endpoint: Endpoint,
    lost: bool,
}

impl News {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        News { endpoint: endpoint.clone(), lost: false }
    }

    /// Tells of all events until the client's end.
    pub(crate) async fn tell_all(mut self, mut events: Events) {
        while let Some(event) = events.recv().await {
            self.tell(&event);
        }
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        if let Some(line) = self.line(event) {
            report(&line);
        }
    }

    fn line(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Failed { endpoint, failure, retry_in } => {
                self.lost = true;
                Some(format!("{endpoint}: {failure}; next attempt in {:.1} s", retry_in.as_secs_f64()))
            }
            Event::Connected { .. } if self.lost => {
                self.lost = false;
                Some(format!("{}: connected again", self.endpoint))
            }
            Event::SubscriptionLost { filter, why } => {
                let filter = Printable(filter.as_str());
                Some(format!("{}: subscription {filter} was not restored: {why}", self.endpoint))
            }
            Event::Missed(_) | Event::Backlogged { .. } => Some(format!("{}: {event}", self.endpoint)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_tokio::Failure;
    use std::time::Duration;

    #[test]
    fn a_lost_link_is_told_and_so_is_its_return_but_not_the_first_connection() {
        let endpoint = Endpoint::tcp("h", 1883);
        let mut news = News::new(&endpoint);
        let connected = Event::Connected { session_present: true };
        assert_eq!(news.line(&Event::Attempt { endpoint: endpoint.clone(), number: 1 }), None);
        assert_eq!(news.line(&connected), None);
        let retry_in = Duration::from_micros(1_234_567);
        let failed = Event::Failed { endpoint, failure: Failure::PingTimeout, retry_in };
        let told = "mqtt://h:1883: the link is dead: no PINGRESP in time; next attempt in 1.2 s";
        assert_eq!(news.line(&failed).as_deref(), Some(told));
        assert_eq!(news.line(&connected).as_deref(), Some("mqtt://h:1883: connected again"));
        assert_eq!(news.line(&connected), None);
    }
}
