//! What keys do while a person judges a policy.

use crate::domain::policy::judging::{ByPlace, Matchup, Said};
use crate::store::judging::NewVerdict;

use super::{Judging, JudgingCommand, Sitting};
use crate::tui::feed::policy::{PolicyData, ShownGame};
use crate::tui::feed::samples::Request;
use crate::tui::shell::chosen::Chosen;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::command::{Command, Motion};
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Then};

/// Asks whose answers are to be judged against the policy's; begins at once where there is only the
/// reference.
pub fn open(model: &mut Model) -> Vec<Effect> {
    let data = model.current_data().and_then(|data| data.policy.as_ref());
    let Some(items) = data.map(|data| items(data, &model.samples.judging.reviewer)) else {
        return Vec::new();
    };
    let mut items = items;
    if items.len() == 1
        && let Some(ChoiceItem { then: Then::Chosen(Chosen::Judge(matchup)), .. }) = items.pop()
    {
        return begin(model, matchup);
    }
    let title = "judge blind against".to_owned();
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
    Vec::new()
}

/// The reference, other policies, and what this person has begun at another step.
fn items(data: &PolicyData, me: &str) -> Vec<ChoiceItem> {
    let step = data.judged_step();
    let reference = Matchup { step, other: None, other_step: 0 };
    let mut found = Vec::new();
    if step > 0 {
        let what = "its reference".to_owned();
        found.push((Some('r'), what, "the answers before the first step".to_owned(), reference));
    }
    for (key, other) in ('1'..='9').map(Some).chain(std::iter::repeat(None)).zip(&data.opponents) {
        let detail = format!("its answers after step {}", other.step);
        let (other_step, name) = (other.step, other.name.clone());
        let matchup = Matchup { step, other: Some(other.run.clone()), other_step };
        found.push((key, name, detail, matchup));
    }
    for begun in &data.people {
        let n_mine = begun.by_reviewer.get(me).copied().unwrap_or(0);
        let is_listed = found.iter().any(|(_, _, _, matchup)| *matchup == begun.matchup);
        if is_listed || n_mine == 0 {
            continue;
        }
        let name = begun.other.clone().unwrap_or_else(|| "its reference".to_owned());
        let Matchup { step, other_step, .. } = begun.matchup;
        let detail = format!("begun: step {step} against step {other_step}");
        found.push((None, name, detail, begun.matchup.clone()));
    }
    let item = |(key, label, detail, matchup): (Option<char>, String, String, Matchup)| {
        let begun = data.people.iter().find(|it| it.matchup == matchup);
        let n_mine = begun.and_then(|it| Some((it.by_reviewer.get(me)?, it.n_prompts)));
        let done = n_mine.map_or(String::new(), |(n, all)| format!(" · {n} of {all} judged"));
        let then = Then::Chosen(Chosen::Judge(matchup));
        ChoiceItem { key, label, detail: format!("{detail}{done}"), then }
    };
    found.into_iter().map(item).collect()
}

/// Shows the first game that this person has not judged yet.
pub fn begin(model: &mut Model, matchup: Matchup) -> Vec<Effect> {
    model.policy.judging = Some(Judging::new(matchup));
    Vec::new()
}

/// Ends the sitting; whether there was one.
pub fn leave(model: &mut Model) -> bool {
    let sitting = Sitting::of(model);
    let n_open = sitting.as_ref().map_or(0, Sitting::n_open);
    let n_asked = sitting.as_ref().map_or(0, Sitting::n_asked);
    if model.policy.judging.take().is_none() {
        return false;
    }
    if n_open > 0 {
        let words = format!("{} of {n_asked} judged · b goes on where you left", n_asked - n_open);
        model.say(Tone::Note, words);
    }
    true
}

/// Does a command while a person judges.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    match command {
        Command::Judging(JudgingCommand::Say(by_place)) => say(model, by_place),
        Command::Judging(JudgingCommand::Reveal) => ask_to_reveal(model),
        Command::Undo => take_back(model),
        Command::Move(motion) => {
            scroll(model, motion, n);
            Vec::new()
        }
        Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::List(_)
        | Command::Pane(_)
        | Command::Worker(_)
        | Command::Redo
        | Command::Copy
        | Command::Wrap
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Samples(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Policy(_) => Vec::new(),
    }
}

