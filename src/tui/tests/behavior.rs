//! Tests: what keys do, that hostile texts stay text, and that no sequence of keys and sizes
//! breaks anything.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;

use crate::domain::run::{Liveness, RequestKind, RunId, RunStatus};
use crate::launch::Order;
use crate::spec::Base;

use super::fixtures::{
    NOW_MS, early_data, model, row, running_data, running_row, sampled, twelve_runs,
};
use super::screens::{draw, picture};
use crate::tui::feed::data::{RunData, Snapshot};
use crate::tui::kit::text;
use crate::tui::screens::live::Chart;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen, SortKey, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::{open_live, update};

pub fn key(words: &str) -> Message {
    let (code, modifiers) = match words {
        "Enter" => (KeyCode::Enter, KeyModifiers::NONE),
        "Esc" => (KeyCode::Esc, KeyModifiers::NONE),
        "Down" => (KeyCode::Down, KeyModifiers::NONE),
        "Up" => (KeyCode::Up, KeyModifiers::NONE),
        "End" => (KeyCode::End, KeyModifiers::NONE),
        "Home" => (KeyCode::Home, KeyModifiers::NONE),
        "F1" => (KeyCode::F(1), KeyModifiers::NONE),
        _ => match words.strip_prefix("Ctrl-") {
            Some(c) => (KeyCode::Char(c.chars().next().unwrap()), KeyModifiers::CONTROL),
            None => (KeyCode::Char(words.chars().next().unwrap()), KeyModifiers::NONE),
        },
    };
    Message::Key(KeyEvent::new(code, modifiers))
}

/// Presses keys and returns the effects of the last one, without the data thread's.
pub fn press(model: &mut Model, keys: &[&str]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for words in keys {
        effects = update(model, key(words));
        effects.retain(|effect| !matches!(effect, Effect::Watch(_)));
    }
    effects
}

fn list() -> Model {
    model(80, 24, twelve_runs(), Some(running_data()))
}

fn live() -> Model {
    let mut model = list();
    press(&mut model, &["Enter"]);
    model
}

fn toast(model: &Model) -> (&str, Tone) {
    let toast = model.toast.as_ref().unwrap();
    (&toast.text, toast.tone)
}

fn id(n: u64) -> RunId {
    RunId::from_bits(n)
}

#[test]
fn keys_move_in_the_list() {
    let cases: [(&[&str], usize); 9] = [
        (&["j"], 1),
        (&["Down", "Down", "k"], 1),
        (&["Up"], 0),
        (&["G"], 11),
        (&["End", "j"], 11),
        (&["G", "g"], 0),
        (&["G", "Home"], 0),
        (&["Ctrl-d"], 11),
        (&["G", "Ctrl-u"], 0),
    ];
    for (keys, cursor) in cases {
        let mut model = list();
        press(&mut model, keys);
        assert_eq!(model.runs.cursor, cursor, "{keys:?}");
    }
}

#[test]
fn the_selected_row_is_always_shown() {
    let mut model = model(60, 16, twelve_runs(), None);
    press(&mut model, &["G"]);
    let shown = picture(&draw(&model));
    assert!(shown.contains("▌  seed-set-only"), "{shown}");
    press(&mut model, &["g"]);
    assert!(picture(&draw(&model)).contains("▌  ser-embedded-s3"));
}

#[test]
fn moving_asks_for_the_run_under_the_cursor() {
    let mut model = list();
    let effects = update(&mut model, key("j"));
    assert!(matches!(&effects[..], [Effect::Watch(wanted)] if wanted.run == Some(id(2))));
    assert!(update(&mut model, Message::Tick { now_ms: NOW_MS }).is_empty());
}

#[test]
fn screens_open_and_close_one_layer_at_a_time() {
    for open in ["Enter", "l", "2"] {
        let mut model = list();
        let effects = update(&mut model, key(open));
        assert_eq!(model.screen, Screen::Live, "{open}");
        assert!(matches!(&effects[..], [Effect::Watch(wanted)] if wanted.live));
        for back in ["Esc", "q", "h", "1"] {
            let mut model = model.clone();
            assert_eq!(press(&mut model, &[back]), [], "{back}");
            assert_eq!(model.screen, Screen::Runs, "{back}");
        }
    }
    let mut model = live();
    press(&mut model, &["?"]);
    assert!(matches!(&model.overlay, Some(Overlay::Commands(list)) if list.is_help));
    press(&mut model, &["Esc"]);
    assert_eq!((model.overlay.is_none(), model.screen), (true, Screen::Live));
    press(&mut model, &["F1", "q", "Esc"]);
    assert_eq!((model.overlay.is_none(), model.screen), (true, Screen::Live));
}

