//! What lies over the samples screen: views, reasons, what can be copied, and the question before a
//! bulk decision.

use crate::domain::review::Order;
use crate::domain::run::RunId;
use crate::domain::text::clean::clean_line;
use crate::domain::verdict::Verdict;

use super::command::SamplesCommand as S;
use crate::tui::feed::change::Change;
use crate::tui::feed::samples::{Request, Target};
use crate::tui::kit::decisions::REASONS;
use crate::tui::kit::text::count;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::export::copy_items;
use crate::tui::shell::keymap::command::Command;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Then};

/// Lists with a name: key, name, filter, order.
pub const VIEWS: [(char, &str, &str, Order); 9] = [
    ('a', "everything", "", Order::LeastConfident),
    ('n', "near the threshold", "near:.02", Order::LeastConfident),
    ('s', "selected, not reviewed", "selected:yes verdict:none", Order::LeastConfident),
    ('t', "turned since the round before", "flipped:yes", Order::Change),
    ('l', "the longer answer wins", "longer:yes selected:yes", Order::Longest),
    ('o', "left out though sure", "selected:no confidence>.9", Order::MostConfident),
    ('x', "vetoed", "verdict:veto", Order::LeastConfident),
    ('f', "flipped", "verdict:flip", Order::LeastConfident),
    ('k', "kept", "verdict:keep", Order::LeastConfident),
];

/// Asks before everything that is listed is decided at once.
pub fn ask_all(model: &mut Model, verdict: Verdict) {
    let (Some(data), Some(run)) = (model.samples.current(), model.samples.run.clone()) else {
        return;
    };
    let verb = if verdict == Verdict::Veto { "veto" } else { "keep" };
    let n = count(data.n_listed as u64);
    let what = match (model.samples.order.queue(), model.samples.filter.is_empty()) {
        (Some(queue), _) => format!("the whole {} queue", queue.name()),
        (None, true) => "no filter: every scored pair of this round".to_owned(),
        (None, false) => model.samples.filter.clone(),
    };
    // A bulk decision is no look at a random pair.
    let target = Target::Listed(data.n_listed);
    let request = Request::Decide { run, target, verdict, queue: None, judged: None };
    model.overlay = Some(Overlay::Confirm {
        question: format!("{verb} all {n} pairs of this list?"),
        detail: format!("{what} · one step: u takes all of it back"),
        then: Then::Effect(Effect::Samples(request)),
    });
}

/// Lists with a name: those of this program and those of the config file.
pub fn open_views(model: &mut Model) {
    let items = VIEWS.iter().enumerate().map(|(index, (key, name, filter, _))| ChoiceItem {
        key: Some(*key),
        label: (*name).to_owned(),
        detail: (*filter).to_owned(),
        then: Then::Command(Command::Samples(S::View(index))),
    });
    let own = model.samples.views.iter().enumerate().map(|(index, (name, filter))| ChoiceItem {
        key: char::from_digit(index as u32 + 1, 10),
        label: name.clone(),
        detail: clean_line(filter),
        then: Then::Command(Command::Samples(S::View(VIEWS.len() + index))),
    });
    let items = items.chain(own).collect();
    model.overlay = Some(Overlay::Choice(Choice { title: "views".to_owned(), items, cursor: 0 }));
}

/// Reasons for the latest decision, or for the one under the cursor.
pub fn open_reasons(model: &mut Model) {
    let Some(pair) = model.samples.comment_on() else { return };
    let items = REASONS.iter().enumerate().map(|(index, reason)| ChoiceItem {
        key: char::from_digit(index as u32 + 1, 10),
        label: (*reason).to_owned(),
        detail: String::new(),
        then: Then::Command(Command::Samples(S::GiveReason(index))),
    });
    let (title, items) = (format!("why, for {pair}"), items.collect());
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
}

/// What of the pair can be copied.
pub fn open_copy(model: &mut Model) {
    let Some(pair) = model.samples.current().and_then(|data| data.pair.as_deref()) else { return };
    let sample = &pair.sample;
    let item = |key: char, label: &str, text: String| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: clean_line(&text),
        then: Then::Effect(Effect::Change(Change::Copy {
            what: format!("{label} of {}", sample.pair),
            text,
        })),
    };
    let run = model.samples.run.as_ref().map_or("", RunId::as_str);
    let mut items = vec![
        item('y', "id", sample.pair.to_string()),
        item('p', "prompt", sample.prompt.clone()),
        item('a', "answer A", sample.response_a.clone()),
        item('b', "answer B", sample.response_b.clone()),
        item('c', "command", format!("ser veto {run} {}", sample.pair)),
    ];
    items.extend(copy_items(model));
    model.overlay = Some(Overlay::Choice(Choice { title: "copy".to_owned(), items, cursor: 0 }));
}
