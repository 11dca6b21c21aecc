//! The threads that work on one kernel together.
//!
//! A [`Team`] keeps its threads for the life of a model. A parallel region hands out task numbers
//! from one counter; the calling thread works too, so a region never waits for a thread that is
//! asleep. Between the regions of a step ([`Team::install`]) the threads spin, so that a region
//! starts in about a microsecond; between steps they sleep.
//!
//! How work is cut into tasks is the caller's decision and must depend on shapes alone: then results
//! do not depend on the number of threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::split::{Split, cut};
use crate::engine::EngineError;

/// How often an idle thread looks for a job before it sleeps: some tens of microseconds. Longer
/// spinning between steps would take cores from other programs.
const SPINS_BETWEEN_STEPS: usize = 1 << 10;
/// The same inside [`Team::install`]: about a millisecond, longer than the pauses between the
/// regions of a step, so that none of them waits for a thread to wake up.
const SPINS_IN_STEP: usize = 1 << 15;
/// A spinning thread offers its core to other threads once in so many looks.
const SPINS_BEFORE_YIELD: usize = 1 << 9;

/// A fixed set of threads; the thread that calls is one of them.
#[derive(Debug)]
pub struct Team {
    board: Arc<Board>,
    helpers: Vec<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Debug, Default)]
struct Board {
    /// The region whose tasks are being taken, or null.
    job: AtomicPtr<Job<'static>>,
    /// Helpers that may hold the pointer in `job`.
    n_inside: AtomicUsize,
    /// Counts up whenever a helper should look for a job or for the end.
    news: AtomicUsize,
    /// Whether a region is open.
    is_busy: AtomicBool,
    n_installs: AtomicUsize,
    n_asleep: AtomicUsize,
    is_over: AtomicBool,
    gate: Mutex<()>,
    wake: Condvar,
}

