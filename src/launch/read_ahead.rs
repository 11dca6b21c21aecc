//! Reads on one thread and consumes on another, a few batches ahead.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

/// Batches that may wait between the two threads; they bound the memory of an import.
const N_BATCHES: usize = 3;

/// Runs `read` on a thread of its own, which sends batches, and `consume` on this one, which takes
/// them; returns what both return. When sending fails, `consume` has ended and `read` should stop.
pub fn with<B: Send, R: Send, C>(
    read: impl FnOnce(&mut dyn FnMut(B) -> ControlFlow<()>) -> R + Send,
    consume: impl FnOnce(&mut dyn Iterator<Item = B>) -> C,
) -> (C, R) {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(N_BATCHES);
        let reading = scope.spawn(move || {
            read(&mut |batch| match sender.send(batch) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        let mut batches = receiver.into_iter();
        let consumed = consume(&mut batches);
        // A consumer that stops early ends the reader with its next batch.
        drop(batches);
        match reading.join() {
            Ok(read) => (consumed, read),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
