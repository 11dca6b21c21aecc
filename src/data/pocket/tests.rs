//! The generator, the committed files and the oracle agree.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};

use super::*;

pub(super) const README: &str = include_str!("../../../data/README.md");

#[test]
fn the_committed_files_are_reproduced_byte_for_byte() {
    for ((name, bytes), committed) in
        generate_files(RNG_SEED).unwrap().into_iter().zip([TRAIN, TEST])
    {
        assert!(bytes == committed, "{name} differs: run `ser data generate`");
        let hash = format!("{:x}", Sha256::digest(&bytes));
        assert!(README.contains(&hash), "data/README.md should say: {name} has sha256 {hash}");
    }
}

#[test]
#[ignore = "writes data/"]
fn write_the_files() {
    for (name, bytes) in generate_files(RNG_SEED).unwrap() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/").to_owned() + name;
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn the_oracle_prefers_every_chosen_answer() {
    let (train, test) = records(RNG_SEED);
    for record in train.iter().chain(&test) {
        let task = oracle::read_prompt(&record.prompt);
        assert_eq!(task.map(|task| task.skill.name), Some(record.skill.as_str()), "{record:?}");
        let (better, worse) = if record.label_noise {
            (&record.rejected, &record.chosen)
        } else {
            (&record.chosen, &record.rejected)
        };
        let better = grade(&record.prompt, better).unwrap();
        let worse = grade(&record.prompt, worse).unwrap();
        assert_eq!(better.finding, Finding::Right, "{record:?}");
        assert!(better.score > worse.score, "{record:?}");
        let expected = match record.fault {
            Fault::Empty => Finding::Empty,
            Fault::Looping => Finding::Looping,
            Fault::Rude => Finding::Rude,
            Fault::OffTopic => {
                assert!(worse.finding <= Finding::Wrong);
                continue;
            }
            _ => Finding::Wrong,
        };
        // A fault in the only word taken from the prompt looks off-topic, which is as wrong.
        let found = worse.finding == expected || worse.finding == Finding::OffTopic;
        assert!(found, "{:?} {record:?}", worse.finding);
    }
}

/// How hard a fault is to tell.
fn level(fault: Fault) -> Level {
    match fault {
        Fault::Empty | Fault::Looping | Fault::Rude | Fault::OffTopic => Level::Easy,
        Fault::WrongOperation
        | Fault::WrongDirection
        | Fault::Invented
        | Fault::Incomplete
        | Fault::WrongSubject
        | Fault::Opposite => Level::Medium,
        Fault::Slip
        | Fault::WrongItem
        | Fault::WrongOrder
        | Fault::MissedConstraint
        | Fault::Contradiction => Level::Hard,
    }
}

#[test]
fn sizes_noise_and_shares_are_as_documented() {
    let (train, test) = records(RNG_SEED);
    assert_eq!((train.len(), test.len()), (N_TRAIN, N_TEST));
    assert_eq!(train.iter().filter(|r| r.label_noise).count(), N_TRAIN / 10);
    assert!(test.iter().all(|r| !r.label_noise));
    let prompts: HashSet<&str> = train.iter().chain(&test).map(|r| r.prompt.as_str()).collect();
    assert_eq!(prompts.len(), N_TRAIN + N_TEST);
    let mut levels = BTreeMap::new();
    let mut skills = BTreeMap::new();
    for record in train.iter().chain(&test) {
        *levels.entry(level(record.fault)).or_insert(0) += 1;
        *skills.entry(record.skill.as_str()).or_insert(0) += 1;
        for text in [&record.prompt, &record.chosen, &record.rejected] {
            assert!(text.is_ascii());
        }
        assert!(record.prompt.ends_with(ASSISTANT) && record.prompt.starts_with("\n\nHuman: "));
        for answer in [&record.chosen, &record.rejected] {
            assert!(answer.starts_with(' ') && answer.split(' ').count() <= 40, "{answer}");
        }
        let n_words = record.prompt.split_whitespace().count();
        assert!((5..=50).contains(&n_words), "{}", record.prompt);
    }
    assert_eq!(skills.len(), 12);
    let share = |level| levels[&level] as f64 / (N_TRAIN + N_TEST) as f64;
    assert!((share(Level::Easy) - 0.3).abs() < 0.04, "{}", share(Level::Easy));
    assert!((share(Level::Medium) - 0.3).abs() < 0.04, "{}", share(Level::Medium));
    assert!((share(Level::Hard) - 0.4).abs() < 0.04, "{}", share(Level::Hard));
}

#[test]
fn the_embedded_set_is_read_like_any_other() {
    let report = crate::data::testing::check_file(&"embedded".parse().unwrap());
    assert_eq!(report.format, "pocket");
    assert_eq!((report.n_pairs, report.n_groups), (N_TRAIN as u64, N_TRAIN as u64));
    assert_eq!(report.n_label_noise, N_TRAIN as u64 / 10);
    assert_eq!((report.slices.len(), report.dropped.len()), (12, 0));
}

#[test]
fn the_corpus_shares_no_prompt_with_the_files() {
    let (train, test) = records(RNG_SEED);
    let prompts: HashSet<&str> = train.iter().chain(&test).map(|r| r.prompt.as_str()).collect();
    let mut n_right = 0;
    for dialogue in corpus(RNG_SEED, 2000) {
        let at = dialogue.rfind(ASSISTANT).unwrap() + ASSISTANT.len();
        assert!(!prompts.contains(&dialogue[..at]));
        let grade = grade(&dialogue[..at], &dialogue[at..]).unwrap();
        n_right += u32::from(grade.finding == Finding::Right);
    }
    assert!((1440..1560).contains(&n_right), "{n_right}");
}

#[test]
fn unseen_answers_are_graded() {
    let ask = |question: &str, answer: &str| {
        grade(&format!("{HUMAN} {question}{ASSISTANT}"), answer).unwrap().finding
    };
    let sum = "Mia has 7 plums and buys 5 more. How many plums does Mia have now?";
    assert_eq!(ask(sum, " 12"), Finding::Right);
    assert_eq!(ask(sum, " So 7 + 5 = twelve plums"), Finding::Right);
    assert_eq!(ask(sum, " 7 plus 5 is 13."), Finding::Wrong);
    assert_eq!(ask(sum, " It is 8 and then 12."), Finding::Wrong);
    assert_eq!(ask(sum, " plums plums plums plums"), Finding::Looping);
    assert_eq!(ask(sum, " 12, you idiot."), Finding::Rude);
    assert_eq!(ask(sum, " I like trains."), Finding::OffTopic);
    assert_eq!(ask(sum, " \n"), Finding::Empty);
    let list = "Which of these words comes first in the alphabet: kiwi, fig and plum?";
    assert_eq!(ask(list, " Fig!"), Finding::Right);
    assert_eq!(ask(list, " It is plum or fig."), Finding::Wrong);
    let sentence = "Write a sentence about a dog for Mia in exactly 5 words.";
    assert_eq!(ask(sentence, " Sure. My dog likes old bones."), Finding::Right);
    assert_eq!(ask(sentence, " My dog likes bones."), Finding::Wrong);
    assert!(grade(&format!("{HUMAN} Who are you?{ASSISTANT}"), " Me.").is_none());
}
