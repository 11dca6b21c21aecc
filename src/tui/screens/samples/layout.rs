//! How the samples screen is divided, and how many lines its texts have.

use ratatui::layout::Rect;

use super::Pane;
use crate::domain::preference::Side;
use crate::store::PairOpinions;
use crate::tui::kit::size::{Size, SizeClass};
use crate::tui::kit::text;
use crate::tui::shell::model::Model;
use crate::tui::shell::split;

/// Rows above the list: where one is, how far one is, the heads of the columns.
const N_HEADER: u16 = 3;

/// Columns of the pair at least.
const N_PAIR_COLUMNS: u16 = 40;
/// Lines of a text that are wrapped at most.
const N_LINES_MAX: usize = 4_000;
/// From this width on the answers stand side by side.
const SIDE_BY_SIDE: u16 = 84;
/// Further rows for the reasons where there is room.
const N_MORE_WHY: u16 = 4;
/// In a queue, which has no list beside it on a narrow screen, from this width on.
const SIDE_BY_SIDE_QUEUE: u16 = 64;
/// From this width of the screen on a queue shows its list, and the guidelines below it.
const QUEUE_WITH_LIST: u16 = 110;
/// Columns of the list of a queue: it holds numbers of pairs alone.
const N_QUEUE_LIST: u16 = 16;
/// Columns of the list where the guidelines stand below it.
const N_GUIDELINES: u16 = 44;
/// Rows of the list above the guidelines at least.
const N_QUEUE_ROWS: u16 = 8;
/// Rows of the chart of confidences.
const N_CHART: u16 = 8;

/// The parts of the screen.
pub struct Areas {
    pub header: Rect,
    /// The list with its heads.
    pub list: Rect,
    /// The pair; empty while the list has the whole screen.
    pub pair: Rect,
    /// The guidelines for reviewers; empty outside a queue and on a narrow screen.
    pub guidelines: Rect,
    /// The judgment just made; empty outside a queue.
    pub last: Rect,
}

/// Where the texts are, each with a rule above it.
pub struct Texts {
    pub prompt: Rect,
    pub a: Rect,
    pub b: Rect,
    pub chart: Rect,
    pub why: Rect,
}

/// The body of a terminal of this size, below the tabs and above message and hints.
pub fn body(size: Size) -> Rect {
    Rect { x: 0, y: 1, width: size.width, height: size.height.saturating_sub(3) }
}

/// Lines that the list shows.
pub fn n_list_rows(size: Size) -> usize {
    usize::from(body(size).height.saturating_sub(N_HEADER)).max(1)
}

/// Lines of prompt (0) or answers (1, 2) as they are wrapped now.
pub fn n_text_lines(model: &Model, which: usize) -> usize {
    let areas = areas(model, body(model.size));
    n_lines(model, areas.pair, which)
}

/// Columns of the list beside the pair.
pub fn n_list_columns(model: &Model) -> u16 {
    let width = model.size.width;
    if model.samples.is_queue() {
        let has_text = !model.samples.judging.guidelines.is_empty();
        let n_columns = if has_text { N_GUIDELINES } else { N_QUEUE_LIST };
        let is_alone = model.samples.is_zoomed || width < QUEUE_WITH_LIST;
        return if is_alone {
            0
        } else {
            split::given(n_columns, model.splits.samples, N_QUEUE_LIST, width - N_PAIR_COLUMNS)
        };
    }
    let n_columns = match width {
        160.. => 54,
        110.. => 40,
        80.. => 24,
        _ => return 17,
    };
    split::given(n_columns, model.splits.samples, 17, width - N_PAIR_COLUMNS)
}

/// Divides the body of the screen.
pub fn areas(model: &Model, area: Rect) -> Areas {
    let header = Rect { height: 2.min(area.height), ..area };
    let below = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
    if model.samples.is_queue() {
        return queue_areas(model, header, below);
    }
    let zoomed = model.samples.is_zoomed.then_some(model.samples.pane);
    let n_list = match zoomed {
        Some(Pane::List) => area.width,
        Some(_) => 0,
        None => n_list_columns(model),
    };
    let list = Rect { width: n_list, ..below };
    let pair = Rect { x: list.right(), width: below.width - n_list, ..below };
    let none = Rect { width: 0, height: 0, ..below };
    Areas { header, list, pair, guidelines: none, last: none }
}

/// In a queue the pair has the whole width or nearly so, above the line about the last judgment.
fn queue_areas(model: &Model, header: Rect, below: Rect) -> Areas {
    let n_last = u16::from(below.height > 3);
    let last = Rect { y: below.bottom() - n_last, height: n_last, ..below };
    let below = Rect { height: below.height - n_last, ..below };
    let n_list = n_list_columns(model).min(below.width);
    let mut list = Rect { width: n_list, ..below };
    let mut guidelines = Rect { height: 0, ..list };
    if n_list > 0 && !model.samples.judging.guidelines.is_empty() {
        // As many rows as a goal has pairs, if the guidelines still have half.
        let n_rows = (below.height / 2).max(N_QUEUE_ROWS).min(below.height);
        list.height = n_rows;
        guidelines = Rect { y: list.bottom(), height: below.height - n_rows, ..list };
    }
    let pair = Rect { x: list.right(), width: below.width - n_list, ..below };
    Areas { header, list, pair, guidelines, last }
}

