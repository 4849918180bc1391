//! Request and response: a message that wants an answer, and the answer.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Publish, PublishProperties, QoS};
use crate::named_topic::named_topic;
use crate::slots::Tag;
use crate::{Client, Completion, Message, PublishError, PublishFailure, RequestError, publish};

/// How long a response may take, unless the request says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A request on its way: [`Client::request`] starts it, awaiting it sends it and gives the response.
///
/// Any number may be open at once; the client tells the responses apart, and subscribes to where they come. In 5.0 the request
/// names a response topic, and carries correlation data; a responder of any house can answer it. In 3.1.1 both are in the
/// topic: the request goes to `topic/request/<requester>/<number>`, the response comes to
/// `topic/response/<requester>/<number>`; a responder subscribes to `topic/request/+/+`.
///
/// Dropping the future gives the request up; what was sent was sent.
///
/// ```
/// use std::future::poll_fn;
/// use std::time::Duration;
/// use mqtt_client_core::{Client, RequestError, Subscription};
///
/// async fn temperature(client: &Client) -> Result<String, RequestError> {
///     let response = client.request("oven/temperature", "").timeout(Duration::from_secs(2)).await?;
///     Ok(response.text().into_owned())
/// }
///
/// /// The other side (5.0), on a subscription to `oven/temperature`.
/// async fn serve(client: &Client, mut requests: Subscription) {
///     while let Some(request) = poll_fn(|context| requests.poll_next(context)).await {
///         if let Ok(response) = client.respond(&request, "180") {
///             let _ = response.await;
///         }
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "a request is sent only when this is awaited"]
pub struct RequestBuilder {
    client: Client,
    publish: Result<Publish, PublishError>,
    timeout: Duration,
}

impl RequestBuilder {
    pub(crate) fn new(client: Client, topic: &str, payload: Bytes) -> Self {
        let publish =
            named_topic(topic).map(|topic| Publish { qos: QoS::AtLeastOnce, ..Publish::new(topic, payload) });
        RequestBuilder { client, publish, timeout: DEFAULT_TIMEOUT }
    }

    /// The quality of service of the request. Default: 1, at least once, so that a responder may see it twice.
    pub fn qos(mut self, qos: QoS) -> Self {
        if let Ok(publish) = &mut self.publish {
            publish.qos = qos;
        }
        self
    }

    /// The properties of the request (5.0). Response topic and correlation data are replaced. Default: none.
    pub fn properties(mut self, properties: PublishProperties) -> Self {
        if let Ok(publish) = &mut self.publish {
            publish.properties = properties;
        }
        self
    }

    /// How long it may take until the response is there, with all that comes before. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn start(self) -> Result<Stage, RequestError> {
        let RequestBuilder { client, publish, timeout } = self;
        let mut publish = publish.map_err(RequestError::Publish)?;
        let tag = client.shared().run(|core| core.begin_request(&mut publish, timeout))?;
        let open = Open { client, tag };
        Ok(Stage::Path { open, publish: Box::new(publish), timeout })
    }
}

impl IntoFuture for RequestBuilder {
    type Output = Result<Message, RequestError>;
    type IntoFuture = Requesting;

    fn into_future(self) -> Requesting {
        Requesting { stage: self.start().unwrap_or_else(Stage::Failed) }
    }
}

/// The future of a [`RequestBuilder`]: the response.
#[derive(Debug)]
#[must_use = "the outcome is the response"]
pub struct Requesting {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Until responses can arrive, the request is not sent.
    Path {
        open: Open,
        publish: Box<Publish>,
        timeout: Duration,
    },
    /// On its way, until it has ended.
    Sending {
        open: Open,
        completion: Completion,
    },
    Sent {
        open: Open,
    },
    Failed(RequestError),
    Done,
}

/// A request that is given up when this goes.
#[derive(Debug)]
struct Open {
    client: Client,
    tag: Tag,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.client.shared().run(|core| core.replies.give_up(self.tag));
    }
}

impl Future for Requesting {
    type Output = Result<Message, RequestError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Done => return Poll::Pending,
                Stage::Failed(error) => return Poll::Ready(Err(error)),
                Stage::Path { open, mut publish, timeout } => {
                    let shared = open.client.shared();
                    let path = shared.poll(context, |core, waker| core.replies.poll_path(open.tag, waker));
                    match path {
                        Poll::Pending => {
                            self.stage = Stage::Path { open, publish, timeout };
                            return Poll::Pending;
                        }
                        Poll::Ready(Err(error)) => Stage::Failed(error),
                        Poll::Ready(Ok(())) => {
                            match publish::start(&open.client, &mut publish, true, Some(timeout)) {
                                Ok(completion) => Stage::Sending { open, completion },
                                Err(error) => Stage::Failed(RequestError::Publish(error)),
                            }
                        }
                    }
                }
                Stage::Sending { open, mut completion } => match Pin::new(&mut completion).poll(context) {
                    // What may have arrived may be answered.
                    Poll::Ready(Ok(_)) => Stage::Sent { open },
                    Poll::Ready(Err(error)) => match error.failure() {
                        PublishFailure::Indeterminate(_) => Stage::Sent { open },
                        _ => Stage::Failed(RequestError::Publish(error)),
                    },
                    Poll::Pending => {
                        let response = open.poll(context);
                        if response.is_pending() {
                            self.stage = Stage::Sending { open, completion };
                        }
                        return response;
                    }
                },
                Stage::Sent { open } => {
                    let response = open.poll(context);
                    if response.is_pending() {
                        self.stage = Stage::Sent { open };
                    }
                    return response;
                }
            };
        }
    }
}

impl Open {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Message, RequestError>> {
        let response =
            self.client.shared().poll(context, |core, waker| core.replies.poll_response(self.tag, waker));
        response.map(|response| response.map(|publish| Message::new(publish, None, None)))
    }
}
