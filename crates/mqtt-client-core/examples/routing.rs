//! A client with many subscriptions and no transport, for valgrind to count what a message costs to be routed:
//! `routing <filters> <messages>`.

use std::env;
use std::error::Error;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use mqtt_client_core::codec::bytes::BytesMut;
use mqtt_client_core::codec::{
    Connack, Decoder, Packet, Publish, ReasonCode, Side, Suback, TopicFilter, TopicName, Version,
};
use mqtt_client_core::session::{Output, Timestamp};
use mqtt_client_core::{Driver, Duty, Options, Subscription};

/// Here a message says by its topic alone where it belongs.
const VERSION: Version = Version::V311;

const NOW: Timestamp = Timestamp::ZERO;

/// The broker's side: takes what the driver sends, and answers it.
struct Peer {
    driver: Driver,
    output: Output,
    sent: BytesMut,
    answers: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<usize> = env::args().skip(1).map(|number| number.parse()).collect::<Result<_, _>>()?;
    let &[filters, messages] = &numbers[..] else { return Err("usage: routing <filters> <messages>".into()) };

    let options = Options::builder().version(VERSION).keep_alive(std::time::Duration::ZERO).build()?;
    let (client, driver) = Driver::new(options, 1, Waker::noop().clone())?;
    let mut peer = Peer { driver, output: Output::new(), sent: BytesMut::new(), answers: Vec::new() };
    peer.run(client.connect())?;
    let all = (0..filters).map(|n| TopicFilter::new(format!("plant/{n:06}/+/state")));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    let mut stream: Subscription = peer.run(client.subscribe(all).into_future())?;

    for n in 0..messages {
        let topic = TopicName::new(format!("plant/{:06}/pump/state", n * 7919 % filters))?;
        Publish::new(topic, "on").encode(VERSION, &mut peer.answers)?;
        peer.answer();
        let next = stream.poll_next(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(next, Poll::Ready(Some(_))), "message {n} finds its stream");
    }
    Ok(())
}

impl Peer {
    fn run<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            if let Duty::Dial(_) = self.driver.poll_io(NOW, &mut self.output) {
                self.driver.handle_dialed(NOW);
            }
            self.listen();
            self.answer();
        }
    }

    /// Takes what was sent, and has an answer for it.
    fn listen(&mut self) {
        let mut taken = 0;
        for chunk in self.output.chunks() {
            self.sent.extend_from_slice(chunk);
            taken += chunk.len();
        }
        self.output.advance(taken);
        self.driver.handle_written(NOW, taken);
        let decoder = Decoder::new(VERSION, Side::Client);
        while let Ok(Some(packet)) = decoder.decode_from(&mut self.sent) {
            let answer: Packet = match packet {
                Packet::Connect(_) => Connack::new(false, ReasonCode::Success).into(),
                Packet::Subscribe(subscribe) => {
                    let reasons = vec![ReasonCode::GrantedQoS2; subscribe.filters.len()];
                    Suback::new(subscribe.packet_id, reasons).into()
                }
                _ => continue,
            };
            answer.encode(VERSION, &mut self.answers).expect("an answer of a broker's");
        }
    }

    fn answer(&mut self) {
        let mut input = BytesMut::from(&self.answers[..]);
        self.answers.clear();
        while self.driver.handle_input(NOW, &mut input) > 0 {}
        assert!(input.is_empty(), "all is taken");
    }
}