/// Lines of prompt (0) or answers (1, 2) as they are wrapped in this area.
fn n_lines(model: &Model, area: Rect, which: usize) -> usize {
    let pair = model.samples.current().and_then(|data| data.pair.as_deref());
    let Some(pair) = pair else { return 0 };
    let inside = Rect { width: area.width.saturating_sub(3), ..area };
    let texts = texts(model, pair, inside);
    let (rect, text) = match which {
        0 => (texts.prompt, prompt_text(pair)),
        1 => (texts.a, pair.sample.response_a.as_str()),
        _ => (texts.b, pair.sample.response_b.as_str()),
    };
    let is_one = model.samples.is_zoomed && !model.samples.is_queue();
    let width = if is_one { inside.width } else { rect.width };
    lines_of(model, text, width).len()
}

/// Divides the area below the head of the pair.
pub fn texts(model: &Model, pair: &PairOpinions, area: Rect) -> Texts {
    let is_queue = model.samples.is_queue();
    // What would say which side the model is on, or takes room from a pair that has the screen.
    let has_no_why = model.samples.hides(pair.sample.pair) || is_queue && model.samples.is_zoomed;
    let has_why = !has_no_why;
    let n_why = match area.height {
        _ if !has_why => 0,
        0..=9 => 2,
        10..=15 => 3,
        16..=27 => 5,
        _ => 7,
    };
    let n_why = n_why.min(area.height);
    let has_chart = has_why && model.size.class() == SizeClass::Wide && pair.rounds.len() > 1;
    let n_chart = if has_chart && area.height >= 34 { N_CHART + 1 } else { 0 };
    let side_by_side = if is_queue { SIDE_BY_SIDE_QUEUE } else { SIDE_BY_SIDE };
    let is_wide = area.width >= side_by_side;
    let left = model.samples.left(pair.sample.pair);
    let (first, second) = match left {
        Side::A => (&pair.sample.response_a, &pair.sample.response_b),
        Side::B => (&pair.sample.response_b, &pair.sample.response_a),
    };
    let half = if is_wide { area.width / 2 } else { area.width };
    // Each with its rule.
    let need = |text: &str, width: u16| lines_of(model, text, width).len() as u16 + 1;
    let need_first = need(first, half - u16::from(is_wide));
    let need_second = need(second, half - u16::from(is_wide));
    let need_answers = if is_wide { need_first.max(need_second) } else { need_first + need_second };
    let need_prompt = need(prompt_text(pair), area.width);
    // What no text needs lets the reasons take a second line.
    let spare = area.height.saturating_sub(n_why + n_chart + need_answers + need_prompt);
    let n_why = if has_why { n_why + spare.min(N_MORE_WHY) } else { 0 };
    let texts = area.height.saturating_sub(n_why + n_chart);
    // The answers come first; what they do not need is the prompt's, and a quarter in any case.
    let room = texts.saturating_sub(need_answers).max(texts / 4).max(2);
    let n_prompt = need_prompt.min(room).min(texts);
    let prompt = Rect { height: n_prompt, ..area };
    let answers = Rect { y: prompt.bottom(), height: texts - n_prompt, ..area };
    let (one, other) = if is_wide {
        let left = Rect { width: half - 1, ..answers };
        (left, Rect { x: answers.x + half + 1, width: answers.width - half - 1, ..answers })
    } else {
        // What one answer does not need is the other's.
        let room = (answers.height / 2).max(answers.height.saturating_sub(need_second));
        let top = Rect { height: need_first.min(room), ..answers };
        (top, Rect { y: top.bottom(), height: answers.height - top.height, ..answers })
    };
    let (a, b) = if left == Side::A { (one, other) } else { (other, one) };
    let chart = Rect { y: answers.bottom(), height: n_chart, ..area };
    let why = Rect { y: chart.bottom(), height: n_why, ..area };
    Texts { prompt, a, b, chart, why }
}

/// The prompt without the call to answer at its end, and without the name of a single speaker.
pub fn prompt_text(pair: &PairOpinions) -> &str {
    let prompt = pair.sample.prompt.trim();
    let prompt = prompt.strip_suffix("Assistant:").unwrap_or(prompt).trim_end();
    let is_dialogue = prompt.contains("Assistant:");
    prompt.strip_prefix("Human:").filter(|_| !is_dialogue).unwrap_or(prompt).trim_start()
}

/// A text wrapped to an area, or cut at its edge; one column stays free for the mark of what is cut.
pub fn lines_of(model: &Model, text: &str, width: u16) -> Vec<String> {
    let (text, n_columns) = (text.trim(), usize::from(width.saturating_sub(1)));
    if !model.samples.cuts_lines {
        return text::wrap(text, n_columns, N_LINES_MAX);
    }
    let cut = |line: &str| text::cut(text::after(line, model.samples.n_left), n_columns);
    text.split('\n').take(N_LINES_MAX).map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{press, samples_at};
    use super::*;
    use crate::tui::tests::pictures::draw;

    #[test]
    fn the_list_takes_room_from_the_pair() {
        let mut model = samples_at(160, 48);
        let columns = n_list_columns;
        assert_eq!(columns(&model), 54);
        press(&mut model, &["-", "-"]);
        assert_eq!(columns(&model), 46);
        press(&mut model, &["Tab", "-"]);
        assert_eq!(columns(&model), 50, "less for the pair is more for the list");
        draw(&model);
    }
}
