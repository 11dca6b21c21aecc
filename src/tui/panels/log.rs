//! The event log of a run.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::empty::why_empty;
use crate::tui::kit::draw::{put, rule};
use crate::tui::kit::text;
use crate::tui::kit::words::LogLine;
use crate::tui::shell::model::Model;

/// Columns before the text of an event: its time and kind.
const N_LOG_HEAD: usize = 20;
/// Lines that one event is wrapped into at most.
const N_EVENT_LINES: usize = 12;
/// The event log, newest at the bottom, `back` lines scrolled back.
pub fn draw_log(model: &Model, area: Rect, title: &str, back: usize, buffer: &mut Buffer) {
    let theme = &model.theme;
    rule(buffer, area, 0, theme, title);
    let Some(data) = model.current_data() else { return };
    if data.log.is_empty() {
        put(buffer, area, 1, Line::styled(why_empty(model, "no event yet"), theme.dim));
        return;
    }
    let n_rows = usize::from(area.height.saturating_sub(1));
    let last = data.log.len().saturating_sub(back);
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let width = usize::from(inside.width);
    let mut lines: VecDeque<Line> = VecDeque::new();
    // From the newest upward: of an old one that does not fit, the end is shown.
    for line in data.log[..last].iter().rev() {
        if lines.len() >= n_rows {
            break;
        }
        for words in log_lines(model, line, width).into_iter().rev() {
            lines.push_front(words);
        }
    }
    let n_over = lines.len().saturating_sub(n_rows);
    for (i, line) in lines.into_iter().skip(n_over).enumerate() {
        put(buffer, inside, i as u16 + 1, line);
    }
}

/// A line of the event log: one, or as many as its text needs where events are wrapped.
fn log_lines(model: &Model, line: &LogLine, width: usize) -> Vec<Line<'static>> {
    let room = width.saturating_sub(N_LOG_HEAD);
    if !model.wraps_events || text::width(&line.text) <= room {
        return vec![log_words(model, line, width)];
    }
    let style = if line.is_warning { model.theme.warn } else { model.theme.text };
    let mut parts = text::wrap(&line.text, room, N_EVENT_LINES).into_iter();
    let first = LogLine { text: parts.next().unwrap_or_default(), ..line.clone() };
    let indent = " ".repeat(N_LOG_HEAD);
    let rest = parts.map(|part| Line::styled(format!("{indent}{part}"), style));
    std::iter::once(log_words(model, &first, width)).chain(rest).collect()
}

/// `12:34:40 select   round 1 · …`
pub fn log_words(model: &Model, line: &LogLine, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let time = text::time_of_day(line.at_ms, model.utc_offset_s);
    let style = if line.is_warning { theme.warn } else { theme.text };
    let room = width.saturating_sub(N_LOG_HEAD);
    Line::from(vec![
        Span::styled(format!("{time} "), theme.dim),
        Span::styled(text::left(line.kind, 11), theme.strong),
        Span::styled(text::cut(&line.text, room), style),
    ])
}

#[cfg(test)]
mod tests {
    use crate::store::EventLine;
    use crate::tui::kit::words::log_lines;

    #[test]
    fn verdicts_that_follow_each_other_are_one_line_with_all_three_counts() {
        let line = |seq: u64, body: String| EventLine { seq, attempt: 1, at_ms: 9, body };
        let read = |seq: u64| {
            line(
                seq,
                format!(
                    r#"{{"event":"verdicts_read","round":1,"global_step":4,"last_verdict_id":{seq},"n_vetoed":1,"n_kept":{seq},"n_flipped":2}}"#
                ),
            )
        };
        let moves =
            line(4, r#"{"event":"step_started","round":1,"step":"train","n_total":9}"#.into());
        let warned = line(7, r#"{"event":"warned","message":"loss is high"}"#.into());
        let lines = log_lines(&[read(1), read(2), moves, read(6), warned, read(9)]);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let taken = |n: u32| format!("round 1 takes {n} kept, 2 flipped, 1 vetoed");
        assert_eq!(texts, [&taken(6), "loss is high", &taken(9)]);
        // What an older worker wrote has no counts but one.
        let old = r#"{"event":"verdicts_read","round":1,"global_step":4,"last_verdict_id":3,"n_vetoed":5}"#;
        assert!(log_lines(&[line(1, old.into())])[0].text.ends_with("0 flipped, 5 vetoed"));
    }
}