/// One parallel region, on the stack of the thread that opened it.
struct Job<'a> {
    next: AtomicUsize,
    n_tasks: usize,
    task: &'a (dyn Fn(usize) + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Takes tasks until none is left.
    fn work(&self) {
        let run = || {
            loop {
                let index = self.next.fetch_add(1, Ordering::Relaxed);
                if index >= self.n_tasks {
                    return;
                }
                (self.task)(index);
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            // The other threads stop taking tasks; the first panic is passed on.
            self.next.store(self.n_tasks, Ordering::Relaxed);
            lock(&self.panic).get_or_insert(panic);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits a little; the `count`-th time in a row.
fn pause(count: usize) {
    if count % SPINS_BEFORE_YIELD == SPINS_BEFORE_YIELD - 1 {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

impl Board {
    /// Tells the helpers that there is something to look at.
    fn announce(&self) {
        self.news.fetch_add(1, Ordering::SeqCst);
        if self.n_asleep.load(Ordering::SeqCst) > 0 {
            let _gate = lock(&self.gate);
            self.wake.notify_all();
        }
    }

    /// Waits until `news` differs from `seen`: spins, then sleeps.
    fn wait_for_news(&self, seen: usize) -> usize {
        let mut count = 0;
        loop {
            let news = self.news.load(Ordering::Acquire);
            if news != seen {
                return news;
            }
            let is_in_step = self.n_installs.load(Ordering::Relaxed) > 0;
            let limit = if is_in_step { SPINS_IN_STEP } else { SPINS_BETWEEN_STEPS };
            if count >= limit {
                self.sleep(seen);
                count = 0;
            } else {
                pause(count);
                count += 1;
            }
        }
    }

    fn sleep(&self, seen: usize) {
        let mut gate = lock(&self.gate);
        // This thread counts itself as asleep before its last look at `news`. `announce` changes
        // `news` first and then looks for sleepers, so at least one of the two sees the other.
        self.n_asleep.fetch_add(1, Ordering::SeqCst);
        while self.news.load(Ordering::SeqCst) == seen {
            gate = self.wake.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        self.n_asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// The life of a helper.
    #[expect(unsafe_code, reason = "reads a job on the stack of another thread")]
    fn help(&self) {
        let mut seen = 0;
        loop {
            seen = self.wait_for_news(seen);
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            self.n_inside.fetch_add(1, Ordering::SeqCst);
            let job = self.job.load(Ordering::SeqCst);
            // SAFETY: a pointer that is not null belongs to a region whose owner clears `job` and
            // then waits for `n_inside` to reach 0 before the job dies. This thread counted itself
            // in before it read the pointer, so either it read null or the owner waits for it.
            if let Some(job) = unsafe { job.as_ref() } {
                job.work();
            }
            self.n_inside.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Counts a step out, also when it panics.
struct Installed<'a>(&'a Board);

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        self.0.n_installs.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Team {
    /// A team of `n_threads`, the caller included; 0 means one a core.
    ///
    /// # Errors
    /// When the system refuses the threads.
    pub fn new(n_threads: usize) -> Result<Self, EngineError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let n_threads = if n_threads == 0 { cores() } else { n_threads };
        let mut team = Self { board: Arc::default(), helpers: Vec::new() };
        for i in 1..n_threads {
            let board = Arc::clone(&team.board);
            let helper = std::thread::Builder::new()
                .name(format!("engine-{i}"))
                .spawn(move || board.help())
                .map_err(EngineError::io("start threads for", "engine"))?;
            team.helpers.push(helper);
        }
        Ok(team)
    }

    /// Threads of the team, the caller included.
    #[must_use]
    pub fn n_threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Runs a step: `f` on this thread, while the other threads spin so that its parallel regions
    /// start at once.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.board.n_installs.fetch_add(1, Ordering::SeqCst);
        let _installed = Installed(&self.board);
        if !self.helpers.is_empty() {
            self.board.announce();
        }
        f()
    }

    /// Runs `task(0)`, …, `task(n_tasks - 1)` in any order on all threads and returns when all are
    /// done. A region inside a task runs on that task's thread.
    ///
    /// # Panics
    /// When a task does; the tasks that had not started by then are dropped.
    pub fn each(&self, n_tasks: usize, task: impl Fn(usize) + Sync) {
        let board = &*self.board;
        if n_tasks < 2 || self.helpers.is_empty() || board.is_busy.swap(true, Ordering::SeqCst) {
            (0..n_tasks).for_each(task);
            return;
        }
        let job = Job { next: AtomicUsize::new(0), n_tasks, task: &task, panic: Mutex::new(None) };
        // The lifetime ends here; `help` says why no helper outlives it.
        board.job.store(ptr::from_ref(&job).cast::<Job<'static>>().cast_mut(), Ordering::SeqCst);
        board.announce();
        job.work();
        board.job.store(ptr::null_mut(), Ordering::SeqCst);
        let mut count = 0;
        while board.n_inside.load(Ordering::SeqCst) > 0 {
            pause(count);
            count += 1;
        }
        board.is_busy.store(false, Ordering::SeqCst);
        if let Some(panic) = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }

    /// Runs `task(i, chunk)` on every run of `chunk` values, the last of which may be shorter.
    pub fn each_chunk<T: Send>(
        &self,
        values: &mut [T],
        chunk: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) {
        self.each_part(cut(values, chunk), task);
    }

    /// [`Team::each_chunk`] over several slices at once, such as
    /// `(cut(y, rows * width), cut(scales, rows))`: a task gets the chunks of its number. The first
    /// slice says how many tasks there are; past the end of another its chunks are empty.
    #[expect(unsafe_code, reason = "several tasks write to one slice, each to its own part")]
    #[expect(clippy::needless_pass_by_value, reason = "so that nobody else has the slices")]
    pub fn each_part<S: Split>(&self, slices: S, task: impl Fn(usize, S::Part) + Sync) {
        self.each(slices.n_parts(), |index| {
            // SAFETY: `each` runs every index below `n_parts` once, and `slices` was moved into
            // this call, so no part is asked for twice.
            task(index, unsafe { slices.part(index) });
        });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.board.is_over.store(true, Ordering::SeqCst);
        self.board.announce();
        for helper in self.helpers.drain(..) {
            // A helper catches the panics of its tasks; there is nothing to report here.
            let _ = helper.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_on_any_number_of_threads() {
        for n_threads in [1, 2, 3] {
            let team = Team::new(n_threads).unwrap();
            assert_eq!(team.n_threads(), n_threads);
            let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
            for round in 1..200 {
                let work = || team.each(100, |i| _ = counts[i].fetch_add(1, Ordering::Relaxed));
                if round % 2 == 0 {
                    work();
                } else {
                    team.install(work);
                }
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == round));
            }
        }
    }

    #[test]
    fn tasks_own_their_chunks_of_several_slices() {
        let team = Team::new(2).unwrap();
        let (mut a, mut b) = (vec![0; 10], vec![0; 3]);
        team.each_part((cut(&mut a, 4), cut(&mut b, 1)), |i, (a, b)| {
            a.fill(i + 1);
            b[0] = a.len();
        });
        assert_eq!(a, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
        assert_eq!(b, [4, 4, 2]);
    }

    #[test]
    fn regions_inside_tasks_and_from_several_threads_complete() {
        let team = Team::new(3).unwrap();
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        team.each(4, |_| {
                            team.each(5, |_| _ = total.fetch_add(1, Ordering::Relaxed));
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 3 * 50 * 20);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        let team = Team::new(2).unwrap();
        let broken = || team.each(50, |i| assert!(i != 7, "task {i}"));
        let panic = catch_unwind(AssertUnwindSafe(broken)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("task 7"));
        let count = AtomicUsize::new(0);
        team.each(9, |_| _ = count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(count.into_inner(), 9);
    }

    /// Parts of uneven cost and count, over so many rounds that helpers are met asleep, spinning and on
    /// their way: every part is done once, before `each_part` returns, by one thread at a time.
    #[test]
    fn uneven_parts_are_done_once_in_every_round() {
        for n_threads in [2, 3, 7] {
            let team = Team::new(n_threads).unwrap();
            let mut values = vec![0_u32; 97];
            for round in 1..600_u32 {
                // From one part to as many as there are values; the last one is mostly shorter.
                let chunk = 1 + (round as usize * 31) % 97;
                let work = |part: usize, own: &mut [u32]| {
                    for _ in 0..(part % 5) * 40 {
                        std::hint::spin_loop();
                    }
                    for value in own.iter_mut() {
                        *value += 1;
                    }
                };
                if round % 3 == 0 {
                    team.each_chunk(&mut values, chunk, work);
                } else {
                    team.install(|| team.each_chunk(&mut values, chunk, work));
                }
                assert!(values.iter().all(|value| *value == round), "{n_threads} {round}");
                if round % 200 == 0 {
                    // Longer than helpers spin between steps.
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        }
    }

    /// A panic in any round, on any thread, is the caller's, and leaves no task behind that still writes.
    #[test]
    fn panics_in_many_rounds_leave_no_task_running() {
        let team = Team::new(3).unwrap();
        let running = AtomicUsize::new(0);
        let mut n_panics = 0;
        for round in 0..300_usize {
            let done = catch_unwind(AssertUnwindSafe(|| {
                team.each(40, |i| {
                    running.fetch_add(1, Ordering::SeqCst);
                    let is_broken = round % 3 == 0 && (i + round) % 13 == 12;
                    running.fetch_sub(1, Ordering::SeqCst);
                    if is_broken {
                        // Without the message that a panic prints from a thread of its own.
                        resume_unwind(Box::new(round));
                    }
                });
            }));
            assert_eq!(running.load(Ordering::SeqCst), 0, "a task runs after its region");
            assert_eq!(done.is_err(), round % 3 == 0);
            if let Err(panic) = done {
                n_panics += 1;
                assert_eq!(panic.downcast_ref::<usize>(), Some(&round));
            }
        }
        assert_eq!(n_panics, 100);
    }

    /// Teams come and go, with and without work, while others work.
    #[test]
    fn teams_end_whatever_they_were_doing() {
        std::thread::scope(|scope| {
            for n_threads in 1..5 {
                scope.spawn(move || {
                    for n_tasks in 0..60 {
                        let team = Team::new(n_threads).unwrap();
                        let count = AtomicUsize::new(0);
                        team.each(n_tasks, |_| _ = count.fetch_add(1, Ordering::Relaxed));
                        assert_eq!(count.into_inner(), n_tasks);
                    }
                });
            }
        });
    }
}
