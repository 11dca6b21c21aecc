//! Tests: the pictures of the documentation, drawn from the cells that the screens draw.
//!
//! A font that lacks braille or draws a line of a box too short must not spoil them, so lines, blocks
//! and dots become shapes, as terminals draw them themselves. What is left is text, stretched to the
//! width of its cells.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::domain::preference::{PairId, Side};
use crate::domain::review::goal::Progress;
use crate::domain::run::RunId;
use crate::domain::stats::bradley_terry::sigmoid;
use crate::domain::verdict::Verdict;
use crate::store::rows::SampledPair;
use crate::store::{BatchRow, PairOpinions, RoundOpinion, RunOpinion, SampleLine, VerdictRow};

use super::fixtures::{finished_data, model};
use super::pictures::draw;
use crate::tui::feed::samples::{Found, SamplesData, Wanted};
use crate::tui::kit::text;
use crate::tui::kit::theme::{Depth, Theme, ThemeName};
use crate::tui::screens::live::open::open as open_live;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen};
use crate::tui::shell::update::update;

/// Pixels of a cell: eighths of both are whole, which is how block characters divide it.
const CELL: (usize, usize) = (8, 16);
/// Pixels around the screen.
const MARGIN: usize = 10;
/// What terminals with a dark background have in place of the default colors.
const BACKGROUND: [u8; 3] = [0x14, 0x17, 0x1c];
const TEXT: [u8; 3] = [0xd5, 0xd8, 0xde];

/// A filled rectangle inside a cell, in pixels: left, top, width, height.
type Shape = (usize, usize, usize, usize);

/// The screen as an SVG.
fn svg(buffer: &Buffer, title: &str) -> String {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">\n<title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\" font-size=\"13\" font-family=\"ui-monospace, \
         'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace\">\n",
        hex(BACKGROUND)
    );
    out.push_str(&backgrounds(buffer));
    out.push_str(&shapes(buffer));
    for y in 0..buffer.area.height {
        texts(buffer, y, &mut out);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn rgb(color: Color, default: [u8; 3]) -> [u8; 3] {
    match color {
        Color::Reset => default,
        Color::Rgb(r, g, b) => [r, g, b],
        other => panic!("a picture has colors of 24 bits, not {other:?}"),
    }
}

/// The colors of a cell as they are seen: ink, paper.
fn colors(cell: &Cell) -> ([u8; 3], [u8; 3]) {
    let (ink, paper) = (rgb(cell.fg, TEXT), rgb(cell.bg, BACKGROUND));
    if cell.modifier.contains(Modifier::REVERSED) { (paper, ink) } else { (ink, paper) }
}

fn backgrounds(buffer: &Buffer) -> String {
    let mut paths = Paths::default();
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let (_, paper) = colors(&buffer[(x, y)]);
            if paper != BACKGROUND {
                paths.add(paper, 100, (x, y), (0, 0, CELL.0, CELL.1));
            }
        }
    }
    paths.svg()
}

fn shapes(buffer: &Buffer) -> String {
    let mut paths = Paths::default();
    let mut dots: BTreeMap<[u8; 3], String> = BTreeMap::new();
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let (ink, _) = colors(cell);
            let Some(symbol) = cell.symbol().chars().next() else { continue };
            let (shapes, opacity) = drawn(symbol).unwrap_or_default();
            for shape in shapes {
                paths.add(ink, opacity, (x, y), shape);
            }
            for (across, down) in braille(symbol) {
                let (left, top) = (usize::from(x) * CELL.0, usize::from(y) * CELL.1);
                let path = dots.entry(ink).or_default();
                let _ = write!(path, "M{} {}h0", left + 2 + 4 * across, top + 2 + 4 * down);
            }
        }
    }
    let mut out = paths.svg();
    for (ink, path) in dots {
        let _ = writeln!(
            out,
            "<path stroke=\"{}\" stroke-width=\"2.4\" stroke-linecap=\"round\" fill=\"none\" d=\"{path}\"/>",
            hex(ink)
        );
    }
    out
}

/// Rectangles by color and opacity in percent; those that touch in a row become one.
#[derive(Default)]
struct Paths(BTreeMap<([u8; 3], usize), Vec<Shape>>);

impl Paths {
    fn add(&mut self, color: [u8; 3], opacity: usize, at: (u16, u16), shape: Shape) {
        let (left, top) = (usize::from(at.0) * CELL.0, usize::from(at.1) * CELL.1);
        let shape = (left + shape.0, top + shape.1, shape.2, shape.3);
        let all = self.0.entry((color, opacity)).or_default();
        match all.last_mut() {
            Some(last) if last.0 + last.2 == shape.0 && (last.1, last.3) == (shape.1, shape.3) => {
                last.2 += shape.2;
            }
            _ => all.push(shape),
        }
    }

