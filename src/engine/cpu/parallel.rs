//! Shards of a batch on several threads, with results that do not depend on how many.
//!
//! Shards are handed out in order; each thread works in its own buffers and then waits at a
//! [`Turnstile`] until every earlier shard has been added up. So sums are formed in shard order
//! whatever the number of threads, and no more than one gradient a thread is alive.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Lets shards through in order, one at a time, to the state it guards.
#[derive(Debug)]
pub struct Turnstile<T> {
    state: Mutex<State<T>>,
    moved: Condvar,
}

#[derive(Debug)]
struct State<T> {
    next: usize,
    /// A thread died before its turn; nobody must wait for it.
    is_broken: bool,
    value: T,
}

impl<T> Turnstile<T> {
    /// A turnstile in front of `value`.
    pub fn new(value: T) -> Self {
        Self {
            state: Mutex::new(State { next: 0, is_broken: false, value }),
            moved: Condvar::new(),
        }
    }

    /// Waits for the turn of shard `index` and passes through with `f`.
    fn pass(&self, index: usize, f: impl FnOnce(&mut T)) {
        let mut state = self.lock();
        while state.next != index {
            if state.is_broken {
                return;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        f(&mut state.value);
        state.next += 1;
        drop(state);
        self.moved.notify_all();
    }

    /// The guarded value, after all shards.
    pub fn into_inner(self) -> T {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).value
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Breaks the turnstile when its thread panics, so that the others end and the panic is seen.
struct BreakOnPanic<'a, T>(&'a Turnstile<T>);

impl<T> Drop for BreakOnPanic<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().is_broken = true;
            self.0.moved.notify_all();
        }
    }
}

/// Runs `work` on each of `n_shards` shards, on as many threads as there are `workers`, and hands
/// each finished worker to `collect` in shard order. Returns `total` after the last one.
///
/// `pool` has at least as many threads as there are workers.
pub fn run_shards<W: Send, T: Send>(
    pool: &rayon::ThreadPool,
    workers: &mut [W],
    n_shards: usize,
    total: T,
    work: impl Fn(usize, &mut W) + Sync,
    collect: impl Fn(usize, &mut W, &mut T) + Sync,
) -> T {
    let turnstile = Turnstile::new(total);
    let next = AtomicUsize::new(0);
    let drain = |worker: &mut W| {
        let _guard = BreakOnPanic(&turnstile);
        loop {
            let shard = next.fetch_add(1, Ordering::Relaxed);
            if shard >= n_shards {
                break;
            }
            work(shard, worker);
            turnstile.pass(shard, |total| collect(shard, worker, total));
        }
    };
    if let [worker] = workers {
        drain(worker);
    } else {
        pool.scope(|scope| {
            let drain = &drain;
            for worker in workers {
                scope.spawn(move |_| drain(worker));
            }
        });
    }
    turnstile.into_inner()
}

/// Cuts items into runs of at most `max_items` items and, unless one item alone is larger, at most
/// `max_size` in all. The cuts depend on the sizes alone.
#[must_use]
pub fn cut(
    sizes: impl Iterator<Item = usize>,
    max_items: usize,
    max_size: usize,
) -> Vec<Range<usize>> {
    let mut shards: Vec<Range<usize>> = Vec::new();
    let mut filled = 0;
    for (i, size) in sizes.enumerate() {
        match shards.last_mut() {
            Some(last) if last.len() < max_items && filled + size <= max_size => {
                last.end = i + 1;
                filled += size;
            }
            _ => {
                shards.push(i..i + 1);
                filled = size;
            }
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(n: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap()
    }

    #[test]
    fn shards_are_collected_in_order_on_any_number_of_threads() {
        for n in [1, 2, 3] {
            let mut workers = vec![0_usize; n];
            let order = run_shards(
                &pool(n),
                &mut workers,
                20,
                Vec::new(),
                |shard, worker| *worker = shard * shard,
                |shard, worker, total| total.push((shard, *worker)),
            );
            assert_eq!(order, (0..20).map(|i| (i, i * i)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_in_one_thread_ends_the_others() {
        let result = std::panic::catch_unwind(|| {
            let mut workers = [(), (), ()];
            let work = |shard, (): &mut ()| assert!(shard != 4, "broken shard");
            run_shards(&pool(3), &mut workers, 50, (), work, |_, (), ()| ());
        });
        assert!(result.is_err());
    }

    #[test]
    fn cuts_respect_both_limits() {
        let cut = cut([3, 3, 3, 9, 1, 1, 1, 1].into_iter(), 3, 7);
        assert_eq!(cut, [0..2, 2..3, 3..4, 4..7, 7..8]);
    }
}
