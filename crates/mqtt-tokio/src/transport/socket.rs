//! [`Socket`]: the streams that carry a connection's bytes, as one.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::Stream;

pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Own(Box<dyn Stream>),
}

/// Bytes that a read [on the spot](Socket::read_now) takes at most.
const AT_ONCE: usize = 64 * 1024;

impl Socket {
    /// Reads what the system has at this moment, whether or not the runtime has heard of it. The task is not called when there is
    /// more. `spot`: kept from one call to the next, for memory that may be read into.
    pub(super) fn read_now(&self, spot: &mut Vec<u8>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut read = |socket: SockRef<'_>| {
            spot.resize(AT_ONCE, 0);
            (&*socket).read(spot)
        };
        let read = match self {
            Socket::Tcp(stream) => read(SockRef::from(stream)),
            #[cfg(unix)]
            Socket::Unix(stream) => read(SockRef::from(stream)),
            Socket::Own(_) => return Poll::Pending,
        };
        match read {
            Ok(count) => {
                buffer.extend_from_slice(&spot[..count]);
                Poll::Ready(Ok(count))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// The same call on whatever it is.
macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Socket::Tcp($stream) => $call,
            #[cfg(unix)]
            Socket::Unix($stream) => $call,
            Socket::Own($stream) => $call,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Socket::Own(stream) => stream.is_write_vectored(),
            _ => true,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let (near, far) =
            tokio::join!(TcpStream::connect(listener.local_addr().expect("bound")), listener.accept());
        (Socket::Tcp(near.expect("connected")), far.expect("accepted").0)
    }

    /// Asks until there is something: loopback takes its time, too.
    async fn read_now(socket: &Socket, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut spot = Vec::new();
        poll_fn(|context| {
            let read = socket.read_now(&mut spot, buffer);
            if read.is_pending() {
                context.waker().wake_by_ref();
            }
            read
        })
        .await
    }

    #[tokio::test]
    async fn what_is_read_on_the_spot_and_by_the_runtime_makes_up_the_whole_in_its_order() {
        let (mut socket, mut far) = pair().await;
        let mut input = BytesMut::new();
        assert!(socket.read_now(&mut Vec::new(), &mut input).is_pending(), "there is nothing");
        // The runtime has found nothing, too, and has not looked since.
        let nothing = poll_fn(|context| {
            let mut bytes = [0];
            Poll::Ready(Pin::new(&mut socket).poll_read(context, &mut ReadBuf::new(&mut bytes)).is_pending())
        });
        assert!(nothing.await);
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(3 * AT_ONCE).collect();
        far.write_all(&sent).await.expect("it reads");
        assert!((1..=AT_ONCE).contains(&read_now(&socket, &mut input).await.expect("it writes")));
        while input.len() < sent.len() {
            socket.read_buf(&mut input).await.expect("it writes");
        }
        assert_eq!(input, sent);
        drop(far);
        assert_eq!(read_now(&socket, &mut input).await.expect("it has ended well"), 0);
    }
}
