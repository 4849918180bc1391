//! What a program can rely on: the delivery contract of both clients, on one page.
//!
//! # Publishing
//!
//! A message passes two stages. **Admission** is bounded, in messages and in bytes: a call waits for room, fails, or drops, as
//! [`Overflow`](crate::Overflow) says. **Completion** is exactly one of these, and nothing that was admitted goes without one:
//!
//! | outcome | meaning | as |
//! | --- | --- | --- |
//! | delivered | the broker has it, and said so; QoS 0: the transport has it | [`Delivered`](crate::Delivered) |
//! | rejected | the broker said no (5.0), with its reason | [`PublishFailure::Rejected`](crate::PublishFailure::Rejected) |
//! | not sent | nothing of it left: dropped, superseded, expired, over a limit, the client was left | [`PublishFailure::NotSent`](crate::PublishFailure::NotSent) |
//! | indeterminate | something of it left, and what became of it can't be known | [`PublishFailure::Indeterminate`](crate::PublishFailure::Indeterminate) |
//!
//! | | QoS 0 | QoS 1 | QoS 2 |
//! | --- | --- | --- | --- |
//! | arrives | once or not at all | once or more often | exactly once |
//! | its publish call ends | at admission: there is no answer to wait for | with PUBACK | with PUBCOMP |
//! | the link breaks before that | what was written in part is lost, and counted | sent again after the reconnect, in the old order | the same; never twice |
//! | the broker loses the session meanwhile | | published anew; it may arrive twice ([`republish_qos1`](crate::OptionsBuilder::republish_qos1)) | indeterminate: a second copy would break exactly-once ([`republish_qos2`](crate::OptionsBuilder::republish_qos2)) |
//! | the process is killed | lost | lost; with a [store](crate::OptionsBuilder::store) it goes on | the same |
//! | there is no connection | waits in the queue | the same | the same |
//!
//! Messages of one QoS leave in the order in which they were admitted. Dropping a future or a
//! [`Completion`](crate::Completion) after admission takes nothing back.
//!
//! # Receiving
//!
//! | | what holds |
//! | --- | --- |
//! | acknowledgement | follows consumption: a message of QoS 1 or 2 is acknowledged when its stream hands it over, or when the application says so, in any order ([`Acknowledge`](crate::Acknowledge)); what was not read is delivered again |
//! | several streams match | each gets the message once; it is acknowledged after all of them |
//! | no stream matches | it goes to a [catch-all](crate::Client::catch_all), or waits for a stream for [`unclaimed_grace`](crate::OptionsBuilder::unclaimed_grace), and is then acknowledged and counted |
//! | a reader is too slow, QoS 0 | as [`Qos0Overflow`](crate::Qos0Overflow) says: by default reading pauses for 20 ms at most, then the oldest goes, and is counted |
//! | a reader is too slow, QoS 1 and 2 | nothing is dropped: the broker is held back by Receive Maximum, and [`Event::ConsumerStalled`](crate::Event::ConsumerStalled) names the filter; past [`max_unread_bytes`](crate::OptionsBuilder::max_unread_bytes) the client leaves, and comes back when half is read |
//! | the broker has lost the session | subscriptions are made again before the client says that it is connected; one that fails then is an [`Event::SubscriptionLost`](crate::Event::SubscriptionLost) |
//! | a stream is dropped | its filters are unsubscribed, unless [`keep_on_drop`](crate::SubscribeBuilder::keep_on_drop) says otherwise; what it had not handed over is not acknowledged |
//!
//! # The connection
//!
//! | | what holds |
//! | --- | --- |
//! | a link breaks | it is tried again, with growing waits and jitter, for ever by default ([`Reconnect`](crate::Reconnect)); calls wait meanwhile |
//! | the first attempt fails | it is not tried again, so that a wrong address shows; `retry_initial` changes that |
//! | trying can't help (credentials, permissions, no MQTT) | the client gives up, and every call that waits ends with the reason |
//! | the peer is silent | a ping leaves before the keep alive ends; without an answer within [`ping_timeout`](crate::OptionsBuilder::ping_timeout) the link counts as dead |
//! | `disconnect`, `stop` | what is on its way goes out first, up to a limit ([`disconnect_within`](crate::Client::disconnect_within)); the report holds what was not sent; `stop` is final |
//! | the last handle is dropped | as `disconnect`, in the background |
//! | code of the application's is slow, panics, or calls the client from inside a handler | pings, acknowledgements and other streams go on; nothing deadlocks |
