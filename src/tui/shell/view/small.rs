//! Terminals below 60x16: the run in a few lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::store::rows::RunRow;
use crate::tui::kit::draw::put;
use crate::tui::kit::text;
use crate::tui::kit::words;
use crate::tui::kit::words::Condition;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::Overlay;

/// Draws the run in a few lines, and how to get more of it.
pub fn draw_tiny(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    if let Some(Overlay::Confirm { question, .. }) = &model.overlay {
        put(buffer, area, 0, Line::styled(question.clone(), theme.strong));
        put(buffer, area, 1, Line::styled("y yes  n no", theme.text));
        return;
    }
    let mut lines = match model.current() {
        Some(row) => run_lines(row),
        None => vec!["no run yet".to_owned()],
    };
    let last = usize::from(area.height.saturating_sub(1));
    if last > 0 {
        lines.truncate(last);
        lines.push("enlarge to 60x16".to_owned());
    }
    for (row, line) in lines.into_iter().enumerate() {
        let line = text::cut(&line, usize::from(area.width));
        put(buffer, area, row as u16, Line::styled(line, theme.text));
    }
}

fn run_lines(row: &RunRow) -> Vec<String> {
    let condition = Condition::of(row);
    let round = format!("{}/{}", row.round, row.rounds_max);
    vec![
        format!("{} {round} {}", condition.glyph(), row.name),
        format!("test {}", words::accuracy(row.latest_test.as_ref(), 3)),
        condition.word().to_owned(),
    ]
}
