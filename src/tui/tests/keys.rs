//! What keys do wherever one is: from screen to screen, out again, and what cannot act.

use crate::domain::run::{Liveness, RequestKind, RunId, RunStatus};
use crate::launch::{Base, Request};

use super::drive::{key, press, toast};
use super::fixtures::{NOW_MS, early_data, model, row, running_data, running_row, twelve_runs};
use super::pictures::{draw, picture};
use crate::tui::feed::change::{Answer, Change};
use crate::tui::feed::data::Snapshot;
use crate::tui::feed::source::Read;
use crate::tui::screens::runs::SortKey;
use crate::tui::shell::effect::{Effect, Terminal};
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;
use crate::tui::terminal::input::Input;

fn list() -> Model {
    model(80, 24, twelve_runs(), Some(running_data()))
}

fn live() -> Model {
    let mut model = list();
    press(&mut model, &["Enter"]);
    model
}

fn id(n: u64) -> RunId {
    RunId::from_bits(n)
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
    assert_eq!(press(&mut model, &["q"]), [Effect::Terminal(Terminal::Quit)]);
    assert_eq!(press(&mut live(), &["q", "q"]), [Effect::Terminal(Terminal::Quit)]);
    for keys in [&["Ctrl-c"][..], &["?", "Ctrl-c"], &["x", "Ctrl-c"], &["Enter", "Ctrl-c"]] {
        assert_eq!(press(&mut list(), keys), [Effect::Terminal(Terminal::Quit)], "{keys:?}");
    }
    assert_eq!(
        update(&mut list(), Message::Input(Input::Leave)),
        [Effect::Terminal(Terminal::Quit)]
    );
    assert_eq!(press(&mut list(), &["Ctrl-z"]), [Effect::Terminal(Terminal::Suspend)]);
    assert_eq!(press(&mut list(), &["Ctrl-l"]), [Effect::Terminal(Terminal::Redraw)]);
    assert_eq!(
        update(&mut list(), Message::Input(Input::Continued)),
        [Effect::Terminal(Terminal::Redraw)]
    );
}

#[test]
fn requests_go_to_the_selected_run() {
    let ask = |n, name: &str, kind| {
        Effect::Change(Change::Ask { run: id(n), name: name.to_owned(), kind })
    };
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
    let kill = Effect::Change(Change::Kill { run: id(1), name: embedded.to_owned() });
    assert_eq!(press(&mut list(), &["X", "y"]), [kill]);
    let mut done = list();
    press(&mut done, &["j", "j", "X"]);
    assert_eq!(toast(&done).0, "nothing to kill: ser-embedded-s2 is done and has no process");
    let mut new = list();
    press(&mut new, &["n"]);
    assert_eq!((new.screen, new.launch.from.clone()), (Screen::Launch, Some(id(1))));
    let from = Request { base: Base::Run(id(1)), ..Request::default() };
    assert_eq!(press(&mut new, &["Ctrl-s"]), [Effect::Change(Change::Launch(from))]);
    let mut empty = model(80, 24, Vec::new(), None);
    assert_eq!(press(&mut empty, &["Enter"]), [Effect::Change(Change::Launch(Request::default()))]);
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
fn a_frozen_view_shows_the_newest_data_when_it_goes_on() {
    let mut model = list();
    press(&mut model, &["F"]);
    for _ in 0..3 {
        let snapshot = Snapshot::new(NOW_MS, vec![running_row()], None);
        update(&mut model, Message::Read(Read::Snapshot(Box::new(snapshot))));
    }
    assert_eq!(model.runs.rows.len(), 12);
    assert!(picture(&draw(&model)).contains("frozen · 3 newer"));
    press(&mut model, &["F"]);
    assert_eq!(model.runs.rows.len(), 1);
}

#[test]
fn counts_repeat_and_screen_digits_end_none() {
    let cases: [(&[&str], usize); 5] = [
        (&["7", "j"], 7),
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
    assert!(matches!(&effects[..], [Effect::Change(Change::Copy { what, text })]
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
    assert_eq!(update(&mut model, Message::Input(Input::Pasted("xyq".to_owned()))), []);
    assert!(model.overlay.is_none() && model.screen == Screen::Runs);
}

#[test]
fn toasts_fade_and_errors_are_cleaned() {
    let mut model = list();
    update(&mut model, Message::Answer(Answer::Failed("bad \x1b[2J file".to_owned())));
    assert_eq!(toast(&model), ("bad ⟨ESC⟩[2J file", Tone::Error));
    update(&mut model, Message::Tick { now_ms: NOW_MS + 11_000 });
    assert_eq!(model.toast, None);
}
