//! How the samples screen is divided, and how many lines its texts have.

use ratatui::layout::Rect;

use super::Pane;
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
/// Rows of the chart of confidences.
const N_CHART: u16 = 8;

/// The parts of the screen.
pub struct Areas {
    pub header: Rect,
    /// The list with its heads.
    pub list: Rect,
    /// The pair; empty while the list has the whole screen.
    pub pair: Rect,
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
    let zoomed = model.samples.is_zoomed.then_some(model.samples.pane);
    let n_list = match zoomed {
        Some(Pane::List) => area.width,
        Some(_) => 0,
        None => n_list_columns(model),
    };
    let list = Rect { width: n_list, ..below };
    let pair = Rect { x: list.right(), width: below.width - n_list, ..below };
    Areas { header, list, pair }
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
    let width = if model.samples.is_zoomed { inside.width } else { rect.width };
    lines_of(model, text, width).len()
}

/// Divides the area below the head of the pair.
pub fn texts(model: &Model, pair: &PairOpinions, area: Rect) -> Texts {
    let n_why = match area.height {
        0..=9 => 2,
        10..=15 => 3,
        16..=27 => 5,
        _ => 7,
    };
    let n_why = n_why.min(area.height);
    let has_chart = model.size.class() == SizeClass::Wide && pair.rounds.len() > 1;
    let n_chart = if has_chart && area.height >= 34 { N_CHART + 1 } else { 0 };
    let is_wide = area.width >= SIDE_BY_SIDE;
    let half = if is_wide { area.width / 2 } else { area.width };
    // Each with its rule.
    let need = |text: &str, width: u16| lines_of(model, text, width).len() as u16 + 1;
    let need_a = need(&pair.sample.response_a, half - u16::from(is_wide));
    let need_b = need(&pair.sample.response_b, half - u16::from(is_wide));
    let need_answers = if is_wide { need_a.max(need_b) } else { need_a + need_b };
    let need_prompt = need(prompt_text(pair), area.width);
    // What no text needs lets the reasons take a second line.
    let spare = area.height.saturating_sub(n_why + n_chart + need_answers + need_prompt);
    let n_why = n_why + spare.min(N_MORE_WHY);
    let texts = area.height.saturating_sub(n_why + n_chart);
    // The answers come first; what they do not need is the prompt's, and a quarter in any case.
    let room = texts.saturating_sub(need_answers).max(texts / 4).max(2);
    let n_prompt = need_prompt.min(room).min(texts);
    let prompt = Rect { height: n_prompt, ..area };
    let answers = Rect { y: prompt.bottom(), height: texts - n_prompt, ..area };
    let (a, b) = if is_wide {
        let left = Rect { width: half - 1, ..answers };
        (left, Rect { x: answers.x + half + 1, width: answers.width - half - 1, ..answers })
    } else {
        // What one answer does not need is the other's.
        let height_a = need_a.min((answers.height / 2).max(answers.height.saturating_sub(need_b)));
        let top = Rect { height: height_a, ..answers };
        (top, Rect { y: top.bottom(), height: answers.height - height_a, ..answers })
    };
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
