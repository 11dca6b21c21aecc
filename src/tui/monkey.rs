//! Tests: random keys, sizes, pastes, clicks and data through the real update, drawn now and then.
//! Nothing panics, and what the model promises holds after every message.

use std::collections::BTreeSet;
use std::time::Instant;

use super::behavior::{assert_harmless, hostile_data, hostile_texts, key};
use super::data::{RunData, Snapshot};
use super::fixtures::{
    NOW_MS, early_data, failed_data, finished_data, model, running_data, twelve_runs,
};
use super::message::{Message, MouseKind};
use super::model::{Model, Size};
use super::overlay::Overlay;
use super::screens::draw;
use super::update::update;

const KEYS: [&str; 84] = [
    "j", "k", "g", "G", "Ctrl-d", "Ctrl-u", "Enter", "Esc", "q", "h", "l", "1", "2", "3", "4", "5",
    "6", "9", "0", "?", ":", "/", "s", "S", "n", "N", "p", "x", "X", "y", "Y", "R", "J", "K", "m",
    "F", "T", "M", "W", "z", "u", "Ctrl-r", "Ctrl-l", "Ctrl-z", "Ctrl-p", "Ctrl-n", "Ctrl-s",
    "Ctrl-w", "Ctrl-k", "Ctrl-\\", "Home", "End", "F1", "Up", "Down", "[", "O", "A", "B", "i", "a",
    "f", "b", "c", "d", "D", "e", "t", "o", "P", "r", "v", "V", "=", "#", "*", " ", "<", ">", "+",
    "-", "!", "w", "L",
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
        let all: [fn() -> RunData; 4] = [running_data, finished_data, early_data, failed_data];
        let mut data: Vec<RunData> = all.iter().map(|make| make()).collect();
        data.push(hostile_data(&hostile_texts()[0]));
        Self { rows: twelve_runs(), data }
    }

    fn message(&self, random: &mut Random) -> Message {
        match random.next(40) {
            0 => {
                Message::Resized { width: random.next(220) as u16, height: random.next(70) as u16 }
            }
            1 | 2 => {
                let rows = self.rows[..random.next(13) as usize].to_vec();
                let run = self.data[random.next(self.data.len() as u64) as usize].clone();
                Message::Snapshot(Box::new(Snapshot::new(NOW_MS, rows, Some(run))))
            }
            3 => Message::Tick { now_ms: NOW_MS + random.next(100_000) as i64 },
            4 => Message::Pasted("x y\u{1b}[2J\n漢字".to_owned()),
            5 => {
                let kinds = [MouseKind::Click, MouseKind::WheelDown, MouseKind::WheelUp];
                let kind = kinds[random.next(3) as usize];
                Message::Mouse { kind, x: random.next(230) as u16, y: random.next(80) as u16 }
            }
            6 => Message::Failed("no \u{202e}such file".to_owned()),
            7 => Message::Continued,
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

/// `cargo test --release --lib -- --ignored --nocapture a_thousand_monkeys`
#[test]
#[ignore = "takes minutes"]
fn a_thousand_monkeys() {
    let monkey = Monkey::new();
    let started = Instant::now();
    for seed in 0..1_000 {
        monkey.run(seed, 10_000, 50);
    }
    let n_seconds = started.elapsed().as_secs();
    assert!(n_seconds < 3_600, "10 million messages took {n_seconds} s");
}

#[test]
fn hostile_texts_stay_text_on_every_screen() {
    for words in hostile_texts() {
        for (width, height) in [(160, 48), (80, 24), (60, 16), (20, 5)] {
            let data = hostile_data(&words);
            let rows = vec![data.detail.row.clone()];
            let mut model = model(width, height, rows, Some(data));
            for keys in ["2", "z", "<", "3", "4", "5", "n", "i", "\u{1b}", "t", "\u{1b}", ":", "?"]
            {
                let words = if keys == "\u{1b}" { "Esc" } else { keys };
                update(&mut model, key(words));
                assert_harmless(&draw(&model));
            }
            update(&mut model, key("Esc"));
            update(&mut model, Message::Failed(words.clone()));
            update(&mut model, Message::DryRunEnded(words.clone()));
            assert_harmless(&draw(&model));
            model.size = Size { width: 1, height: 1 };
            draw(&model);
        }
    }
}
