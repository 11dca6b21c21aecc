//! Draws the policy screen from 60x16 on: the latest numbers, the newest sentence, an answer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::answers::selected;
use super::{list, reading, signs};
use crate::store::rows::RunRow;
use crate::tui::feed::policy::PolicyData;
use crate::tui::kit::draw::put;
use crate::tui::kit::text;
use crate::tui::panels::lines::progress_line;
use crate::tui::panels::policy::latest_words;
use crate::tui::shell::model::Model;

/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, row: &RunRow, policy: &PolicyData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let width = usize::from(inside.width);
    put(buffer, inside, 0, Line::styled(text::cut(&row.name, width), theme.heading));
    put(buffer, inside, 1, progress_line(model, row, width));
    let latest = latest_words(policy).unwrap_or_else(|| "no evaluation yet".to_owned());
    let latest = text::wrap(&latest, width, 2);
    for (row, words) in (2..).zip(&latest) {
        put(buffer, inside, row, Line::styled(words.clone(), theme.text));
    }
    let n_signs = 3;
    let place = Rect { y: inside.y + 2 + latest.len() as u16, height: n_signs, ..inside };
    signs::draw(model, policy, place, buffer);
    let below = place.bottom();
    let answers = Rect { y: below, height: area.bottom().saturating_sub(below), ..inside };
    list::draw_title(model, policy, answers, buffer);
    let answers = Rect { y: below + 1, height: answers.height.saturating_sub(1), ..answers };
    match selected(model) {
        Some(selected) => reading::draw(model, &selected, answers, buffer),
        None => put(buffer, answers, 0, Line::styled(list::nothing(&model.policy), theme.dim)),
    }
}
