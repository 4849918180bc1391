//! Our adapters at work.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use mqtt_blocking::Wait;
use mqtt_codec::{QoS, Version};

use super::{Lap, PAYLOAD, TOPIC, Work, sink::Sink};

/// As many messages of QoS 1 and 2 wait for the window as are in it, which is what rumqttc has here too; anything else is as it is by
/// default.
fn options(sink: &Sink, work: Work) -> Result<mqtt_tokio::Options, Box<dyn Error>> {
    let options =
        mqtt_tokio::Options::builder().url(&format!("mqtt://{}", sink.addr())).version(Version::V311);
    let options = match work {
        Work::Publish { qos: QoS::AtLeastOnce | QoS::ExactlyOnce, window, .. } => {
            options.max_in_flight(window).max_queued(2 * usize::from(window), QUEUED_BYTES)
        }
        Work::Publish { window, .. } | Work::Receive { window, .. } => options.max_in_flight(window),
        Work::PingPong => options,
    };
    Ok(options.build()?)
}

/// More than all messages that may be queued take: their number is what counts.
const QUEUED_BYTES: usize = 64 << 20;

fn payload() -> Bytes {
    Bytes::from_static(&[7; PAYLOAD])
}

pub fn tokio(sink: &Sink, work: Work, messages: u64) -> Result<Option<Duration>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = sink.done();
    runtime.block_on(async {
        match work {
            Work::Publish { qos, tasks, .. } => {
                let client = mqtt_tokio::connect(options(sink, work)?).await?;
                let publishing: Vec<_> = (0..tasks)
                    .map(|_| {
                        let client = client.clone();
                        runtime.spawn(async move {
                            for _ in 0..messages / tasks as u64 {
                                let message = client.publish(TOPIC, payload()).qos(qos);
                                match qos {
                                    QoS::AtMostOnce => drop(message.await?),
                                    _ => drop(message.enqueue().await?),
                                }
                            }
                            Ok::<_, mqtt_tokio::PublishError>(())
                        })
                    })
                    .collect();
                for task in publishing {
                    task.await??;
                }
                sink.wait(Duration::from_secs(60))?;
            }
            Work::Receive { .. } => {
                let client = mqtt_tokio::connect(options(sink, work)?).await?;
                let mut stream = client.subscribe(TOPIC).await?;
                for _ in 0..messages {
                    stream.recv().await.ok_or("the stream ended")?;
                }
                if matches!(work, Work::Receive { qos: QoS::AtMostOnce, .. }) {
                    done.set();
                }
                sink.wait(Duration::from_secs(60))?;
            }
            Work::PingPong => {
                let client = mqtt_tokio::connect(options(sink, work)?).await?;
                let mut stream = client.subscribe(TOPIC).await?;
                let playing = runtime.spawn(async move {
                    let mut lap = Lap::new();
                    for _ in 0..messages {
                        lap.begin();
                        client.publish(TOPIC, payload()).await?;
                        stream.recv().await;
                        lap.end();
                    }
                    Ok::<_, mqtt_tokio::PublishError>(lap.all())
                });
                return Ok(playing.await??);
            }
        }
        Ok(None)
    })
}

pub fn blocking(sink: &Sink, work: Work, messages: u64) -> Result<Option<Duration>, Box<dyn Error>> {
    match work {
        Work::Publish { qos, tasks, .. } => {
            let client = mqtt_blocking::connect(options(sink, work)?)?;
            std::thread::scope(|scope| {
                for _ in 0..tasks {
                    scope.spawn(|| {
                        for _ in 0..messages / tasks as u64 {
                            let message = client.publish(TOPIC, payload()).qos(qos);
                            match qos {
                                QoS::AtMostOnce => drop(message.wait().expect("sent")),
                                _ => drop(message.enqueue().wait().expect("admitted")),
                            }
                        }
                    });
                }
            });
            sink.wait(Duration::from_secs(60))?;
        }
        Work::Receive { qos, .. } => {
            let client = mqtt_blocking::connect(options(sink, work)?)?;
            let mut stream = client.subscribe(TOPIC).wait()?;
            for _ in 0..messages {
                stream.next().ok_or("the stream ended")?;
            }
            if qos == QoS::AtMostOnce {
                sink.done().set();
            }
            sink.wait(Duration::from_secs(60))?;
        }
        Work::PingPong => {
            let client = mqtt_blocking::connect(options(sink, work)?)?;
            let mut stream = client.subscribe(TOPIC).wait()?;
            let mut lap = Lap::new();
            for _ in 0..messages {
                lap.begin();
                client.publish(TOPIC, payload()).wait()?;
                stream.next().ok_or("the stream ended")?;
                lap.end();
            }
            return Ok(lap.all());
        }
    }
    Ok(None)
}