    fn svg(&self) -> String {
        let mut out = String::new();
        for ((color, opacity), all) in &self.0 {
            let _ = write!(out, "<path fill=\"{}\"", hex(*color));
            if *opacity < 100 {
                let _ = write!(out, " opacity=\".{opacity}\"");
            }
            out.push_str(" shape-rendering=\"crispEdges\" d=\"");
            for (left, top, width, height) in all {
                let _ = write!(out, "M{left} {top}h{width}v{height}h-{width}z");
            }
            out.push_str("\"/>\n");
        }
        out
    }
}

/// The rectangles of a block or a line, and their opacity in percent; `None` for what is text.
fn drawn(symbol: char) -> Option<(Vec<Shape>, usize)> {
    let whole = (0, 0, CELL.0, CELL.1);
    let eighths = symbol as usize & 0xf;
    let solid = match symbol {
        '░' => return Some((vec![whole], 25)),
        '▒' => return Some((vec![whole], 50)),
        '▓' => return Some((vec![whole], 75)),
        '▁'..='█' => vec![(0, CELL.1 - 2 * eighths, CELL.0, 2 * eighths)],
        '▉'..='▏' => vec![(0, 0, 16 - eighths, CELL.1)],
        '▕' => vec![(7, 0, 1, CELL.1)],
        '┄' => vec![(0, 8, 2, 1), (3, 8, 2, 1), (6, 8, 2, 1)],
        '╍' => vec![(0, 7, 3, 2), (4, 7, 3, 2)],
        '┊' => vec![(4, 1, 1, 2), (4, 5, 1, 2), (4, 9, 1, 2), (4, 13, 1, 2)],
        '━' => vec![(0, 7, 8, 2)],
        '┃' => vec![(3, 0, 2, 16)],
        _ => thin_line(symbol)?,
    };
    Some((solid, 100))
}

fn thin_line(symbol: char) -> Option<Vec<Shape>> {
    let (left, right) = ((0, 8, 5, 1), (4, 8, 4, 1));
    let (up, down) = ((4, 0, 1, 9), (4, 8, 1, 8));
    Some(match symbol {
        '─' => vec![(0, 8, 8, 1)],
        '│' => vec![(4, 0, 1, 16)],
        '┌' => vec![right, down],
        '┐' => vec![left, down],
        '└' => vec![up, right],
        '┘' => vec![up, left],
        '├' => vec![up, down, right],
        '┤' => vec![up, down, left],
        '┬' => vec![left, right, down],
        '┴' => vec![left, right, up],
        '┼' => vec![left, right, up, down],
        _ => return None,
    })
}

/// The raised dots of a braille pattern: column, row.
fn braille(symbol: char) -> Vec<(usize, usize)> {
    const PLACES: [(usize, usize); 8] =
        [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    let Some(bits) = (symbol as u32).checked_sub(0x2800).filter(|bits| *bits < 256) else {
        return Vec::new();
    };
    let places = PLACES.iter().enumerate();
    places.filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, place)| *place).collect()
}

fn is_text(symbol: &str) -> bool {
    let first = symbol.chars().next();
    first.is_some_and(|c| drawn(c).is_none() && braille(c).is_empty() && c != '\u{2800}')
}

/// The text of a row: one element for each stretch of ASCII in one style, and for each other
/// character, since fonts take those from elsewhere and in widths of their own.
fn texts(buffer: &Buffer, y: u16, out: &mut String) {
    let mut x = 0;
    while x < buffer.area.width {
        let cell = &buffer[(x, y)];
        let symbol = cell.symbol();
        if symbol == " " || !is_text(symbol) {
            x += 1;
            continue;
        }
        let start = x;
        let mut words = symbol.to_owned();
        x += text::width(symbol).max(1) as u16;
        if symbol.is_ascii() {
            while x < buffer.area.width {
                let next = &buffer[(x, y)];
                if !next.symbol().is_ascii() || !is_same_style(cell, next) || words.ends_with("  ")
                {
                    break;
                }
                words.push_str(next.symbol());
                x += 1;
            }
        }
        write_text(cell, (start, y), words.trim_end(), out);
    }
}

fn is_same_style(a: &Cell, b: &Cell) -> bool {
    (a.fg, a.bg, a.modifier) == (b.fg, b.bg, b.modifier)
}

fn write_text(cell: &Cell, at: (u16, u16), words: &str, out: &mut String) {
    let (ink, _) = colors(cell);
    let n_columns = text::width(words);
    let (x, y) = (usize::from(at.0) * CELL.0, usize::from(at.1) * CELL.1 + 12);
    let _ = write!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"{}\"", hex(ink));
    if n_columns > 1 {
        let _ = write!(out, " textLength=\"{}\"", n_columns * CELL.0);
    }
    for (modifier, attribute) in [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::DIM, " opacity=\".6\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
    ] {
        if cell.modifier.contains(modifier) {
            out.push_str(attribute);
        }
    }
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, ">{words}</text>");
}

fn live() -> Model {
    let data = finished_data();
    let row = data.detail.row.clone();
    let mut model = model(100, 30, vec![row.clone()], Some(data));
    open_live(&mut model, row.id);
    model
}

