//! Draws a sitting: a prompt and two answers without a name, or, once all is judged, whose they were.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::judging::PeopleVerdict;
use crate::domain::policy::judging::{Matchup, Said};
use crate::domain::policy::win::Game;
use crate::report::story::of_policy;

use super::super::answers::{question, trimmed};
use super::Sitting;
use crate::tui::feed::policy::{PolicyData, ShownGame};
use crate::tui::kit::draw::{draw_lines, put, put_right, rule};
use crate::tui::kit::text;
use crate::tui::shell::model::Model;

/// Lines of a text that are wrapped at most.
const N_LINES_MAX: usize = 2_000;
/// Columns of a verdict in the list.
const N_SAID: usize = 12;

/// Draws the sitting in the place of the screen.
pub fn draw(model: &Model, policy: &PolicyData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(sitting) = Sitting::of(model) else {
        put(buffer, area, 1, Line::styled("  reading the answers …", theme.dim));
        return;
    };
    if sitting.data.games.is_empty() {
        let words = "  these two answered no prompt in common · Esc leaves";
        put(buffer, area, 1, Line::styled(words, theme.dim));
        return;
    }
    draw_head(model, policy, &sitting, area, buffer);
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    match sitting.at() {
        Some(at) => draw_game(model, &sitting, &sitting.data.games[at], below, buffer),
        None => draw_revealed(model, policy, &sitting, below, buffer),
    }
}

/// `judging blind · step 20 against its reference · 12 of 57 judged`
fn draw_head(
    model: &Model,
    policy: &PolicyData,
    sitting: &Sitting<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    let Matchup { step, .. } = sitting.judging.matchup;
    let (_, other) = names(policy, sitting);
    let n_asked = sitting.n_asked();
    let n_skipped = sitting.n_skipped();
    let n_judged = n_asked - sitting.n_open() - n_skipped;
    let n_same = sitting.data.games.len() - n_asked;
    let skipped = match n_skipped {
        0 => String::new(),
        n => format!(", {n} skipped"),
    };
    let words = format!(
        " judging blind · step {step} against {other} · {n_judged} of {n_asked} judged{skipped}"
    );
    let who = format!("{} ", model.samples.judging.reviewer);
    let room = usize::from(area.width).saturating_sub(text::width(&who) + 1);
    let ties = match n_same {
        0 => String::new(),
        1 => " · 1 tie of the same words is not shown".to_owned(),
        n => format!(" · {n} ties of the same words are not shown"),
    };
    let ways = [format!("{words}{ties}"), words.clone()];
    let words = text::cut(text::first_that_fits(&ways, room), room);
    put(buffer, area, 0, Line::styled(words, theme.heading));
    put_right(buffer, area, 0, Line::styled(who, theme.dim));
}

/// What the two are called.
fn names(policy: &PolicyData, sitting: &Sitting<'_>) -> (String, String) {
    let own = "the policy".to_owned();
    let Some(other) = &sitting.judging.matchup.other else {
        return (own, "its reference".to_owned());
    };
    let found = policy.opponents.iter().find(|it| it.run == *other);
    (own, found.map_or_else(|| other.to_string(), |it| it.name.clone()))
}

/// The prompt, and the two answers without anything that says whose they are.
fn draw_game(
    model: &Model,
    sitting: &Sitting<'_>,
    game: &ShownGame,
    area: Rect,
    buffer: &mut Buffer,
) {
    let [left, right] = sides(game);
    let answers = draw_prompt(model, game, area, buffer);
    let scrolled = sitting.judging.scrolled;
    draw_sides(model, [("1 left", left), ("2 right", right)], scrolled, answers, buffer);
}

/// The texts as they stand.
fn sides(game: &ShownGame) -> [&str; 2] {
    let (own, other) = (game.texts.own.text.as_str(), game.texts.other.text.as_str());
    if game.is_left { [own, other] } else { [other, own] }
}

/// Draws the end of the prompt, which the answers answer; returns what is below.
fn draw_prompt(model: &Model, game: &ShownGame, area: Rect, buffer: &mut Buffer) -> Rect {
    let lines = text::wrap(
        trimmed(&game.texts.prompt),
        usize::from(area.width.saturating_sub(1)),
        N_LINES_MAX,
    );
    let n_prompt = (lines.len() as u16).min(area.height / 3).max(1);
    let prompt = Rect { height: (n_prompt + 1).min(area.height), ..area };
    rule(buffer, prompt, 0, &model.theme, "prompt");
    let last = &lines[lines.len().saturating_sub(usize::from(n_prompt))..];
    draw_lines(last, |_| model.theme.text, prompt, buffer);
    Rect { y: prompt.bottom(), height: area.height - prompt.height, ..area }
}