fn say(model: &mut Model, by_place: ByPlace) -> Vec<Effect> {
    let Some(sitting) = Sitting::of(model) else { return Vec::new() };
    let Some(at) = sitting.at() else { return Vec::new() };
    let games = &sitting.data.games;
    let judged = NewVerdict {
        pair: games[at].texts.pair,
        said: Some(by_place.said(games[at].is_left)),
        is_left: games[at].is_left,
    };
    let is_last = sitting.n_open() == 1;
    // Whoever stops early has judged a random sample, in which ties of the same words have their share.
    let n_passed = if is_last { games.len() } else { at };
    let mut verdicts = if judged.said == Some(Said::Skip) {
        // They come with the next verdict: one that is passed over says nothing yet.
        Vec::new()
    } else {
        same_words(&sitting, &games[..n_passed])
    };
    verdicts.push(judged);
    record(model, verdicts)
}

/// Ties for the games of the same words that were passed over.
fn same_words(sitting: &Sitting<'_>, games: &[ShownGame]) -> Vec<NewVerdict> {
    let is_new = |it: &&ShownGame| it.texts.is_same() && sitting.judging.said_of(it).is_none();
    let tie = |it: &ShownGame| NewVerdict {
        pair: it.texts.pair,
        said: Some(Said::Tie),
        is_left: it.is_left,
    };
    games.iter().filter(is_new).map(tie).collect()
}

/// Keeps verdicts, the one of the game on the screen last.
fn record(model: &mut Model, verdicts: Vec<NewVerdict>) -> Vec<Effect> {
    let Some(run) = model.policy.run.clone() else { return Vec::new() };
    let Some(judging) = &mut model.policy.judging else { return Vec::new() };
    judging.said.extend(verdicts.iter().map(|it| (it.pair, it.said)));
    if let Some(NewVerdict { pair, said: Some(_), .. }) = verdicts.last() {
        judging.done.push(*pair);
    }
    (judging.scrolled, judging.cursor) = (0, 0);
    let matchup = judging.matchup.clone();
    vec![Effect::Samples(Request::JudgeGames { run, matchup, verdicts })]
}

fn take_back(model: &mut Model) -> Vec<Effect> {
    let Some(judging) = &mut model.policy.judging else { return Vec::new() };
    let Some(pair) = judging.done.pop() else { return Vec::new() };
    let Some(sitting) = Sitting::of(model) else { return Vec::new() };
    let game = sitting.data.games.iter().find(|game| game.texts.pair == pair);
    let Some(is_left) = game.map(|game| game.is_left) else { return Vec::new() };
    record(model, vec![NewVerdict { pair, said: None, is_left }])
}

fn ask_to_reveal(model: &mut Model) -> Vec<Effect> {
    let n_open = Sitting::of(model).map_or(0, |sitting| sitting.n_open());
    let prompts = if n_open == 1 { "prompt is" } else { "prompts are" };
    model.overlay = Some(Overlay::Confirm {
        question: "end here and tell which side was which?".to_owned(),
        detail: format!("{n_open} {prompts} left: you skip them for good"),
        then: Then::Chosen(Chosen::Reveal),
    });
    Vec::new()
}

/// Skips what is left, so that everything can be told.
pub fn reveal(model: &mut Model) -> Vec<Effect> {
    let Some(sitting) = Sitting::of(model) else { return Vec::new() };
    let is_left_open = |it: &&ShownGame| sitting.judging.said_of(it).is_none();
    let skip = |it: &ShownGame| NewVerdict {
        pair: it.texts.pair,
        said: Some(Said::Skip),
        is_left: it.is_left,
    };
    let verdicts = sitting.data.games.iter().filter(is_left_open).map(skip).collect();
    record(model, verdicts)
}

fn scroll(model: &mut Model, motion: Motion, n: usize) {
    let Some(sitting) = Sitting::of(model) else { return };
    let n_games = sitting.data.games.len();
    let n_lines = match sitting.at() {
        None => 0,
        // At least ten characters stand in a line.
        Some(at) => {
            let texts = &sitting.data.games[at].texts;
            let lines =
                |text: &str| -> usize { text.lines().map(|it| 1 + it.chars().count() / 10).sum() };
            lines(&texts.own.text).max(lines(&texts.other.text))
        }
    };
    let (scrolled, cursor) = (sitting.judging.scrolled, sitting.judging.cursor);
    let scrolled = model.moved(motion, scrolled, n_lines, n);
    let cursor = model.moved(motion, cursor, n_games, n);
    let Some(judging) = &mut model.policy.judging else { return };
    if n_lines > 0 {
        judging.scrolled = scrolled;
    } else {
        judging.cursor = cursor;
    }
}