/// The pairs of the list: what was decided, and a right answer beside one with a slip in it.
fn line(index: usize) -> SampleLine {
    let margin = (0.41 + index as f32 * 0.007) * if index % 5 < 2 { -1.0 } else { 1.0 };
    SampleLine {
        pair: PairId((9_223 + 1_381 * index as u32) % 11_111),
        margin,
        confidence: sigmoid(f64::from(margin.abs())),
        change: (index % 4 != 1).then_some(0.02 * (index % 7) as f64 - 0.05),
        is_flipped: index == 4,
        left_out: None,
        verdict: match index {
            0 | 2 | 3 => Some(Verdict::Keep),
            1 => Some(Verdict::Flip),
            5 => Some(Verdict::Veto),
            _ => None,
        },
        reason: None,
        n_chars: (40, 60),
        slice: "units".to_owned(),
        origin: None,
    }
}

fn opinions(run: &RunId, line: &SampleLine) -> PairOpinions {
    let round = |round, margin| RoundOpinion { round, margin, left_out: None };
    let other = |name: &str, margin, is_selected| RunOpinion {
        run: run.clone(),
        name: name.to_owned(),
        round: 3,
        margin,
        is_selected,
    };
    PairOpinions {
        sample: SampledPair {
            pair: line.pair,
            round: 3,
            prompt: "Human: How many cents are 3 dollars?\n\nAssistant:".to_owned(),
            response_a: "There are 300 cents in 3 dollars.".to_owned(),
            response_b: "Of course. 3 dollars are 302 cents. That is what I would say.".to_owned(),
            reward_a: 0.51 + line.margin,
            reward_b: 0.51,
            left_out: line.left_out,
            verdict: line.verdict,
            gold: Some(Side::A),
            origin: None,
            previous_confidence: None,
        },
        slice: line.slice.clone(),
        rounds: vec![round(2, -0.21), round(3, f64::from(line.margin))],
        others: vec![other("ser-embedded-s1", -0.16, false), other("ser-embedded-s3", 0.83, true)],
        verdict: line.verdict.map(|verdict| VerdictRow {
            verdict,
            reason: line.reason.clone(),
            comment: None,
            at_ms: 0,
            reviewer: None,
            preferred: None,
        }),
    }
}

fn found(wanted: &Wanted) -> SamplesData {
    let lines: Vec<_> = (wanted.first..wanted.first + wanted.n).map(line).collect();
    SamplesData {
        run: wanted.run.clone(),
        round: 3,
        rounds: vec![1, 2, 3],
        wanted: wanted.clone(),
        n_scored: 71_204,
        n_selected: 58_916,
        n_listed: 58_916,
        first: wanted.first,
        pair: Some(Box::new(opinions(&wanted.run, &line(wanted.cursor)))),
        lines,
        found: None,
        floor: Some(0.599),
        n_decided: [1, 3, 1],
        estimate: None,
        undo: Some(BatchRow { id: 9, verdict: Verdict::Veto, n_pairs: 1, pair: line(5).pair }),
        redo: None,
        judged: BTreeSet::new(),
        progress: Progress::default(),
        said: Vec::new(),
        agreements: Vec::new(),
    }
}

fn samples() -> Model {
    let mut model = live();
    for key in "3jjjjj".chars() {
        press(&mut model, key);
    }
    assert_eq!(model.screen, Screen::Samples);
    model
}

fn press(model: &mut Model, key: char) {
    update(model, super::drive::key(&key.to_string()));
    if let Some(wanted) = model.samples.asked.clone() {
        update(model, Message::Samples(Found::Data(Box::new(found(&wanted)))));
    }
}

/// Compares a picture with the stored one, or stores it where `SER_PICTURES` is `update`.
fn check(name: &str, mut model: Model, title: &str) {
    model.theme = Theme::new(ThemeName::Dark, Depth::True);
    let drawn = svg(&draw(&model), title);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/screens").join(name);
    if std::env::var("SER_PICTURES").is_ok_and(|value| value == "update") {
        std::fs::write(&path, &drawn).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == drawn,
        "assets/screens/{name} does not show the screen as it is now; renew it with \
         `SER_PICTURES=update cargo test --release --lib picture`, and look at it"
    );
}

#[test]
fn the_pictures_of_the_documentation_show_the_screens() {
    check("live.svg", live(), "The live screen of a run after its last round");
    check("samples.svg", samples(), "The samples screen, on a pair that was vetoed");
}

#[test]
fn characters_that_fonts_disagree_about_are_shapes() {
    assert_eq!(drawn('▄'), Some((vec![(0, 8, 8, 8)], 100)));
    assert_eq!(drawn('▌'), Some((vec![(0, 0, 4, 16)], 100)));
    assert_eq!(drawn('█'), Some((vec![(0, 0, 8, 16)], 100)));
    assert_eq!(drawn('a'), None);
    assert_eq!(braille('⡅'), [(0, 0), (0, 2), (0, 3)]);
    assert!(braille('a').is_empty() && !is_text("⠀"));
}