/// Two texts beside each other, each below its name.
fn draw_sides(
    model: &Model,
    sides: [(&str, &str); 2],
    scrolled: usize,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    if area.height == 0 {
        return;
    }
    let half = area.width / 2;
    let left = Rect { width: half.saturating_sub(1), ..area };
    let right = Rect { x: area.x + half, width: area.width - half, ..area };
    for ((name, words), area) in sides.into_iter().zip([left, right]) {
        rule(buffer, area, 0, theme, name);
        let words = words.trim();
        if words.is_empty() {
            put(buffer, area, 1, Line::styled("(empty)", theme.dim));
            continue;
        }
        let lines = text::wrap(words, usize::from(area.width.saturating_sub(1)), N_LINES_MAX);
        let from = scrolled.min(lines.len().saturating_sub(1));
        draw_lines(&lines[from..], |_| theme.text, area, buffer);
    }
}

/// What was said in one sentence, then game by game whose answer stood where.
fn draw_revealed(
    model: &Model,
    policy: &PolicyData,
    sitting: &Sitting<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    let verdict = policy.people.iter().find(|it| it.matchup == sitting.judging.matchup);
    let words = verdict.map_or_else(|| "counting …".to_owned(), of_policy::judged_by_people);
    let lines = text::wrap(&words, usize::from(area.width.saturating_sub(2)), 4);
    for (row, line) in (0..).zip(&lines) {
        put(buffer, area, row, Line::styled(format!(" {line}"), theme.strong));
    }
    let n_lines = lines.len() as u16;
    let area = Rect { y: area.y + n_lines, height: area.height.saturating_sub(n_lines), ..area };
    let n_list = (area.height / 2).max(3).min(area.height);
    draw_list(model, policy, sitting, Rect { height: n_list, ..area }, buffer);
    let below = Rect { y: area.y + n_list, height: area.height - n_list, ..area };
    if let Some(game) = sitting.data.games.get(sitting.judging.cursor) {
        let below = draw_prompt(model, game, below, buffer);
        draw_told(model, policy, sitting, game, below, buffer);
    }
}

fn draw_list(
    model: &Model,
    policy: &PolicyData,
    sitting: &Sitting<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    rule(buffer, area, 0, theme, "which side was which");
    let cell = |words: &str| text::left(words, N_SAID);
    let heads = format!("  {} {} {} PROMPT", cell("YOU"), cell("GOLD"), cell("LEFT WAS"));
    put(buffer, area, 1, Line::styled(heads, theme.heading));
    let (own, other) = names(policy, sitting);
    let short = |name: &str| {
        text::cut_name(name.trim_start_matches("the ").trim_start_matches("its "), N_SAID)
    };
    let better = |game: Option<Game>| match game {
        Some(Game::Win) => short(&own),
        Some(Game::Loss) => short(&other),
        Some(Game::Tie) => "tie".to_owned(),
        None => text::NONE.to_owned(),
    };
    let cursor = sitting.judging.cursor;
    let n_rows = usize::from(area.height.saturating_sub(2));
    let first = (cursor + 1).saturating_sub(n_rows.max(1));
    let games = sitting.data.games.iter().enumerate().skip(first).take(n_rows);
    for (row, (at, game)) in (2..).zip(games) {
        let said = match sitting.judging.said_of(game) {
            Some(Said::Skip) | None => "skipped".to_owned(),
            Some(said) => better(said.game()),
        };
        let left = if game.is_left { &own } else { &other };
        let words = format!(
            "{} {} {} {} ",
            if at == cursor { "▌" } else { " " },
            cell(&said),
            cell(&better(game.texts.by_gold())),
            cell(&short(left)),
        );
        let room = usize::from(area.width).saturating_sub(text::width(&words));
        let prompt = text::cut(&question(&game.texts.prompt), room);
        let line = Line::from(vec![Span::styled(words, theme.strong), Span::raw(prompt)]);
        put(buffer, area, row, line);
        if at == cursor {
            buffer.set_style(Rect { y: area.y + row, height: 1, ..area }, theme.selected);
        }
    }
}

/// The selected game with names and scores.
fn draw_told(
    model: &Model,
    policy: &PolicyData,
    sitting: &Sitting<'_>,
    game: &ShownGame,
    area: Rect,
    buffer: &mut Buffer,
) {
    let (own, other) = names(policy, sitting);
    let gold = |gold: Option<f64>| gold.map_or(String::new(), |it| format!(" · gold {it:.2}"));
    let own = format!("{own}{}", gold(game.texts.own.gold));
    let other = format!("{other}{}", gold(game.texts.other.gold));
    let [left, right] = sides(game);
    let [left_name, right_name] = if game.is_left { [&own, &other] } else { [&other, &own] };
    draw_sides(model, [(left_name, left), (right_name, right)], 0, area, buffer);
}

/// What the signs say of people's verdicts: a matchup that this person has not judged to its end keeps its
/// numbers to itself.
pub fn sentence(model: &Model, verdict: &PeopleVerdict) -> String {
    let mine = verdict.by_reviewer.get(&model.samples.judging.reviewer).copied();
    match mine.filter(|n| *n < verdict.n_prompts) {
        None => of_policy::judged_by_people(verdict),
        Some(n) => {
            let other = verdict.other.as_deref().unwrap_or("its reference");
            let (step, all) = (verdict.matchup.step, verdict.n_prompts);
            format!(
                "you have judged {n} of {all} prompts of step {step} against {other}, blind: b goes on, and \
                 the numbers stand here when you are through"
            )
        }
    }
}
