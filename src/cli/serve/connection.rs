//! Connections, bounded in number and in time.
//!
//! A connection that has not been answered for long is closed: nothing else bounds how slowly a head
//! may arrive, or how long a caller keeps an idle connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections that are open at a time; more wait for the first of them to close.
const N_MAX: usize = 512;
/// How long to wait when the system gives no connection (too many open files).
const PAUSE: Duration = Duration::from_millis(200);

/// Takes connections.
pub struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    /// How long a connection may stay unanswered.
    patience: Duration,
}

impl Door {
    /// Takes the connections of a listener.
    #[must_use]
    pub fn new(listener: TcpListener, patience: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(N_MAX)), patience }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Answers are small and whole, so nothing is gained by waiting for more of them.
                    let _ = stream.set_nodelay(true);
                    let end = Box::pin(sleep(self.patience));
                    let patience = self.patience;
                    let connection =
                        Connection { stream, end, patience, is_answered: true, _place: place };
                    return (connection, address);
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when it has not been answered for long: since the last bytes that were
/// written, or since the first that were read after them.
pub struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    patience: Duration,
    is_answered: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn begin_again(&mut self) {
        self.end.as_mut().reset(Instant::now() + self.patience);
    }

    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(_))) {
            self.is_answered = true;
            self.begin_again();
        }
        written
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            let late = || Err(io::ErrorKind::TimedOut.into());
            return self.end.as_mut().poll(context).map(|()| late());
        }
        if buffer.filled().len() > n_before && self.is_answered {
            self.is_answered = false;
            self.begin_again();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;

    use super::*;

    async fn read(connection: &mut Connection) -> io::Result<u8> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        poll_fn(|context| Pin::new(&mut *connection).poll_read(context, &mut buffer)).await?;
        Ok(byte[0])
    }

    #[test]
    fn what_is_not_answered_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut door = Door::new(listener, Duration::from_millis(150));
            let mut caller = std::net::TcpStream::connect(door.local_addr().unwrap()).unwrap();
            let (mut connection, _) = door.accept().await;
            let begin = Instant::now();
            // The first byte of a head gives it time once; the others of a slow one do not.
            caller.write_all(b"GET").unwrap();
            for byte in *b"GET" {
                assert_eq!(read(&mut connection).await.unwrap(), byte);
            }
            let error = read(&mut connection).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(begin.elapsed() >= Duration::from_millis(150));
            let written = poll_fn(|it| Pin::new(&mut connection).poll_write(it, b"answer")).await;
            assert_eq!(written.unwrap(), 6);
            caller.write_all(b"P").unwrap();
            assert_eq!(read(&mut connection).await.unwrap(), b'P');
        });
    }
}
