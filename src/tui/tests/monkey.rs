//! Tests: random keys, sizes, pastes, clicks and data through the real update, drawn now and then.
//! Nothing panics, and what the model promises holds after every message.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::domain::verdict::{Verdict, VerdictSet};
use crate::store::testing::{self, Fixture};
use crate::store::{Access, Attempt, Store};

use super::drive::key;
use super::fixtures::{
    NOW_MS, early_data, failed_data, finished_data, model, running_data, twelve_runs,
};
use super::hostile::{assert_harmless, hostile_data, hostile_texts};
use super::pictures::draw;
use super::policies::{policy_at_gate, policy_at_work, policy_finished};
use crate::tui::feed::change::Answer;
use crate::tui::feed::data::{RunData, Snapshot};
use crate::tui::feed::reviewer::Reviewer as Recorder;
use crate::tui::feed::samples::{Found, Request, Target};
use crate::tui::feed::source::Read;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;
use crate::tui::terminal::input::{Input, MouseKind};

const KEYS: [&str; 91] = [
    "j", "k", "g", "G", "Ctrl-d", "Ctrl-u", "Enter", "Esc", "q", "h", "l", "1", "2", "3", "4", "5",
    "6", "9", "0", "?", ":", "/", "s", "S", "n", "N", "p", "x", "X", "y", "Y", "R", "J", "K", "m",
    "F", "T", "M", "W", "z", "u", "Ctrl-r", "Ctrl-l", "Ctrl-z", "Ctrl-p", "Ctrl-n", "Ctrl-s",
    "Ctrl-w", "Ctrl-k", "Ctrl-\\", "Home", "End", "F1", "Up", "Down", "[", "O", "A", "B", "i", "a",
    "f", "b", "c", "d", "D", "e", "t", "o", "P", "r", "v", "V", "=", "#", "*", " ", "<", ">", "+",
    "-", "!", "w", "L", "E", "H", "C", "]", "{", "}", "Tab",
];

/// Xorshift: a failing seed can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

struct Monkey {
    rows: Vec<crate::store::RunRow>,
    data: Vec<RunData>,
}

impl Monkey {
    fn new() -> Self {
        let all: [fn() -> RunData; 7] = [
            running_data,
            finished_data,
            early_data,
            failed_data,
            policy_at_work,
            policy_at_gate,
            policy_finished,
        ];
        let mut data: Vec<RunData> = all.iter().map(|make| make()).collect();
        data.push(hostile_data(&hostile_texts()[0]));
        let mut rows = twelve_runs();
        rows.insert(1, policy_at_work().detail.row);
        Self { rows, data }
    }

    fn message(&self, random: &mut Random) -> Message {
        match random.next(40) {
            0 => {
                let (width, height) = (random.next(220) as u16, random.next(70) as u16);
                Message::Input(Input::Resized { width, height })
            }
            1 | 2 => {
                let rows = self.rows[..random.next(14) as usize].to_vec();
                let run = self.data[random.next(self.data.len() as u64) as usize].clone();
                Message::Read(Read::Snapshot(Box::new(Snapshot::new(NOW_MS, rows, Some(run)))))
            }
            3 => Message::Tick { now_ms: NOW_MS + random.next(100_000) as i64 },
            4 => Message::Input(Input::Pasted("x y\u{1b}[2J\n漢字".to_owned())),
            5 => {
                let kinds = [MouseKind::Click, MouseKind::WheelDown, MouseKind::WheelUp];
                let kind = kinds[random.next(3) as usize];
                let (x, y) = (random.next(230) as u16, random.next(80) as u16);
                Message::Input(Input::Mouse { kind, x, y })
            }
            6 => Message::Answer(Answer::Failed("no \u{202e}such file".to_owned())),
            7 => Message::Input(Input::Continued),
            _ => key(KEYS[random.next(KEYS.len() as u64) as usize]),
        }
    }

    fn run(&self, seed: u64, n_steps: usize, n_drawn: usize) {
        let mut random = Random(seed * 0x9e37_79b9_7f4a_7c15 + 1);
        let mut model = model(80, 24, self.rows.clone(), Some(running_data()));
        for step in 0..n_steps {
            let message = self.message(&mut random);
            update(&mut model, message);
            assert_holds(&model, seed, step);
            if step % n_drawn == 0 {
                assert_harmless(&draw(&model));
            }
        }
    }
}