#[test]
fn leaving() {
    let mut model = list();
    assert_eq!(press(&mut model, &["Esc", "Esc", "Esc"]), [], "Esc never leaves");
    assert_eq!(press(&mut model, &["q"]), [Effect::Quit]);
    assert_eq!(press(&mut live(), &["q", "q"]), [Effect::Quit]);
    for keys in [&["Ctrl-c"][..], &["?", "Ctrl-c"], &["x", "Ctrl-c"], &["Enter", "Ctrl-c"]] {
        assert_eq!(press(&mut list(), keys), [Effect::Quit], "{keys:?}");
    }
    assert_eq!(update(&mut list(), Message::Leave), [Effect::Quit]);
    assert_eq!(press(&mut list(), &["Ctrl-z"]), [Effect::Suspend]);
    assert_eq!(press(&mut list(), &["Ctrl-l"]), [Effect::Redraw]);
    assert_eq!(update(&mut list(), Message::Continued), [Effect::Redraw]);
}

#[test]
fn requests_go_to_the_selected_run() {
    let ask = |n, name: &str, kind| Effect::Ask { run: id(n), name: name.to_owned(), kind };
    let embedded = "ser-embedded-s3";
    assert_eq!(press(&mut list(), &["p"]), [ask(1, embedded, RequestKind::Pause)]);
    let paused = &["j", "j", "j", "j", "p"];
    assert_eq!(press(&mut list(), paused), [ask(5, "ser-tau90", RequestKind::Resume)]);
    let stopped = &["G", "k", "k", "k", "k", "R"];
    assert_eq!(press(&mut list(), stopped), [ask(8, "ser-stopped", RequestKind::Resume)]);
    assert_eq!(press(&mut list(), &["x"]), [], "stopping asks");
    assert_eq!(press(&mut list(), &["x", "n"]), []);
    assert_eq!(press(&mut list(), &["x", "Esc"]), []);
    assert_eq!(press(&mut list(), &["x", "j"]), []);
    assert_eq!(press(&mut list(), &["x", "y"]), [ask(1, embedded, RequestKind::Stop)]);
    assert_eq!(press(&mut live(), &["X", "y"]), [ask(1, embedded, RequestKind::Stop)]);
    assert_eq!(press(&mut list(), &["X"]), [], "killing asks");
    let kill = Effect::Kill { run: id(1), name: embedded.to_owned() };
    assert_eq!(press(&mut list(), &["X", "y"]), [kill]);
    let mut done = list();
    press(&mut done, &["j", "j", "X"]);
    assert_eq!(toast(&done).0, "nothing to kill: ser-embedded-s2 is done and has no process");
    let mut new = list();
    press(&mut new, &["n"]);
    assert_eq!((new.screen, new.launch.from.clone()), (Screen::Launch, Some(id(1))));
    let effects = press(&mut new, &["Ctrl-s"]);
    let [Effect::Launch(order)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(
        (new.launch.arguments(), order),
        (vec!["--from".to_owned(), id(1).to_string()], &new.launch.order())
    );
    assert!(matches!(order.specs.base, Base::Text(_)), "its spec is at hand");
    let mut empty = model(80, 24, Vec::new(), None);
    assert_eq!(press(&mut empty, &["Enter"]), [Effect::Launch(Order::default())]);
}

#[test]
fn a_key_that_cannot_act_says_why() {
    use Liveness::{Alive, Gone, NotExpected, Silent};
    use RunStatus::{Finished, Queued, Running};
    let cases = [
        (Finished, NotExpected, "p", "nothing to pause: r is done"),
        (Finished, NotExpected, "x", "nothing to stop: r is done"),
        (Finished, NotExpected, "R", "nothing to resume: r is done"),
        (Running, Alive, "R", "nothing to resume: r is live"),
        (Running, Silent, "R", "nothing to resume: r is live"),
        (Running, Gone, "p", "the worker of r is gone · R resumes it"),
        (Queued, NotExpected, "p", "nothing to pause: r is queued · x takes it out of the queue"),
    ];
    for (status, liveness, words, why) in cases {
        let mut model = model(80, 24, vec![row(1, "r", status, liveness)], None);
        assert_eq!(press(&mut model, &[words]), [], "{words}");
        assert_eq!(toast(&model), (why, Tone::Refused));
    }
    let mut empty = model(80, 24, Vec::new(), None);
    press(&mut empty, &["p"]);
    assert_eq!(toast(&empty), ("no run is selected", Tone::Refused));
    let early = early_data();
    let mut model = model(80, 24, vec![early.detail.row.clone()], Some(early));
    press(&mut model, &["Enter", "J"]);
    assert_eq!(toast(&model), ("no pair was scored yet", Tone::Refused));
}

#[test]
fn read_only_changes_nothing() {
    for keys in [&["5", "Ctrl-s"][..], &["5", "D"], &["p"], &["x"], &["R"]] {
        let mut model = list();
        model.is_read_only = true;
        assert_eq!(press(&mut model, keys), []);
        assert!(model.overlay.is_none() && toast(&model).0.starts_with("read-only"));
    }
    let mut empty = model(80, 24, Vec::new(), None);
    empty.is_read_only = true;
    assert_eq!(press(&mut empty, &["Enter"]), []);
}

#[test]
fn the_pair_the_curve_and_the_human_label() {
    let mut model = live();
    press(&mut model, &["J", "J", "J"]);
    assert_eq!(model.live.as_ref().unwrap().pair, 2);
    assert!(picture(&draw(&model)).contains("vetoed by you"));
    press(&mut model, &["K", "K", "K"]);
    assert_eq!(model.live.as_ref().unwrap().pair, 0);
    assert!(!picture(&draw(&model)).contains('★'), "the human label is hidden");
    press(&mut model, &["H"]);
    assert!(picture(&draw(&model)).contains("A ✓ ★"));
    press(&mut model, &["m"]);
    assert_eq!(model.live.as_ref().unwrap().chart, Chart::Loss);
    assert!(picture(&draw(&model)).contains("train loss"));
}

#[test]
fn the_sampled_pair_is_decided_about_where_it_is_seen() {
    use crate::domain::preference::PairId;
    use crate::domain::verdict::Verdict;
    use crate::tui::screens::samples::data::{Request, Target};
    let mut model = live();
    let decide = |pair, verdict| {
        let target = Target::Pairs(vec![PairId(pair)]);
        Effect::Samples(Request::Decide { run: id(1), target, verdict, queue: None })
    };
    assert_eq!(press(&mut model, &["x"]), [decide(9_772, Verdict::Veto)]);
    assert_eq!(model.live.as_ref().unwrap().pair, 1, "on to the next one");
    let amend = Request::Amend {
        run: id(1),
        pair: PairId(9_772),
        reason: Some("both bad".to_owned()),
        comment: None,
    };
    assert_eq!(press(&mut model, &["1"]), [Effect::Samples(amend)]);
    assert_eq!(press(&mut model, &["f"]), [decide(40_213, Verdict::Flip)]);
    assert_eq!(press(&mut model, &["K", "a"]), [decide(40_213, Verdict::Keep)]);
    assert_eq!(press(&mut model, &["u"]), [Effect::Samples(Request::Undo(id(1)))]);
    press(&mut model, &["K", "K", "K"]);
    assert!(picture(&draw(&model)).contains("vetoed by you"));
    model.is_read_only = true;
    assert_eq!(press(&mut model, &["x"]), []);
    assert!(toast(&model).0.starts_with("read-only"));
    assert_eq!(press(&mut model, &["1"]), [], "a digit is a screen again");
    assert_eq!(model.screen, Screen::Runs);
}

#[test]
fn the_log_scrolls_back_and_stays_there() {
    let mut model = live();
    press(&mut model, &["k", "k"]);
    assert_eq!(model.live.as_ref().unwrap().log_back, 2);
    let mut longer = running_data();
    longer.log.push(longer.log[0].clone());
    let snapshot = Snapshot::new(NOW_MS, twelve_runs(), Some(longer));
    update(&mut model, Message::Snapshot(Box::new(snapshot)));
    assert_eq!(model.live.as_ref().unwrap().log_back, 3, "the same lines are still shown");
    press(&mut model, &["G"]);
    assert_eq!(model.live.as_ref().unwrap().log_back, 0);
}

#[test]
fn sorting_keeps_the_selected_run() {
    let mut model = list();
    press(&mut model, &["j", "j", "s"]);
    assert_eq!(model.runs.sort, SortKey::Accuracy);
    assert_eq!(model.current().unwrap().name, "ser-embedded-s2");
    assert_eq!(model.runs.rows[0].name, "full-labels-s1");
    press(&mut model, &["s"]);
    assert_eq!(model.runs.rows[0].name, "ser-embedded-s3", "running first");
    press(&mut model, &["s"]);
    assert_eq!(model.runs.rows[0].name, "forty rounds");
}

#[test]
fn a_frozen_view_shows_the_newest_data_when_it_goes_on() {
    let mut model = list();
    press(&mut model, &["F"]);
    for _ in 0..3 {
        let snapshot = Snapshot::new(NOW_MS, vec![running_row()], None);
        update(&mut model, Message::Snapshot(Box::new(snapshot)));
    }
    assert_eq!(model.runs.rows.len(), 12);
    assert!(picture(&draw(&model)).contains("frozen · 3 newer"));
    press(&mut model, &["F"]);
    assert_eq!(model.runs.rows.len(), 1);
}

#[test]
fn counts_repeat_and_screen_digits_end_none() {
    let cases: [(&[&str], usize); 5] = [
        (&["6", "j"], 6),
        (&["0", "5", "j"], 5),
        (&["9", "9", "9", "9", "9", "9", "9", "j"], 11),
        (&["9", "Esc", "j"], 1),
        (&["G", "0", "3", "k"], 8),
    ];
    for (keys, cursor) in cases {
        let mut model = list();
        press(&mut model, keys);
        assert_eq!((model.runs.cursor, model.screen), (cursor, Screen::Runs), "{keys:?}");
    }
}

#[test]
fn marks_are_set_counted_and_cleared() {
    let mut model = list();
    press(&mut model, &[" ", "7", " "]);
    assert_eq!((model.runs.marked.len(), model.runs.cursor), (8, 8));
    assert!(picture(&draw(&model)).contains("8 marked"));
    press(&mut model, &["*", "Ctrl-\\"]);
    assert_eq!(model.runs.marked.len(), 0);
    press(&mut model, &["Ctrl-\\"]);
    assert_eq!(toast(&model), ("nothing is marked", Tone::Refused));
}

#[test]
fn every_action_is_found_by_name() {
    let mut model = list();
    press(&mut model, &[":", "s", "o", "r", "t", "Enter"]);
    assert!(model.overlay.is_none());
    assert_eq!(model.runs.sort, SortKey::Accuracy);
    press(&mut model, &["?"]);
    for c in "stop after".chars() {
        press(&mut model, &[&c.to_string()]);
    }
    press(&mut model, &["Enter"]);
    assert!(matches!(model.overlay, Some(Overlay::Confirm { .. })));
}

#[test]
fn a_copy_is_two_keys() {
    let effects = press(&mut list(), &["y", "y"]);
    assert!(matches!(&effects[..], [Effect::Copy { what, text }]
        if what == "id of ser-embedded-s3" && *text == id(1).to_string()));
}

#[test]
fn the_screens_open_and_esc_returns_to_the_one_before() {
    let mut model = list();
    press(&mut model, &["2", "3", "5"]);
    assert_eq!((model.screen, model.samples.run.as_ref()), (Screen::Launch, Some(&id(1))));
    press(&mut model, &["Esc"]);
    assert_eq!(model.screen, Screen::Samples);
    press(&mut model, &["2", "Esc"]);
    assert_eq!(model.screen, Screen::Runs);
    press(&mut model, &[" ", " ", "4"]);
    assert_eq!((model.screen, model.compare.runs.len()), (Screen::Compare, 2));
}

#[test]
fn a_paste_never_triggers_a_command() {
    let mut model = list();
    assert_eq!(update(&mut model, Message::Pasted("xyq".to_owned())), []);
    assert!(model.overlay.is_none() && model.screen == Screen::Runs);
}

#[test]
fn a_started_run_is_selected_when_it_appears() {
    let mut model = list();
    update(&mut model, Message::Started(id(99).to_string()));
    let mut rows = twelve_runs();
    rows.push(row(99, "new", RunStatus::Queued, Liveness::NotExpected));
    let snapshot = Snapshot::new(NOW_MS, rows, None);
    update(&mut model, Message::Snapshot(Box::new(snapshot)));
    assert_eq!(model.current().unwrap().name, "new");
}

#[test]
fn toasts_fade_and_errors_are_cleaned() {
    let mut model = list();
    update(&mut model, Message::Failed("bad \x1b[2J file".to_owned()));
    assert_eq!(toast(&model), ("bad ⟨ESC⟩[2J file", Tone::Error));
    update(&mut model, Message::Tick { now_ms: NOW_MS + 11_000 });
    assert_eq!(model.toast, None);
}

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
            open_live(&mut model, run);
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
