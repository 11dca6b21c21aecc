//! The list of prompts, with what their answers came to.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::store::policy::{Rollout, RolloutsOf};

use super::answers::{best, cursor, gap, listed, longest, question};
use super::{Pane, Policy};
use crate::tui::feed::policy::{PolicyData, ShownAnswers};
use crate::tui::kit::draw::{put, put_right, rule};
use crate::tui::kit::text;
use crate::tui::shell::model::Model;

/// Columns of a list that tells lengths too.
const WITH_TOKENS: u16 = 40;

/// `step 12`, `after step 20`, `the reference`
pub fn place_words(of: RolloutsOf) -> String {
    match of {
        RolloutsOf::Step(step) => format!("step {step}"),
        RolloutsOf::Evaluation(0) => "held-out prompts: the reference".to_owned(),
        RolloutsOf::Evaluation(step) => format!("held-out prompts after step {step}"),
    }
}

/// Draws the rule above the answers: whose they are, in which order, and what is newer.
pub fn draw_title(model: &Model, data: &PolicyData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let policy = &model.policy;
    let mark = if policy.pane.is_of_answers() { "▌" } else { "" };
    let Some(shown) = &data.shown else {
        rule(buffer, area, 0, theme, &format!("{mark}answers"));
        return;
    };
    let filter =
        if policy.filter.is_empty() { String::new() } else { format!(" · / {}", policy.filter) };
    let title =
        format!("{mark}answers · {} · {}{filter}", place_words(shown.of), policy.order.words());
    rule(buffer, area, 0, theme, &title);
    let words = match data.newest() {
        Some(newest) if policy.at.is_none() && newest == shown.of => " newest ".to_owned(),
        Some(RolloutsOf::Step(step)) if Some(RolloutsOf::Step(step)) != policy.at => {
            format!(" newest: step {step} · f ")
        }
        _ => String::new(),
    };
    if text::width(&title) + text::width(&words) + 6 <= usize::from(area.width) {
        put_right(buffer, area, 0, Line::styled(words, theme.dim));
    }
}

/// `1 ━━━━●──◆──── 20` where the answers shown stand among all steps; ◆ is an evaluation.
pub fn draw_slider(model: &Model, data: &PolicyData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(shown) = &data.shown else { return };
    let last = model.current().map_or(1, |row| row.rounds_max).max(1);
    let (left, right) = (" 0 ", format!(" {last} · ◆ evaluations: {{ }} · steps: [ ]"));
    let n_columns = usize::from(area.width).saturating_sub(left.len() + text::width(&right) + 1);
    if n_columns < 10 {
        return;
    }
    let column = |step: u32| {
        let share = f64::from(step) / f64::from(last);
        ((share * (n_columns - 1) as f64).round() as usize).min(n_columns - 1)
    };
    let mut cells = vec!['─'; n_columns];
    let n_done = data.readable_steps().next_back().map_or(0, column);
    cells[..=n_done].fill('━');
    for evaluation in &data.evaluations {
        cells[column(evaluation.step)] = '◆';
    }
    let (RolloutsOf::Step(step) | RolloutsOf::Evaluation(step)) = shown.of;
    let at = column(step);
    let part = |cells: &[char]| cells.iter().collect::<String>();
    put(
        buffer,
        area,
        0,
        Line::from(vec![
            Span::styled(left, theme.dim),
            Span::styled(part(&cells[..at]), theme.main),
            Span::styled("●", theme.key),
            Span::styled(part(&cells[at + 1..]), theme.dim),
            Span::styled(right, theme.dim),
        ]),
    );
}

/// Draws the prompts, the one under the cursor in view.
pub fn draw(model: &Model, shown: &ShownAnswers, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let listed = listed(&model.policy, shown);
    let cursor = cursor(&model.policy, shown, &listed);
    let mark = if model.policy.pane == Pane::List { "▌" } else { " " };
    let tokens = if area.width < WITH_TOKENS { "" } else { " TOKENS" };
    let heads = format!("{mark}    BEST    GAP{tokens}  {} of {}", cursor + 1, listed.len());
    put(buffer, area, 0, Line::styled(text::cut(&heads, usize::from(area.width)), theme.heading));
    if listed.is_empty() {
        let words = format!("  no prompt has {}", model.policy.filter);
        put(buffer, area, 1, Line::styled(text::cut(&words, usize::from(area.width)), theme.dim));
        return;
    }
    let n_rows = usize::from(area.height.saturating_sub(1));
    // In the middle, so that its neighbors are seen.
    let first = cursor.saturating_sub(n_rows / 2).min(listed.len().saturating_sub(n_rows));
    for (row, at) in (1..).zip(listed.iter().skip(first).take(n_rows)) {
        let is_selected = first + usize::from(row) - 1 == cursor;
        let line = line(model, &shown.rollouts[*at], is_selected, usize::from(area.width));
        put(buffer, area, row, line);
        if is_selected {
            let place = Rect { y: area.y + row, height: 1, ..area };
            buffer.set_style(place, theme.selected);
        }
    }
}

fn line(model: &Model, rollout: &Rollout, is_selected: bool, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let value = |value: Option<f64>, sign: bool| match value {
        Some(value) if sign => format!("{value:+.2}"),
        Some(value) => format!("{value:.2}"),
        None => text::NONE.to_owned(),
    };
    let tokens = longest(rollout).map_or(text::NONE.to_owned(), |tokens| format!("{tokens:.0}"));
    let tokens = format!(" {}", text::right(&tokens, 6));
    let veto = veto_mark(rollout);
    let words = format!(
        "{}{veto} {} {}{}  {}",
        if is_selected { "▌" } else { " " },
        text::right(&value(best(rollout), true), 6),
        text::right(&value(gap(rollout), false), 6),
        if width < usize::from(WITH_TOKENS) { "" } else { &tokens },
        question(&rollout.prompt),
    );
    let style = if veto == " " { theme.text } else { theme.dim };
    Line::styled(text::cut(&words, width), style)
}

/// `✗` for a prompt that is vetoed, `×` for one of whose answers one is.
fn veto_mark(rollout: &Rollout) -> &'static str {
    if rollout.is_prompt_vetoed {
        "✗"
    } else if rollout.vetoed.contains(&true) {
        "×"
    } else {
        " "
    }
}

/// What the header of the answers says where there are none.
pub fn nothing(policy: &Policy) -> &'static str {
    if policy.filter.is_empty() {
        "no answers were sampled yet"
    } else {
        "no prompt has these words"
    }
}
