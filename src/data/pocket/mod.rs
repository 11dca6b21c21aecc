//! *Pocket preferences*: the embedded data set, its generator and its oracle.
//!
//! Short dialogues over twelve skills. The chosen answer is right; the rejected one has one fault,
//! from easy to tell to hard ([`Fault`], [`Level`]). Both are dressed in independently drawn
//! styles, so that nothing on the surface tells them apart. Everything is a pure function of
//! `rng_seed`; the files in `data/` are reproduced byte for byte by [`generate_files`].
//!
//! The shares of the faults were set once for realism and are not tuned to any result of SER.

mod draw;
mod facts;
mod form;
mod lists;
mod numbers;
mod oracle;
mod skill;
mod skills;
mod style;
mod words;
mod writing;

use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::Write;

use self::draw::{Draw, Family};
use self::skill::Task;
use self::skills::SKILLS;
use super::error::DataError;
use super::source::EmbeddedSplit;
use crate::domain::random::{Place, Purpose, text_hash};
use crate::domain::text::dialogue::{ASSISTANT, HUMAN};

pub use oracle::{Finding, grade};
pub use skill::{Fault, Level};

/// The seed of the files in `data/`.
pub const RNG_SEED: u64 = 2026;
/// How many training pairs the embedded set has.
pub const N_TRAIN: usize = 9600;
/// How many test pairs the embedded set has.
pub const N_TEST: usize = 2400;
/// One training label of this many is flipped, and says so.
const NOISE_ONE_IN: usize = 10;
/// Share of answers whose opener repeats a word of the prompt. Off-topic answers repeat one more
/// often, which keeps the share of copied words from revealing the label.
const ECHO: f64 = 0.08;
/// The same share for off-topic answers.
const ECHO_OFF_TOPIC: f64 = 0.5;
/// Share of faulty answers in the corpus for language-model pretraining.
const CORPUS_FAULTY: f64 = 0.25;

const TRAIN: &[u8] = include_bytes!("../../../data/pocket-train.jsonl.gz");
const TEST: &[u8] = include_bytes!("../../../data/pocket-test.jsonl.gz");

/// The stored bytes (gzip) of one part.
pub(super) fn embedded(split: EmbeddedSplit) -> &'static [u8] {
    match split {
        EmbeddedSplit::Train => TRAIN,
        EmbeddedSplit::Test => TEST,
    }
}

/// One line of a file, with its fields in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PocketRecord {
    /// The dialogue up to and including `\n\nAssistant:`.
    pub prompt: String,
    /// The preferred answer, with a space before it.
    pub chosen: String,
    /// The other answer, with a space before it.
    pub rejected: String,
    /// Which of the twelve skills.
    pub skill: String,
    /// What is wrong with the worse answer.
    pub fault: Fault,
    /// The label was flipped: `rejected` is the better answer.
    pub label_noise: bool,
}

/// Training and test records. No prompt occurs twice, within or between them.
pub fn records(rng_seed: u64) -> (Vec<PocketRecord>, Vec<PocketRecord>) {
    let mut used = HashSet::new();
    let mut family = |family, n: usize| -> Vec<PocketRecord> {
        (0..n as u32).map(|i| record(&mut Draw::new(rng_seed, family, i), &mut used)).collect()
    };
    let (mut train, test) = (family(Family::Train, N_TRAIN), family(Family::Test, N_TEST));
    let noise = Place::new(rng_seed, Purpose::DataGeneration).at(Family::Noise as u32, 0);
    for i in noise.permutation(N_TRAIN).into_iter().take(N_TRAIN / NOISE_ONE_IN) {
        let record = &mut train[i as usize];
        std::mem::swap(&mut record.chosen, &mut record.rejected);
        record.label_noise = true;
    }
    (train, test)
}

/// The files of `data/` by name, gzip without a time stamp.
pub fn generate_files(rng_seed: u64) -> Result<Vec<(&'static str, Vec<u8>)>, DataError> {
    let (train, test) = records(rng_seed);
    [("pocket-train.jsonl.gz", train), ("pocket-test.jsonl.gz", test)]
        .into_iter()
        .map(|(name, records)| {
            let bytes = compress(&records).map_err(|source| DataError::Io {
                path: name.to_owned(),
                line: 1,
                source,
            })?;
            Ok((name, bytes))
        })
        .collect()
}

fn compress(records: &[PocketRecord]) -> std::io::Result<Vec<u8>> {
    // 255 is "unknown operating system": the same header wherever the files are made.
    let builder = GzBuilder::new().mtime(0).operating_system(255);
    let mut encoder = builder.write(Vec::new(), Compression::best());
    for record in records {
        serde_json::to_writer(&mut encoder, record)?;
        encoder.write_all(b"\n")?;
    }
    encoder.finish()
}