/// What is true of every model.
fn assert_holds(model: &Model, seed: u64, step: usize) {
    let at = format!("seed {seed}, step {step}");
    let runs = &model.runs;
    assert!(runs.cursor < runs.rows.len().max(1), "{at}: cursor {}", runs.cursor);
    assert!(runs.offset <= runs.cursor, "{at}: offset {}", runs.offset);
    let trail: BTreeSet<String> = model.trail.iter().map(|screen| format!("{screen:?}")).collect();
    assert_eq!(trail.len(), model.trail.len(), "{at}: {:?}", model.trail);
    assert!(!model.trail.contains(&model.screen), "{at}: {:?}", model.trail);
    let launch = &model.launch;
    assert!(launch.cursor < launch.rows.len().max(1), "{at}: form cursor {}", launch.cursor);
    if let (Some(live), Some(data)) = (&model.live, &model.run) {
        assert!(live.pair < data.sampled.len().max(1), "{at}: pair {}", live.pair);
        assert!(live.log_back <= data.log.len(), "{at}: log {}", live.log_back);
    }
    match &model.overlay {
        Some(Overlay::Choice(choice)) => assert!(choice.cursor < choice.items.len().max(1), "{at}"),
        Some(Overlay::Prompt(prompt)) => {
            assert!(!prompt.field.text().contains('\u{1b}'), "{at}: {:?}", prompt.field);
        }
        _ => {}
    }
}

#[test]
fn no_sequence_of_keys_sizes_and_data_breaks_it() {
    let monkey = Monkey::new();
    for seed in 0..60 {
        monkey.run(seed, 600, 20);
    }
}

/// A monkey in front of a real store: what it decides is written by the thread behind the screen,
/// and kept a second time in a ledger that knows nothing of the store.
struct Reviewer {
    fixture: Fixture,
    run: RunId,
    attempt: Attempt,
    recorder: Recorder,
    ledger: Ledger,
    n_asked: u64,
}

/// Decisions in force, by the rules of undo alone.
#[derive(Default)]
struct Ledger {
    done: Vec<(Vec<PairId>, Verdict)>,
    undone: Vec<(Vec<PairId>, Verdict)>,
    n_decided: u64,
}

impl Ledger {
    fn in_force(&self) -> VerdictSet {
        let mut all = VerdictSet::default();
        for (pairs, verdict) in &self.done {
            for pair in pairs {
                all.record(*pair, *verdict);
            }
        }
        all
    }
}

impl Reviewer {
    fn new() -> Self {
        let mut fixture = testing::store();
        let run = fixture.run("reviewed");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let recorder = Recorder::new(fixture.home.clone(), "monkey".to_owned());
        Self { fixture, run, attempt, recorder, ledger: Ledger::default(), n_asked: 0 }
    }

    fn snapshot(&self) -> Message {
        let rows = self.fixture.store.runs().unwrap();
        let mut data = running_data();
        data.detail.row = rows[0].clone();
        for (pair, at) in data.sampled.iter_mut().zip(0..) {
            pair.pair = PairId(at);
        }
        Message::Read(Read::Snapshot(Box::new(Snapshot::new(NOW_MS, rows, Some(data)))))
    }

