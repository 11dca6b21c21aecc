//! What keys and messages do on the samples screen.

use crossterm::event::KeyEvent;

use crate::domain::preference::PairId;
use crate::domain::review::{Order, SampleFilter};
use crate::domain::run::{RequestKind, RunId};
use crate::domain::verdict::Verdict;

use super::data::{Find, Found, Request, Target, Wanted};
use super::keys::SamplesCommand as S;
use super::popups::{VIEWS, ask_all, comment_on, open_copy, open_reasons, open_views};
use super::words::{self, REASONS};
use super::{Decided, Pane, Samples, SamplesPrompt, marks, view};
use crate::tui::kit::words::Condition;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::{Command, Key};
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::{Overlay, Prompt, Purpose};
use crate::tui::shell::update::{READ_ONLY, moved, say};

/// Columns that a key moves along lines that are cut.
const N_ASIDE: usize = 16;

/// Prepares the screen for a run.
pub fn open(model: &mut Model, run: RunId, round: Option<u32>, pair: Option<PairId>) {
    let find = pair.map(Find::Pair);
    // What is trained on is what needs a look; a pair that was asked for may be any.
    let filter = if pair.is_some() { "" } else { "selected:yes" }.to_owned();
    let run = Some(run);
    let before = std::mem::take(&mut model.samples);
    let Samples { views, decided, cuts_lines, .. } = before;
    let has_diff = true;
    let opened = Samples { run, round, filter, find, decided, views, ..Samples::default() };
    model.samples = Samples { cuts_lines, has_diff, ..opened };
}

/// What the reader should do next; called after every message.
pub fn follow(model: &mut Model) -> Option<Effect> {
    if model.screen == Screen::Samples && model.samples.run.is_none() {
        // The tab without a way here: the run under the cursor of the list.
        let run = model.runs.rows.get(model.runs.cursor)?.id.clone();
        open(model, run, None, None);
    }
    let n_rows = view::n_list_rows(model.size);
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
        });
    if wanted == samples.asked {
        return None;
    }
    samples.asked.clone_from(&wanted);
    Some(Effect::Samples(wanted.map_or(Request::Hide, Request::Show)))
}

/// What the reader found.
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
                    samples.offset = found.saturating_sub(view::n_list_rows(size) / 2);
                } else if let Some(words) = words::not_found(samples.find, data.round) {
                    samples.find = None;
                    samples.data = Some(data);
                    say(model, Tone::Refused, words);
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
    }
}

/// A digit right after a decision is its reason.
pub fn on_reason(model: &mut Model, event: &KeyEvent) -> Option<Vec<Effect>> {
    let is_here = matches!(model.screen, Screen::Samples | Screen::Live);
    if !is_here || model.overlay.is_some() {
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
        Command::Undo | Command::Redo => {
            let Some(run) = model.samples.run.clone() else { return Vec::new() };
            let is_undo = command == Command::Undo;
            let request = if is_undo { Request::Undo(run) } else { Request::Redo(run) };
            return vec![Effect::Samples(request)];
        }
        Command::Pause => return release(model),
        Command::Copy => open_copy(model),
        Command::Mark => marks::mark(model),
        Command::MarkAll => marks::mark_all(model),
        Command::Range => marks::toggle_range(model),
        Command::Wrap => {
            model.samples.cuts_lines = !model.samples.cuts_lines;
            model.samples.n_left = 0;
            let words = if model.samples.cuts_lines {
                "lines are cut: l and h move along them"
            } else {
                "lines are wrapped"
            };
            return say(model, Tone::Note, words);
        }
        Command::ClearMarks => {
            model.samples.marked.clear();
            model.samples.range_from = None;
        }
        Command::NextPane | Command::PreviousPane => {
            let at = Pane::ALL.iter().position(|pane| *pane == model.samples.pane).unwrap_or(0);
            let step = if command == Command::NextPane { 1 } else { Pane::ALL.len() - 1 };
            model.samples.pane = Pane::ALL[(at + step) % Pane::ALL.len()];
        }
        Command::Zoom => model.samples.is_zoomed = !model.samples.is_zoomed,
        _ => move_cursor(model, command, n),
    }
    Vec::new()
}

fn move_cursor(model: &mut Model, command: Command, n: usize) {
    let n_listed = model.samples.current().map_or(0, |data| data.n_listed);
    let at = match model.samples.pane {
        Pane::List => {
            let to = moved(model, command, model.samples.cursor, n_listed, n);
            go(model, to);
            return;
        }
        Pane::Prompt => 0,
        Pane::A => 1,
        Pane::B => 2,
    };
    let n_lines = view::n_text_lines(model, at);
    let to = moved(model, command, model.samples.scrolled[at], n_lines, n);
    model.samples.scrolled[at] = to;
}

/// Puts the cursor on another line.
pub fn go(model: &mut Model, to: usize) {
    if to != model.samples.cursor {
        model.samples.cursor = to;
        model.samples.scrolled = [0; 3];
        model.samples.n_left = 0;
        model.samples.shows_gold = false;
    }
}

fn on_own(model: &mut Model, command: S) -> Vec<Effect> {
    match command {
        S::Veto => return decide(model, Verdict::Veto),
        S::Keep => return decide(model, Verdict::Keep),
        S::Flip => return decide(model, Verdict::Flip),
        S::VetoAll => ask_all(model, Verdict::Veto),
        S::KeepAll => ask_all(model, Verdict::Keep),
        S::Comment => {
            if let Some(pair) = comment_on(model) {
                let purpose = Purpose::Samples(SamplesPrompt::Comment(pair));
                let prompt = Prompt::new(format!("comment on {pair}"), purpose, "");
                model.overlay = Some(Overlay::Prompt(prompt));
            }
        }
        S::Reason => open_reasons(model),
        S::GiveReason(index) => {
            let pair = comment_on(model);
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
                Order::ALL.into_iter().filter(|order| order.queue().is_none()).collect();
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
            return say(model, Tone::Note, "ordered and filtered again");
        }
        S::PreviousRound | S::NextRound => change_round(model, command),
    }
    Vec::new()
}

