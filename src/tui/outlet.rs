//! How a thread hands something to the loop without knowing what the loop calls it.
//!
//! Each thread has a closed type for what it may say; the loop wraps all of them in one message.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

/// Takes what one thread says to the loop.
pub struct Outlet<T> {
    send: Arc<dyn Fn(T, bool) -> bool + Send + Sync>,
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Self {
        Self { send: Arc::clone(&self.send) }
    }
}

impl<T: 'static> Outlet<T> {
    /// Sends into a channel of messages, each wrapped by `wrap`.
    pub fn new<M: Send + 'static>(to: Sender<M>, wrap: fn(T) -> M) -> Self {
        let send = move |said: T, waits: bool| {
            let message = wrap(said);
            if waits { to.blocking_send(message).is_ok() } else { to.try_send(message).is_ok() }
        };
        Self { send: Arc::new(send) }
    }

    /// Waits for room in the channel; `false` when the loop has ended.
    #[must_use]
    pub fn send(&self, said: T) -> bool {
        (self.send)(said, true)
    }

    /// Sends where there is room and gives up otherwise.
    pub fn try_send(&self, said: T) {
        (self.send)(said, false);
    }
}
