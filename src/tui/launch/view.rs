//! Draws the launch screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::super::model::Model;
use super::super::view::put;

/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    put(
        buffer,
        area,
        1,
        Line::styled("  press n on the runs list to start a run", model.theme.dim),
    );
}