/// Another list: the cursor begins at its top, or where there is something to be done.
fn show_list(model: &mut Model, filter: &str, order: Order, find: Option<Find>) {
    let samples = &mut model.samples;
    filter.clone_into(&mut samples.filter);
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
    let filter = model.samples.filter.clone();
    let is_open = model.samples.order == queue;
    let order = if is_open { Order::default() } else { queue };
    let find = (order == Order::Audit).then_some(Find::Undecided);
    show_list(model, &filter, order, find);
    let words = match order {
        Order::Audit => {
            "audit: a random sample of what was selected · a right, x or f wrong · Q ends"
        }
        Order::Teach => "teach: unsure, turned or disputed pairs first · t ends",
        _ => "back to the list",
    };
    say(model, Tone::Note, words);
}

fn change_round(model: &mut Model, command: S) {
    let Some(data) = model.samples.current() else { return };
    let next = match command {
        S::NextRound => data.rounds.iter().find(|round| **round > data.round),
        _ => data.rounds.iter().rev().find(|round| **round < data.round),
    };
    let Some(next) = next.copied() else { return };
    // The same pair in another round is what one wants to see.
    let find = model.samples.selected().map(Find::Pair);
    let (filter, order) = (model.samples.filter.clone(), model.samples.order);
    show_list(model, &filter, order, find);
    model.samples.round = Some(next);
}

/// The pairs of the next decision: the marked ones, or the one under the cursor.
fn targets(samples: &Samples) -> Vec<PairId> {
    if samples.marked.is_empty() {
        samples.selected().into_iter().collect()
    } else {
        samples.marked.iter().copied().collect()
    }
}

fn decide(model: &mut Model, verdict: Verdict) -> Vec<Effect> {
    let Some(run) = model.samples.run.clone() else { return Vec::new() };
    let pairs = targets(&model.samples);
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
        go(model, next);
    }
    vec![Effect::Samples(Request::Decide { run, target: Target::Pairs(pairs), verdict, queue })]
}

/// Shows a decision at once; what the reader sends next is what really holds.
fn show_decided(samples: &mut Samples, pairs: &[PairId], verdict: Verdict) {
    let Some(data) = &mut samples.data else { return };
    for line in data.lines.iter_mut().filter(|line| pairs.contains(&line.pair)) {
        line.verdict = Some(verdict);
        line.reason = None;
    }
}

/// `p`: a run that waits for review goes on; another one pauses or resumes.
fn release(model: &mut Model) -> Vec<Effect> {
    let Some(row) = model.current() else { return Vec::new() };
    let (run, name) = (row.id.clone(), row.name.clone());
    let is_held = Condition::of(row) == Condition::Paused;
    let kind = if is_held { RequestKind::Resume } else { RequestKind::Pause };
    vec![Effect::Ask { run, name, kind }]
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
            Err(_) => say(model, Tone::Refused, format!("`{text}` is not the number of a pair")),
        },
    }
}

/// Why a command cannot act now.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let writes = matches!(
        command,
        Command::Undo
            | Command::Redo
            | Command::Samples(
                S::Veto | S::Keep | S::Flip | S::VetoAll | S::KeepAll | S::Comment | S::Reason
            )
    );
    if model.is_read_only && writes {
        return Some(READ_ONLY.to_owned());
    }
    let samples = &model.samples;
    let Some(data) = samples.current() else {
        let needs = writes
            || matches!(
                command,
                Command::Samples(_) | Command::Filter | Command::Copy | Command::Export
            );
        return needs.then(|| "no pair of this run was scored yet".to_owned());
    };
    match command {
        Command::Undo if data.undo.is_none() => Some("nothing to undo".to_owned()),
        Command::Redo if data.redo.is_none() => Some("nothing to redo".to_owned()),
        Command::ClearMarks if samples.marked.is_empty() && samples.range_from.is_none() => {
            Some("nothing is marked".to_owned())
        }
        Command::Samples(S::Left | S::Right) if !samples.cuts_lines => {
            Some("lines are wrapped: nothing is beside them · W cuts them".to_owned())
        }
        Command::Samples(S::Comment | S::Reason) if comment_on(model).is_none() => {
            Some("decide first: x veto, a keep or f flip".to_owned())
        }
        Command::Samples(S::PreviousRound) if data.rounds.first() == Some(&data.round) => {
            Some(format!("round {} is the first with a selection", data.round))
        }
        Command::Samples(S::NextRound) if data.rounds.last() == Some(&data.round) => {
            Some(format!("round {} is the latest with a selection", data.round))
        }
        Command::Filter if samples.order == Order::Audit => {
            Some("a filtered sample is not random any more · Q leaves the audit".to_owned())
        }
        Command::Samples(S::Veto | S::Keep | S::Flip | S::VetoAll | S::KeepAll)
            if data.n_listed == 0 =>
        {
            Some("the list is empty".to_owned())
        }
        // The cursor is ahead of what was read: a decision would be about nothing, and yet a step
        // that an undo finds no rows of.
        Command::Samples(S::Veto | S::Keep | S::Flip | S::MarkLike)
            if targets(samples).is_empty() =>
        {
            Some("this pair is still being read".to_owned())
        }
        _ => None,
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
            show_list(model, text, order, None);
            None
        }
        Err(error) => Some(words::filter_error(&error)),
    }
}
