//! How runs are told apart, by letter and stroke, with hues that only help; and the legend that says
//! so, as much of it as fits.

use ratatui::style::{Color, Modifier, Style};

use crate::report::{end_letters, letters};
use crate::tui::kit::text;
use crate::tui::kit::theme::{Theme, ThemeName};
use crate::tui::kit::widgets::{Point, Series, Stroke};
use crate::tui::shell::model::Model;

/// Columns of a name, from as long as one may be to as short as one is still told by, and whether it is
/// also said which run is the base, which the head of the screen says in any case.
const NAMES: [(usize, bool); 7] =
    [(24, true), (19, true), (15, true), (12, true), (12, false), (9, false), (6, false)];

/// The stroke of a run: past four the same ones come again with other hues.
fn stroke(index: usize) -> Stroke {
    [Stroke::Solid, Stroke::Dashed, Stroke::Dotted, Stroke::DashDotted][index % 4]
}

/// What stands for the stroke in a legend.
fn sample(index: usize) -> &'static str {
    ["━", "╍", "┈", "┅"][index % 4]
}

/// The style of a run. Hues after Okabe and Ito; without colors every second run is bold.
pub fn style(theme: &Theme, index: usize) -> Style {
    const HUES: [u8; 8] = [75, 179, 78, 176, 209, 117, 250, 143];
    const DARK_HUES: [u8; 8] = [25, 130, 29, 90, 160, 31, 240, 94];
    const OF_TERMINAL: [Color; 6] =
        [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];
    match theme.name {
        ThemeName::Mono if index.is_multiple_of(2) => Style::new().add_modifier(Modifier::BOLD),
        ThemeName::Mono => Style::new(),
        ThemeName::Ansi16 => Style::new().fg(OF_TERMINAL[index % OF_TERMINAL.len()]),
        ThemeName::Light => Style::new().fg(Color::Indexed(DARK_HUES[index % DARK_HUES.len()])),
        _ => Style::new().fg(Color::Indexed(HUES[index % HUES.len()])),
    }
}

/// The legend of groups of curves in at most `room` columns: `━ A ser-1 (base)  ╍ B = C ser-2, ser-3`.
/// Names are shortened, then left out; what does not even fit as letters is counted.
pub fn words(groups: &[Vec<usize>], names: &[String], base: Option<usize>, room: usize) -> String {
    let with_names = NAMES.into_iter().map(|(n, tells_base)| {
        let item = |group: &Vec<usize>| {
            let name = |at: &usize| {
                let is_told = Some(*at) == base && tells_base;
                let base = if is_told { " (base)" } else { "" };
                format!("{}{base}", text::cut_name(&names[*at], n))
            };
            let names: Vec<String> = group.iter().map(name).collect();
            format!("{} {}", head(group), names.join(", "))
        };
        groups.iter().map(item).collect::<Vec<_>>().join("  ")
    });
    let bare = || -> Vec<String> {
        let item = |group: &Vec<usize>| format!("{} {}", sample(group[0]), end_letters(group));
        groups.iter().map(item).collect()
    };
    let fits = |words: &String| text::width(words) <= room;
    let mut ways = with_names.chain(std::iter::once_with(|| bare().join("  ")));
    ways.find(fits).unwrap_or_else(|| {
        let all = bare();
        let of_first = |n: usize| format!("{}  and {} more", all[..n].join(" "), all.len() - n);
        let found = (1..all.len()).rev().map(of_first).find(fits);
        if fits(&all.join(" ")) { all.join(" ") } else { found.unwrap_or_default() }
    })
}

fn head(group: &[usize]) -> String {
    format!("{} {}", sample(group[0]), letters(group))
}

/// The curves of the groups as they are drawn: the one of the base last, so that nothing hides it.
pub fn series(
    model: &Model,
    groups: &[Vec<usize>],
    base: Option<usize>,
    points: impl Fn(usize) -> Vec<Point>,
) -> Vec<Series> {
    let is_base = |group: &&Vec<usize>| Some(group[0]) == base;
    let others = groups.iter().filter(|group| !is_base(group));
    let of_group = |group: &Vec<usize>| Series {
        points: points(group[0]),
        stroke: stroke(group[0]),
        style: style(&model.theme, group[0]),
        whiskers: model.theme.dim,
        label: Some(end_letters(group)),
    };
    others.chain(groups.iter().filter(is_base)).map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(n: usize) -> Vec<Vec<usize>> {
        (0..n).map(|at| vec![at]).collect()
    }

    #[test]
    fn names_are_shortened_before_anything_is_left_out() {
        let names: Vec<String> = (1..=4).map(|i| format!("reproduce-embedded-ser-s{i}")).collect();
        let at = |room| words(&alone(4), &names, Some(0), room);
        assert_eq!(
            at(74),
            "━ A rep…d-ser-s1  ╍ B rep…d-ser-s2  ┈ C rep…d-ser-s3  ┅ D rep…d-ser-s4"
        );
        assert!(at(160).starts_with("━ A reprodu…") && at(160).contains("(base)"), "{}", at(160));
        assert_eq!(at(30), "━ A  ╍ B  ┈ C  ┅ D");
        assert_eq!(at(15), "━ A ╍ B ┈ C ┅ D");
        for room in 16..120 {
            let words = at(room);
            assert!(text::width(&words) <= room && words.contains("┅ D"), "{room}: {words}");
        }
    }

    #[test]
    fn curves_that_are_one_share_a_line_and_many_are_counted() {
        let names = ["full", "naive", "ser"].map(str::to_owned);
        let words_of = |groups: &[Vec<usize>], room| words(groups, &names, Some(2), room);
        let groups = [vec![2, 0], vec![1]];
        assert_eq!(words_of(&groups, 60), "┈ C = A ser (base), full  ╍ B naive");
        let many: Vec<String> = (0..100).map(|i| format!("run-{i}")).collect();
        let found = words(&alone(100), &many, None, 74);
        assert!(text::width(&found) <= 74 && found.ends_with("more"), "{found}");
    }
}