    /// Does what the model asks of the thread, and tells the model what came of it.
    fn serve(&mut self, model: &mut Model, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Samples(request) = effect else { continue };
            let listed = self.recorder.listed(&self.run);
            let answer = self.recorder.take(request.clone());
            if matches!(answer, Some(Found::Recorded(_))) {
                self.note(request, listed);
            }
            // As behind the real screen, several keys in a row are answered at once.
            self.n_asked += 1;
            let is_answered = answer.is_some() || self.n_asked.is_multiple_of(5);
            let found = is_answered.then(|| self.recorder.poll(true)).flatten();
            for found in answer.into_iter().chain(found) {
                let more = update(model, Message::Samples(found));
                self.serve(model, more);
            }
        }
    }

    fn note(&mut self, request: Request, listed: Vec<PairId>) {
        let (kept, _) = self.fixture.store.verdicts(&self.run, None).unwrap();
        let ledger = &mut self.ledger;
        match request {
            Request::Decide { target, verdict, judged, .. } => {
                let pairs = match target {
                    Target::Pairs(pairs) => pairs,
                    Target::Listed(_) => listed,
                };
                // Keep or flip depends on the latest label; the side is what was said.
                let verdict = judged.map_or(verdict, |it| {
                    assert_eq!(kept.preferred(pairs[0]), it.choice.side(it.left));
                    kept.get(pairs[0]).unwrap()
                });
                ledger.n_decided += pairs.len() as u64;
                ledger.done.push((pairs, verdict));
                ledger.undone.clear();
            }
            Request::Undo(_) => ledger.undone.extend(ledger.done.pop()),
            Request::Redo(_) => ledger.done.extend(ledger.undone.pop()),
            _ => {}
        }
    }

    /// Returns how many pairs were decided about.
    fn run(mut self, seed: u64, n_steps: usize) -> u64 {
        let mut random = Random(seed * 0x9e37_79b9_7f4a_7c15 + 7);
        let mut model = model(80, 24, Vec::new(), None);
        update(&mut model, self.snapshot());
        let effects = update(&mut model, key("3"));
        self.serve(&mut model, effects);
        for step in 0..n_steps {
            let message = match random.next(60) {
                0 => {
                    let (width, height) = (random.next(220) as u16, random.next(70) as u16);
                    Message::Input(Input::Resized { width, height })
                }
                1 => self.snapshot(),
                2..20 => key(REVIEW_KEYS[random.next(REVIEW_KEYS.len() as u64) as usize]),
                _ => key(KEYS[random.next(KEYS.len() as u64) as usize]),
            };
            if step == n_steps / 2 {
                let events = vec![testing::selection_made(2, 30)];
                let later = Attempt { next_seq: 2, ..self.attempt };
                self.fixture.apply(&self.run, later, events);
            }
            let effects = update(&mut model, message);
            self.serve(&mut model, effects);
            assert_holds(&model, seed, step);
        }
        self.assert_kept(seed);
        self.ledger.n_decided
    }

    fn assert_kept(&self, seed: u64) {
        // A connection of its own: what is on the disk, not what is remembered.
        let store = Store::open(&self.fixture.home, Access::ReadOnly).unwrap();
        let (kept, _) = store.verdicts(&self.run, None).unwrap();
        let decided = |verdicts: &VerdictSet| -> Vec<Option<Verdict>> {
            (0..testing::N_PAIRS as u32).map(|pair| verdicts.get(PairId(pair))).collect()
        };
        assert_eq!(decided(&kept), decided(&self.ledger.in_force()), "seed {seed}");
    }
}

/// What finds the way to the pairs, and decides.
const REVIEW_KEYS: [&str; 22] = [
    "3", "x", "a", "f", "j", "k", " ", "X", "A", "y", "u", "Ctrl-r", "Q", "t", "n", "*", "1", "2",
    "0", "s", "B", "o",
];

#[test]
fn no_verdict_is_lost_whatever_is_typed() {
    let n: u64 = (0..24).map(|seed| Reviewer::new().run(seed, 600)).sum();
    assert!(n > 30, "only {n} decisions: the monkeys never got to the pairs");
}

/// `cargo test --release --lib -- --ignored --nocapture a_thousand_monkeys`
#[test]
#[ignore = "takes minutes"]
fn a_thousand_monkeys() {
    let started = Instant::now();
    // Fewer seeds where there is less time: `SER_MONKEY_SEEDS`.
    let n_seeds = std::env::var("SER_MONKEY_SEEDS").ok().and_then(|n| n.parse().ok());
    let n_seeds: u64 = n_seeds.unwrap_or(1_000);
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let n_decided: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads)
            .map(|thread| {
                scope.spawn(move || {
                    let monkey = Monkey::new();
                    let seeds = (0..n_seeds).filter(|seed| seed % n_threads == thread);
                    seeds
                        .map(|seed| {
                            monkey.run(seed, 10_000, 50);
                            Reviewer::new().run(seed, 10_000)
                        })
                        .sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!(
        "{n_seeds} seeds x 10,000 messages to a model alone, and as many to one in front of a store: \
         {n_decided} pairs decided about, all of them as on the disk, {:.0} s",
        started.elapsed().as_secs_f64()
    );
}
