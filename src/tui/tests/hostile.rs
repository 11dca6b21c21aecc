//! Texts that try to leave their column or to reach the terminal as commands stay texts.

use ratatui::buffer::Buffer;

use super::drive::{key, press};
use super::fixtures::{NOW_MS, model, running_data, sampled};
use super::pictures::{draw, picture};
use super::policies::policy_finished;
use crate::tui::feed::change::Answer;
use crate::tui::feed::data::RunData;
use crate::tui::feed::policy::clean_rollout;
use crate::tui::kit::size::Size;
use crate::tui::kit::text;
use crate::tui::screens::live;
use crate::tui::shell::message::Message;
use crate::tui::shell::update::update;

/// Texts that try to leave their column.
pub fn hostile_texts() -> Vec<String> {
    let mut texts = vec![
        "\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J\x1b[?1049l\x1b[6n".to_owned(),
        "\u{9b}31m\u{90}q\u{9c}\u{9d}8;;http://x\u{9c}".to_owned(),
        "a\u{202e}desrever\u{2066}\u{200b}\u{feff}\u{e0041}".to_owned(),
        format!("z{}", "\u{0334}\u{0301}".repeat(60)),
        "漢字かな한국어\u{1112}\u{1161}\u{11ab} ❤\u{fe0f} 👩\u{200d}🚀 🇩🇪 👍🏽 שלום عربي ไทยที่"
            .to_owned(),
        "tab\tcr\rlf\nnul\0del\x7f".to_owned(),
    ];
    texts.push("x".repeat(100_000));
    texts.push("漢".repeat(10_000));
    texts
}

pub fn hostile_data(words: &str) -> RunData {
    let mut data = running_data();
    let mut detail = data.detail.clone();
    detail.row.name = words.to_owned();
    detail.row.arm = words.into();
    detail.row.failure = Some(words.to_owned());
    detail.model = Some(words.to_owned());
    let mut pairs = sampled();
    for pair in &mut pairs {
        pair.prompt = words.to_owned();
        pair.response_a = words.to_owned();
        pair.response_b = format!("Assistant: {words}");
    }
    let body = serde_json::json!({ "event": "warned", "message": words }).to_string();
    let line = crate::store::rows::EventLine { seq: 1, attempt: 1, at_ms: NOW_MS, body };
    data = RunData::new(detail, data.rounds, data.loss, &[line], pairs);
    data
}

#[test]
fn hostile_texts_stay_text_and_borders_stay_in_their_column() {
    for words in hostile_texts() {
        for (width, height) in [(160, 48), (80, 24), (60, 16), (20, 5)] {
            let data = hostile_data(&words);
            let mut model = model(width, height, vec![data.detail.row.clone()], Some(data));
            assert_harmless(&draw(&model));
            let run = model.runs.rows[0].id.clone();
            live::open::open(&mut model, run);
            let buffer = draw(&model);
            assert_harmless(&buffer);
            assert_borders(&buffer, &words);
            press(&mut model, &["x"]);
            assert_harmless(&draw(&model));
        }
    }
}

pub fn assert_harmless(buffer: &Buffer) {
    for cell in &buffer.content {
        let symbol = cell.symbol();
        let is_bad = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!symbol.chars().any(is_bad), "{symbol:?}");
        assert!(symbol.chars().count() <= 8, "{symbol:?}");
    }
}

/// Boxes of the full width end in a border at the last column.
pub fn assert_borders(buffer: &Buffer, words: &str) {
    let right = buffer.area.width - 1;
    for y in 0..buffer.area.height {
        let starts = ["│", "┌", "└"].contains(&buffer[(0, y)].symbol());
        let ends = ["│", "┐", "┘"].contains(&buffer[(right, y)].symbol());
        assert_eq!(starts, ends, "row {y} of {}:\n{}", text::cut(words, 20), picture(buffer));
    }
}

/// A policy whose texts are all these words.
fn hostile_policy(words: &str) -> RunData {
    let mut data = policy_finished();
    data.detail.row.name = hostile_data(words).detail.row.name;
    let shown = data.policy.as_mut().unwrap().shown.as_mut().unwrap();
    let (_, earlier) = shown.earlier.as_mut().unwrap();
    for rollouts in [&mut shown.rollouts, &mut shown.reference, earlier] {
        for rollout in rollouts.iter_mut() {
            rollout.prompt = words.to_owned();
            rollout.answers[0].text = words.to_owned();
            *rollout = clean_rollout(rollout.clone());
        }
    }
    data
}

#[test]
fn hostile_answers_stay_text() {
    for words in hostile_texts() {
        for (width, height) in [(160, 48), (80, 24), (60, 16), (20, 5)] {
            let data = hostile_policy(&words);
            let mut model = model(width, height, vec![data.detail.row.clone()], Some(data));
            for keys in ["6", "Enter", "=", "j", "Tab", "j", "y"] {
                update(&mut model, key(keys));
                assert_harmless(&draw(&model));
            }
        }
    }
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
            update(&mut model, Message::Answer(Answer::Failed(words.clone())));
            update(&mut model, Message::Answer(Answer::DryRunEnded(Err(words.clone()))));
            assert_harmless(&draw(&model));
            model.size = Size { width: 1, height: 1 };
            draw(&model);
        }
    }
}
