//! What keys and messages do on the samples screen.

use crossterm::event::KeyEvent;

use crate::domain::preference::{PairId, Side};
use crate::domain::review::{Order, SampleFilter};
use crate::domain::verdict::Verdict;

use super::command::SamplesCommand as S;
use super::layout::{n_list_rows, n_text_lines};
use super::popups::{VIEWS, ask_all, open_copy, open_reasons, open_views};
use super::{Decided, Pane, Samples, SamplesPrompt, marks, open, queue, words};
use crate::tui::feed::samples::{Find, Found, Request, Target, Wanted};
use crate::tui::kit::decisions::REASONS;
use crate::tui::kit::key::Key;
use crate::tui::shell::current_run;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::command::{Command, ListCommand, Motion, PaneCommand};
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::{Overlay, Prompt, Purpose};

/// Columns that a key moves along lines that are cut.
const N_ASIDE: usize = 16;

/// What the reviewer should do next; called after every message.
pub fn follow(model: &mut Model) -> Option<Effect> {
    queue::note_seen(&mut model.samples);
    if model.screen == Screen::Samples && model.samples.run.is_none() {
        // The tab without a way here: the run under the cursor of the list.
        let run = model.runs.rows.get(model.runs.cursor)?.id.clone();
        open::open(model, run, None, None);
    }
    let n_rows = n_list_rows(model.size);
    let samples = &mut model.samples;
    let n_listed = samples.current().map_or(0, |data| data.n_listed);
    if n_listed > 0 {
        samples.cursor = samples.cursor.min(n_listed - 1);
    }
    let lowest = (samples.cursor + 1).saturating_sub(n_rows);
    let last = n_listed.saturating_sub(n_rows).max(lowest);
    samples.offset = samples.offset.clamp(lowest, samples.cursor.max(lowest)).min(last);
    let wanted =
        samples.run.clone().filter(|_| model.screen == Screen::Samples).map(|run| Wanted {
            run,
            round: samples.round,
            filter: samples.filter.clone(),
            order: samples.order,
            n_refreshed: samples.n_refreshed,
            first: samples.offset.saturating_sub(n_rows),
            n: 3 * n_rows,
            cursor: samples.cursor,
            find: samples.find,
            is_second: samples.is_queue() && samples.judging.is_second,
        });
    if wanted == samples.asked {
        return None;
    }
    samples.asked.clone_from(&wanted);
    Some(Effect::Samples(wanted.map_or(Request::Hide, Request::Show)))
}

/// What the reviewer found.
pub fn take(model: &mut Model, found: Found) {
    let size = model.size;
    let samples = &mut model.samples;
    match found {
        Found::Failed(words) => samples.failure = Some(words),
        Found::Nothing(run) => {
            samples.failure = None;
            if samples.run.as_ref() == Some(&run) {
                samples.data = None;
                samples.has_none = true;
            }
        }
        Found::Data(data) if Some(&data.run) == samples.run.as_ref() => {
            samples.failure = None;
            samples.has_none = false;
            if samples.find.is_some() && data.wanted.find == samples.find {
                if let Some(found) = data.found {
                    samples.cursor = found;
                    // In the middle, so that its neighbors are seen.
                    samples.offset = found.saturating_sub(n_list_rows(size) / 2);
                } else if let Some(words) = words::not_found(samples.find, data.round) {
                    samples.find = None;
                    samples.data = Some(data);
                    model.say(Tone::Refused, words);
                    return;
                }
                samples.find = None;
            }
            if samples.round.is_none() {
                // A new round must not take the list away from under a review.
                samples.round = Some(data.round);
            }
            samples.data = Some(data);
        }
        Found::Like { run, pair, found } => marks::mark_like(model, &run, pair, found),
        Found::Data(_) => {}
        Found::Recorded(words) => drop(model.say(Tone::Note, words)),
        Found::Refused(words) => drop(model.say(Tone::Error, words)),
    }
}

