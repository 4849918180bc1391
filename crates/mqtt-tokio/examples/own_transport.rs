//! Connects over a stream of its own, one that counts bytes: `cargo run -p mqtt-tokio --example own_transport [HOST:PORT]`.
//!
//! The same way leads over whatever else reads and writes bytes in order: a serial line, a tunnel, a virtual machine's socket.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use mqtt_tokio::{Client, QoS};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("localhost:1883".into());
    let bytes = run(address).await?;
    println!("{bytes} bytes, both ways");
    Ok(())
}

/// How many bytes a greeting takes, of the connection and both ways.
pub(crate) async fn run(address: String) -> Result<u64, Box<dyn Error>> {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    // Called for each attempt, so that the client reconnects over such streams by itself. The URL's host is for the function
    // to look at, or not; with `mqtts` or `ws`, TLS and WebSocket go over its stream as well.
    let client = Client::with_connector("mqtt://metered", move |_endpoint| {
        let (address, count) = (address.clone(), Arc::clone(&counter));
        async move { Ok(Metered { stream: TcpStream::connect(&address).await?, count }) }
    })?;
    client.connect().await?;
    client.publish("hello", "over a stream of my own").qos(QoS::AtLeastOnce).await?;
    client.disconnect().await;
    Ok(count.load(Ordering::Relaxed))
}

/// A stream that counts what goes through.
struct Metered<S> {
    stream: S,
    count: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.count.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.count.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
