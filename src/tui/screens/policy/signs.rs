//! What the judge says of the policy, and the signs of trouble, as sentences.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::report::story::of_policy;

use super::judging;
use crate::tui::feed::policy::PolicyData;
use crate::tui::kit::draw::{put, put_right, rule};
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::text;
use crate::tui::panels::empty::why_empty;
use crate::tui::shell::model::Model;

/// Lines that one sentence is wrapped into at most.
const N_LINES_MAX: usize = 8;

/// Draws the sentences below a rule: the verdict, then the signs, the newest first.
pub fn draw(model: &Model, policy: &PolicyData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let n = policy.signs.len();
    let title = match n {
        0 => "verdict and signs of trouble".to_owned(),
        1 => "verdict and signs of trouble · 1 sign".to_owned(),
        n => format!("verdict and signs of trouble · {n} signs"),
    };
    rule(buffer, area, 0, theme, &title);
    let sentences = sentences(model, policy);
    if sentences.is_empty() {
        let words = why_empty(model, "no sign of trouble so far; the judge compares at the end");
        put(buffer, area, 1, Line::styled(words, theme.dim));
        return;
    }
    let room = usize::from(area.width).saturating_sub(2);
    let mut lines = Vec::new();
    for (sentence, style) in sentences {
        let parts = text::wrap(&sentence, room, N_LINES_MAX);
        lines.extend(parts.into_iter().map(|part| Line::styled(format!(" {part}"), style)));
    }
    let n_rows = usize::from(area.height.saturating_sub(1));
    let first = model.policy.signs_from.min(lines.len().saturating_sub(n_rows));
    let n_more = lines.len().saturating_sub(first + n_rows);
    for (row, line) in (1..).zip(lines.into_iter().skip(first).take(n_rows)) {
        put(buffer, area, row, line);
    }
    if n_more > 0 {
        let words = format!(" {n_more} more ↓ ");
        put_right(buffer, area, 0, Line::styled(words, theme.dim));
    }
}

fn sentences(model: &Model, policy: &PolicyData) -> Vec<(String, Style)> {
    let theme = &model.theme;
    let mut found = Vec::new();
    if let Some(verdict) = &policy.outcome.verdict {
        found.push((of_policy::judged(verdict), theme.strong));
    }
    found.extend(policy.people.iter().map(|it| (judging::view::sentence(model, it), theme.strong)));
    if let Some(step) = policy.outcome.restored_to {
        found.push((format!("its weights are those of step {step} again"), theme.warn));
    }
    let mut signs: Vec<_> = policy.signs.iter().collect();
    signs.sort_by_key(|sign| std::cmp::Reverse(sign.last_step));
    found.extend(signs.into_iter().map(|sign| {
        let when = if sign.first_step == sign.last_step {
            format!("step {}", sign.last_step)
        } else {
            format!("steps {} to {}", sign.first_step, sign.last_step)
        };
        (format!("! {when}: {}", sign.message), theme.warn)
    }));
    found
}

/// Sentences that there are, each at least a line.
pub fn n_lines(model: &Model) -> usize {
    let policy = model.current_data().and_then(|data| data.policy.as_ref());
    let sentences = policy.map_or_else(Vec::new, |policy| sentences(model, policy));
    // Beside the events there is half the width.
    let is_halved = model.size.class() == SizeClass::Wide && !model.policy.is_zoomed;
    let width = if is_halved { model.size.width / 2 } else { model.size.width };
    let room = usize::from(width).saturating_sub(2);
    sentences.iter().map(|(text, _)| text::wrap(text, room, N_LINES_MAX).len()).sum()
}