/// A digit right after a decision is its reason.
pub fn on_reason(model: &mut Model, event: &KeyEvent) -> Option<Vec<Effect>> {
    let is_here = matches!(model.screen, Screen::Samples | Screen::Live);
    // In a queue digits judge; `r` asks for the reason there.
    let judges = model.screen == Screen::Samples && model.samples.is_queue();
    if !is_here || judges || model.overlay.is_some() {
        return None;
    }
    if !std::mem::take(&mut model.samples.takes_reason) {
        return None;
    }
    let Some(Key::Char(digit @ '1'..='9')) = Key::of(event) else { return None };
    let Decided { run, pair } = model.samples.decided.clone()?;
    let reason = REASONS[digit as usize - '1' as usize].to_owned();
    let amend = Request::Amend { run, pair, reason: Some(reason), comment: None };
    Some(vec![Effect::Samples(amend)])
}

/// Does a command, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    match command {
        Command::Samples(command) => return on_own(model, command),
        Command::Move(motion) => move_cursor(model, motion, n),
        Command::List(command) => on_list(model, command),
        Command::Pane(command) => on_pane(model, command),
        Command::Worker(command) => return current_run::on_worker(model, command),
        Command::Undo | Command::Redo => {
            let Some(run) = model.samples.run.clone() else { return Vec::new() };
            let is_undo = command == Command::Undo;
            find_undone(&mut model.samples, is_undo);
            let request = if is_undo { Request::Undo(run) } else { Request::Redo(run) };
            return vec![Effect::Samples(request)];
        }
        Command::Copy => open_copy(model),
        Command::Wrap => {
            model.samples.cuts_lines = !model.samples.cuts_lines;
            model.samples.n_left = 0;
            let words = if model.samples.cuts_lines {
                "lines are cut: l and h move along them"
            } else {
                "lines are wrapped"
            };
            return model.say(Tone::Note, words);
        }
        Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Policy(_)
        | Command::Judging(_) => {}
    }
    Vec::new()
}

fn on_list(model: &mut Model, command: ListCommand) {
    match command {
        ListCommand::Mark => marks::mark(model),
        ListCommand::MarkAll => marks::mark_all(model),
        ListCommand::Range => marks::toggle_range(model),
        ListCommand::ClearMarks => {
            model.samples.marked.clear();
            model.samples.range_from = None;
        }
    }
}

fn on_pane(model: &mut Model, command: PaneCommand) {
    let samples = &mut model.samples;
    let mut panes = Pane::ALL;
    if samples.selected().is_some_and(|pair| samples.left(pair) == Side::B) {
        // From left to right.
        panes.swap(2, 3);
    }
    let n_panes = panes.len();
    let at = panes.iter().position(|pane| *pane == samples.pane).unwrap_or(0);
    match command {
        PaneCommand::Next => samples.pane = panes[(at + 1) % n_panes],
        PaneCommand::Previous => samples.pane = panes[(at + n_panes - 1) % n_panes],
        PaneCommand::Zoom => samples.is_zoomed = !samples.is_zoomed,
    }
}

fn move_cursor(model: &mut Model, motion: Motion, n: usize) {
    let n_listed = model.samples.current().map_or(0, |data| data.n_listed);
    let at = match model.samples.pane {
        Pane::List if motion == Motion::Down && n == 1 && model.samples.judging.has_stepped => {
            model.samples.judging.has_stepped = false;
            model.say(Tone::Note, "your key has gone to this pair already · j again goes on");
            return;
        }
        Pane::List => {
            let to = model.moved(motion, model.samples.cursor, n_listed, n);
            model.samples.go(to);
            return;
        }
        Pane::Prompt => 0,
        Pane::A => 1,
        Pane::B => 2,
    };
    let n_lines = n_text_lines(model, at);
    let to = model.moved(motion, model.samples.scrolled[at], n_lines, n);
    model.samples.scrolled[at] = to;
}

