//! rumqttc 0.25 at work, as its own examples use it: a task that polls the event loop, and a client.

use std::{error::Error, time::Duration};

use mqtt_codec::QoS;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet};

use super::{Lap, PAYLOAD, TOPIC, Work, sink::Sink};

pub fn run(sink: &Sink, work: Work, messages: u64) -> Result<Option<Duration>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut options = MqttOptions::new("bench", sink.addr().ip().to_string(), sink.addr().port());
    let window = match work {
        Work::Publish { window, .. } | Work::Receive { window, .. } => window,
        Work::PingPong => 100,
    };
    options.set_inflight(window);
    let done = sink.done();
    runtime.block_on(async {
        let (client, mut events) = AsyncClient::new(options, usize::from(window));
        match work {
            Work::Publish { qos, tasks, .. } => {
                runtime.spawn(async move { while events.poll().await.is_ok() {} });
                let publishing: Vec<_> = (0..tasks)
                    .map(|_| {
                        let client = client.clone();
                        runtime.spawn(async move {
                            for _ in 0..messages / tasks as u64 {
                                client.publish(TOPIC, theirs(qos), false, [7; PAYLOAD]).await?;
                            }
                            Ok::<_, rumqttc::ClientError>(())
                        })
                    })
                    .collect();
                for task in publishing {
                    task.await??;
                }
                sink.wait(Duration::from_secs(60))?;
            }
            Work::Receive { qos, .. } => {
                client.subscribe(TOPIC, rumqttc::QoS::ExactlyOnce).await?;
                let received = runtime.spawn(async move {
                    let mut count = 0;
                    // What is acknowledged is written by further polls.
                    while let Ok(event) = events.poll().await {
                        if matches!(event, Event::Incoming(Packet::Publish(_))) {
                            count += 1;
                            if count == messages && qos == QoS::AtMostOnce {
                                done.set();
                            }
                        }
                    }
                });
                sink.wait(Duration::from_secs(60))?;
                received.abort();
            }
            Work::PingPong => {
                client.subscribe(TOPIC, rumqttc::QoS::AtMostOnce).await?;
                // The task that polls the event loop publishes too, which saves it a change of tasks.
                let playing = runtime.spawn(async move {
                    let mut lap = Lap::new();
                    let mut left = messages;
                    loop {
                        match events.poll().await {
                            Ok(Event::Incoming(Packet::SubAck(_))) => {}
                            Ok(Event::Incoming(Packet::Publish(_))) => lap.end(),
                            Ok(_) => continue,
                            Err(error) => return Err(error.to_string()),
                        }
                        if left == 0 {
                            return Ok(lap.all());
                        }
                        left -= 1;
                        lap.begin();
                        client
                            .publish(TOPIC, rumqttc::QoS::AtMostOnce, false, [7; PAYLOAD])
                            .await
                            .map_err(|error| error.to_string())?;
                    }
                });
                return Ok(playing.await??);
            }
        }
        Ok(None)
    })
}

fn theirs(qos: QoS) -> rumqttc::QoS {
    match qos {
        QoS::AtMostOnce => rumqttc::QoS::AtMostOnce,
        QoS::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
        QoS::ExactlyOnce => rumqttc::QoS::ExactlyOnce,
    }
}