/// Whole dialogues for pretraining a language model: the language of the data set from a stream of
/// its own, without any prompt of its files, and with answers of which a quarter have a fault, so
/// that they teach how answers sound and not which ones are preferred.
pub fn corpus(rng_seed: u64, n_dialogues: u32) -> impl Iterator<Item = String> {
    let (train, test) = records(RNG_SEED);
    let files: HashSet<u64> = train.iter().chain(&test).map(|r| text_hash(&r.prompt)).collect();
    (0..n_dialogues).map(move |i| {
        let mut draw = Draw::new(rng_seed, Family::Corpus, i);
        let (task, prompt) = loop {
            let (task, prompt) = dialogue(&mut draw);
            if !files.contains(&text_hash(&prompt)) {
                break (task, prompt);
            }
        };
        let answer = if draw.chance(CORPUS_FAULTY) {
            faulty_answer(&task, &prompt, &mut draw).0
        } else {
            right_answer(&task, &mut draw)
        };
        prompt + &answer
    })
}

fn record(draw: &mut Draw, used: &mut HashSet<u64>) -> PocketRecord {
    let (task, prompt) = loop {
        let (task, prompt) = dialogue(draw);
        if used.insert(text_hash(&prompt)) {
            break (task, prompt);
        }
    };
    let chosen = right_answer(&task, draw);
    let (rejected, fault) = faulty_answer(&task, &prompt, draw);
    let skill = task.skill.name.to_owned();
    PocketRecord { prompt, chosen, rejected, skill, fault, label_noise: false }
}

/// A question and the dialogue that asks it, in one or two turns.
fn dialogue(draw: &mut Draw) -> (Task, String) {
    loop {
        let skill = draw.pick(SKILLS);
        let task = Task::draw(skill, draw);
        let Some(question) = task.question() else { continue };
        let lead = draw.pick(style::LEADS);
        let turns = match question.split_once('|') {
            Some((facts, asked)) if draw.chance(0.35) => {
                let heard = draw.pick(style::ACKNOWLEDGMENTS);
                format!("{facts}{ASSISTANT} {heard}{HUMAN} {asked}")
            }
            _ => question.replace('|', " "),
        };
        return (task, format!("{HUMAN} {lead}{turns}{ASSISTANT}"));
    }
}

fn right_body(task: &Task, draw: &mut Draw) -> String {
    loop {
        if let Some(body) = (task.skill.body)(task, None, draw) {
            return body.text;
        }
    }
}

fn right_answer(task: &Task, draw: &mut Draw) -> String {
    let body = right_body(task, draw);
    let echo = echo(task, ECHO, draw);
    format!(" {}", style::dress(&body, echo.as_deref(), draw))
}

/// A word of the question that an opener may take up.
fn echo(task: &Task, probability: f64, draw: &mut Draw) -> Option<String> {
    let is_word =
        |value: &&String| value.len() > 2 && value.bytes().all(|b| b.is_ascii_alphabetic());
    let asked = task.question()?;
    let values = task.slots.values().filter(is_word).filter(|value| asked.contains(*value));
    let values: Vec<&String> = values.collect();
    (draw.chance(probability) && !values.is_empty()).then(|| draw.pick(&values).clone())
}

/// An answer with one fault. A draw that happens to be right all the same (an off-topic answer
/// with the right number, say) is made again.
fn faulty_answer(task: &Task, prompt: &str, draw: &mut Draw) -> (String, Fault) {
    loop {
        let kind = draw.below(100);
        let made = match kind {
            0..30 => Some(easy_fault(task, kind, draw)),
            30..60 => medium_or_hard(task, Level::Medium, draw),
            _ => medium_or_hard(task, Level::Hard, draw),
        };
        let Some((text, fault)) = made else { continue };
        let answer = format!(" {text}");
        if grade(prompt, &answer).is_some_and(|grade| grade.finding != Finding::Right) {
            return (answer, fault);
        }
    }
}

fn medium_or_hard(task: &Task, level: Level, draw: &mut Draw) -> Option<(String, Fault)> {
    let body = (task.skill.body)(task, Some(level), draw)?;
    let echo = echo(task, ECHO, draw);
    Some((style::dress(&body.text, echo.as_deref(), draw), body.fault?))
}

/// `kind` below 30: 14 in 100 answers are off-topic, 6 rude, 6 looping, 4 empty.
fn easy_fault(task: &Task, kind: usize, draw: &mut Draw) -> (String, Fault) {
    match kind {
        0..14 => {
            let other = loop {
                let skill = draw.pick(SKILLS);
                if skill.name != task.skill.name {
                    break Task::draw(skill, draw);
                }
            };
            let other = about_the_same(other, task);
            let body = right_body(&other, draw);
            let echo = echo(task, ECHO_OFF_TOPIC, draw);
            (style::dress(&body, echo.as_deref(), draw), Fault::OffTopic)
        }
        14..20 => (style::dress_rudely(&right_body(task, draw), draw), Fault::Rude),
        20..26 => {
            let body = right_body(task, draw);
            (style::looped(&body, draw), Fault::Looping)
        }
        _ => (draw.pick(style::FILLERS).to_owned(), Fault::Empty),
    }
}

/// Another question about the same person, things and event, so that even an off-topic answer
/// mentions what the prompt mentions.
fn about_the_same(mut other: Task, task: &Task) -> Task {
    for key in ["name", "item", "event", "day"] {
        if let (Some(value), Some(mentioned)) = (other.slots.get_mut(key), task.slots.get(key)) {
            value.clone_from(mentioned);
        }
    }
    other
}

#[cfg(test)]
mod surface;
#[cfg(test)]
mod tests;