fn on_own(model: &mut Model, command: S) -> Vec<Effect> {
    match command {
        S::Judge(choice) => return queue::judge(model, choice),
        S::Skip => {
            let at = model.samples.cursor;
            queue::next_open(&mut model.samples);
            if model.samples.cursor == at {
                return model.say(Tone::Refused, "no pair after this one is open");
            }
        }
        S::Blind => return queue::toggle_blind(model),
        S::SecondOpinion => return queue::toggle_second(model),
        S::Guidelines => queue::toggle_guidelines(model),
        S::Veto => return decide(model, Verdict::Veto),
        S::Keep => return decide(model, Verdict::Keep),
        S::Flip => return decide(model, Verdict::Flip),
        S::VetoAll => ask_all(model, Verdict::Veto),
        S::KeepAll => ask_all(model, Verdict::Keep),
        S::Comment => {
            if let Some(pair) = model.samples.comment_on() {
                let purpose = Purpose::Samples(SamplesPrompt::Comment(pair));
                let prompt = Prompt::new(format!("comment on {pair}"), purpose, "");
                model.overlay = Some(Overlay::Prompt(prompt));
            }
        }
        S::Reason => open_reasons(model),
        S::GiveReason(index) => {
            let pair = model.samples.comment_on();
            if let (Some(pair), Some(run)) = (pair, model.samples.run.clone()) {
                let reason = REASONS.get(index).map(|reason| (*reason).to_owned());
                return vec![Effect::Samples(Request::Amend { run, pair, reason, comment: None })];
            }
        }
        S::NextOpen => model.samples.find = Some(Find::OpenFrom(model.samples.cursor + 1)),
        S::PreviousOpen => model.samples.find = Some(Find::OpenBefore(model.samples.cursor)),
        S::GoTo => {
            let prompt = Prompt::new("pair", Purpose::Samples(SamplesPrompt::GoTo), "");
            model.overlay = Some(Overlay::Prompt(prompt));
        }
        S::Audit => toggle_queue(model, Order::Audit),
        S::Teach => toggle_queue(model, Order::Teach),
        S::Sort => {
            let plain: Vec<Order> =
                Order::ALL.iter().copied().filter(|order| order.queue().is_none()).collect();
            let at = plain.iter().position(|order| *order == model.samples.order);
            let next = plain[at.map_or(0, |at| (at + 1) % plain.len())];
            let filter = model.samples.filter.clone();
            show_list(model, &filter, next, None);
        }
        S::Views => open_views(model),
        S::View(index) => {
            if let Some((_, _, filter, order)) = VIEWS.get(index) {
                show_list(model, filter, *order, None);
            } else if let Some((_, filter)) = model.samples.views.get(index - VIEWS.len()) {
                let filter = filter.clone();
                show_list(model, &filter, Order::default(), None);
            }
        }
        S::MarkLike => return marks::find_like(model),
        S::Right => model.samples.n_left += N_ASIDE,
        S::Left => model.samples.n_left = model.samples.n_left.saturating_sub(N_ASIDE),
        S::Diff => model.samples.has_diff = !model.samples.has_diff,
        S::Gold => model.samples.shows_gold = !model.samples.shows_gold,
        S::Refresh => {
            model.samples.n_refreshed += 1;
            return model.say(Tone::Note, "ordered and filtered again");
        }
        S::PreviousRound => change_round(model, false),
        S::NextRound => change_round(model, true),
    }
    Vec::new()
}

/// Another list: the cursor begins at its top, or where there is something to be done.
fn show_list(model: &mut Model, filter: &str, order: Order, find: Option<Find>) {
    let samples = &mut model.samples;
    filter.clone_into(&mut samples.filter);
    if order != samples.order {
        samples.judging.last = None;
    }
    samples.order = order;
    samples.find = find;
    samples.cursor = 0;
    samples.offset = 0;
    samples.scrolled = [0; 3];
    samples.shows_gold = false;
    samples.range_from = None;
    samples.n_refreshed += 1;
}

fn toggle_queue(model: &mut Model, queue: Order) {
    let is_open = model.samples.order == queue;
    if !model.samples.is_queue() {
        model.samples.judging.filter_before = model.samples.filter.clone();
    }
    // A queue begins with all that is in it, as `ser samples --queue` lists it.
    let filter = if is_open { model.samples.judging.filter_before.clone() } else { String::new() };
    let order = if is_open { Order::default() } else { queue };
    model.samples.marked.clear();
    model.samples.is_zoomed = false;
    model.samples.pane = Pane::List;
    model.samples.judging.shows_guidelines = false;
    let find = order.queue().map(|_| Find::Undecided);
    show_list(model, &filter, order, find);
    let words = match order {
        Order::Audit => {
            "audit: a random sample of what was selected · which answer is better? · Q ends"
        }
        Order::Teach => {
            "teach: unsure, turned or disputed pairs first · which answer is better? · t ends"
        }
        Order::LeastConfident
        | Order::MostConfident
        | Order::Change
        | Order::Longest
        | Order::Pair => "back to the list",
    };
    model.say(Tone::Note, words);
}

/// Goes back to the pair whose decision is taken back or brought back, where it was a single one.
fn find_undone(samples: &mut Samples, is_undo: bool) {
    samples.judging.last = None;
    let batch = samples
        .current()
        .and_then(|data| if is_undo { data.undo.as_ref() } else { data.redo.as_ref() });
    let pair = batch.filter(|batch| batch.n_pairs == 1).map(|batch| batch.pair);
    if let Some(pair) = pair.filter(|_| samples.is_queue()) {
        samples.find = Some(Find::Pair(pair));
    }
}

fn change_round(model: &mut Model, is_next: bool) {
    let Some(data) = model.samples.current() else { return };
    let next = if is_next {
        data.rounds.iter().find(|round| **round > data.round)
    } else {
        data.rounds.iter().rev().find(|round| **round < data.round)
    };
    let Some(next) = next.copied() else { return };
    // The same pair in another round is what one wants to see.
    let find = model.samples.selected().map(Find::Pair);
    let (filter, order) = (model.samples.filter.clone(), model.samples.order);
    show_list(model, &filter, order, find);
    model.samples.round = Some(next);
}

fn decide(model: &mut Model, verdict: Verdict) -> Vec<Effect> {
    let Some(run) = model.samples.run.clone() else { return Vec::new() };
    let pairs = model.samples.targets();
    let samples = &mut model.samples;
    let queue = samples.order.queue().filter(|_| samples.marked.is_empty());
    show_decided(samples, &pairs, verdict);
    let is_one = samples.marked.is_empty();
    samples.marked.clear();
    samples.range_from = None;
    samples.takes_reason = is_one && verdict != Verdict::Keep;
    let decided = pairs.first().filter(|_| is_one);
    samples.decided = decided.map(|pair| Decided { run: run.clone(), pair: *pair });
    let next = samples.cursor + 1;
    if is_one && samples.current().is_some_and(|data| next < data.n_listed) {
        samples.go(next);
        samples.judging.has_stepped = true;
    }
    let target = Target::Pairs(pairs);
    vec![Effect::Samples(Request::Decide { run, target, verdict, queue, judged: None })]
}

/// Shows a decision at once; what the reviewer sends next is what really holds.
fn show_decided(samples: &mut Samples, pairs: &[PairId], verdict: Verdict) {
    let Some(data) = &mut samples.data else { return };
    for line in data.lines.iter_mut().filter(|line| pairs.contains(&line.pair)) {
        line.verdict = Some(verdict);
        line.reason = None;
    }
}

/// The text of a prompt of this screen was taken.
pub fn on_text(model: &mut Model, prompt: SamplesPrompt, text: &str) -> Vec<Effect> {
    match prompt {
        SamplesPrompt::Comment(pair) => {
            let Some(run) = model.samples.run.clone() else { return Vec::new() };
            let comment = Some(text.to_owned());
            vec![Effect::Samples(Request::Amend { run, pair, reason: None, comment })]
        }
        SamplesPrompt::GoTo => match text.trim().parse() {
            Ok(pair) => {
                model.samples.find = Some(Find::Pair(PairId(pair)));
                Vec::new()
            }
            Err(_) => model.say(Tone::Refused, format!("`{text}` is not the number of a pair")),
        },
    }
}

/// The text of the filter.
pub fn filter(model: &Model) -> String {
    model.samples.filter.clone()
}

/// The text of the filter has changed; what is wrong with it.
pub fn on_filter(model: &mut Model, text: &str) -> Option<String> {
    match SampleFilter::parse(text) {
        Ok(_) => {
            let order = model.samples.order;
            show_list(model, text.trim(), order, None);
            None
        }
        Err(error) => Some(error.to_string()),
    }
}
