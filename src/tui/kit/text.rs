//! Measuring, cutting, wrapping and number formats: everything that fits words into columns.
//!
//! One width truth for the whole interface: `unicode-width` over extended grapheme clusters, the
//! same crates in the same versions that the terminal buffer measures with.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::domain::text::words::grouped;

/// Columns a text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text in at most `columns` columns; `…` marks what is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let next = used + width(grapheme);
        if next + 1 > columns {
            break;
        }
        out.push_str(grapheme);
        used = next;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// A name in at most `columns` columns; `…` stands for what is missing in its middle, since the runs of
/// an experiment differ at the end.
pub fn cut_name(name: &str, columns: usize) -> String {
    let n_columns = width(name);
    if n_columns <= columns || columns < 3 {
        return cut(name, columns);
    }
    let head = (columns - 1) / 3;
    let mut start: String = cut(name, head + 1);
    start.push_str(after(name, n_columns - (columns - width(&start))));
    start
}

/// The first of several ways to say something that takes at most `columns` columns, else the last.
pub fn first_that_fits(ways: &[String], columns: usize) -> &str {
    let found = ways.iter().find(|way| width(way) <= columns).or(ways.last());
    found.map_or("", String::as_str)
}

/// The text in exactly `columns` columns, at the left.
pub fn left(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    out.push_str(&" ".repeat(columns.saturating_sub(width(&out))));
    out
}

/// The text in exactly `columns` columns, at the right.
pub fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(&text))))
}

/// The text without its first `columns` columns; half a wide letter goes whole.
pub fn after(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if used >= columns {
            return &text[at..];
        }
        used += width(grapheme);
    }
    ""
}

/// The text broken at spaces into at most `n_lines` lines of `columns` columns. The last line ends
/// in `…` when there is more.
pub fn wrap(text: &str, columns: usize, n_lines: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if columns == 0 {
        return lines;
    }
    for paragraph in text.trim_end().split('\n') {
        wrap_paragraph(paragraph, columns, n_lines + 1, &mut lines);
        if lines.len() > n_lines {
            break;
        }
    }
    if lines.len() > n_lines {
        lines.truncate(n_lines);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last} …"), columns);
        }
    }
    lines
}

fn wrap_paragraph(paragraph: &str, columns: usize, n_lines: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    let mut used = 0;
    for word in unbroken(paragraph) {
        if lines.len() >= n_lines {
            return;
        }
        let word_width = width(word);
        if used + word_width <= columns {
            line.push_str(word);
            used += word_width;
            continue;
        }
        if word.trim().is_empty() {
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        used = 0;
        for grapheme in word.graphemes(true) {
            let next = width(grapheme);
            if used + next > columns && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
                if lines.len() >= n_lines {
                    return;
                }
            }
            line.push_str(grapheme);
            used += next;
        }
    }
    lines.push(line.trim_end().to_owned());
}

/// Pieces that no line break goes through where it can be helped: spaces stand between them, and
/// writing without spaces can be broken at any word.
fn unbroken(paragraph: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, word) in paragraph.split_word_bound_indices() {
        let stands_alone = word.trim().is_empty() || word.chars().any(|c| c >= '\u{2e80}');
        if stands_alone {
            pieces.extend((start < at).then(|| &paragraph[start..at]));
            pieces.push(word);
            start = at + word.len();
        }
    }
    pieces.extend((start < paragraph.len()).then(|| &paragraph[start..]));
    pieces
}

/// What a metric without a value shows.
pub const NONE: &str = "–";

/// A share with `digits` digits and no leading zero: `.7241`, `1.0000`, `–`.
pub fn share(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return NONE.to_owned();
    };
    let text = format!("{value:.digits$}");
    match text.strip_prefix("0.") {
        Some(rest) => format!(".{rest}"),
        None => text.replacen("-0.", "-.", 1),
    }
}

/// A count with its thousands apart: `48 112`.
pub fn count(n: u64) -> String {
    grouped(&n.to_string(), ' ')
}

/// A count in at most four columns: `948`, `4.8k`, `48k`, `1.2M`.
pub fn short_count(n: u64) -> String {
    let value = n as f64;
    for (unit, letter) in [(1e9, 'G'), (1e6, 'M'), (1e3, 'k')] {
        if value >= unit {
            let scaled = value / unit;
            return if scaled < 9.95 {
                format!("{scaled:.1}{letter}")
            } else {
                format!("{scaled:.0}{letter}")
            };
        }
    }
    n.to_string()
}

/// A duration as two units at most: `9s`, `4m08s`, `1h52m`, `3d04h`.
pub fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3600 % 24),
    }
}

/// A rate in its two leading digits: the others are noise, and noise is bytes.
pub fn two_digits(n: u64) -> u64 {
    let unit = 10_u64.pow(n.max(1).ilog10().saturating_sub(1));
    (n + unit / 2) / unit * unit
}

/// How long ago, in one unit: `12s`, `41m`, `5h`, `2d`.
pub fn age(from_ms: i64, now_ms: i64) -> String {
    let s = (now_ms - from_ms).max(0) / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..172_800 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

/// How long ago in a list: under an hour in steps of ten minutes, so that a screen on which nothing
/// happens stays silent.
pub fn coarse_age(from_ms: i64, now_ms: i64) -> String {
    match (now_ms - from_ms).max(0) / 60_000 {
        0..10 => "<10m".to_owned(),
        minutes @ 10..60 => format!("{}m", minutes / 10 * 10),
        _ => age(from_ms, now_ms),
    }
}

/// The time of day `HH:MM:SS`, `offset_s` seconds east of UTC.
pub fn time_of_day(at_ms: i64, offset_s: i32) -> String {
    let s = (at_ms.div_euclid(1000) + i64::from(offset_s)).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_respects_wide_characters() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello!", 5), "hell…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("abc", 0), "");
        for n in 0..12 {
            assert_eq!(width(&left("漢字 and more", n)), n);
            assert_eq!(width(&right("漢字 and more", n)), n);
        }
    }

    #[test]
    fn of_a_long_name_both_ends_stay() {
        assert_eq!(cut_name("reproduce-ser-s5", 16), "reproduce-ser-s5");
        assert_eq!(cut_name("reproduce-embedded-ser-s5", 13), "repr…d-ser-s5");
        assert_eq!(cut_name("漢字漢字漢字", 7), "漢…漢字");
        for n in 0..40 {
            assert!(width(&cut_name("a-漢字-name-of-a-漢字-run-s12", n)) <= n, "{n}");
        }
    }

    #[test]
    fn the_longest_way_that_fits_is_taken() {
        let ways = ["one two".to_owned(), "one".to_owned(), "1".to_owned()];
        assert_eq!([9, 6, 2, 0].map(|n| first_that_fits(&ways, n)), ["one two", "one", "1", "1"]);
        assert_eq!(first_that_fits(&[], 9), "");
    }

    #[test]
    fn wrapping_keeps_words_and_marks_the_rest() {
        assert_eq!(wrap("one two three", 8, 9), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 8, 2), ["one two", "three …"]);
        assert_eq!(wrap("abcdefghij", 4, 9), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a\n\nb", 4, 9), ["a", "", "b"]);
        assert_eq!(wrap("漢字漢字漢", 4, 9), ["漢字", "漢字", "漢"]);
        assert!(wrap("x", 0, 3).is_empty());
        for columns in 1..30 {
            for line in wrap("the 漢字 quick brown ⟨ESC⟩[31m fox\njumps", columns, 4) {
                assert!(width(&line) <= columns.max(2), "{columns} {line:?}");
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(share(Some(0.7241), 4), ".7241");
        assert_eq!(share(Some(1.0), 3), "1.000");
        assert_eq!(share(Some(-0.02), 2), "-.02");
        assert_eq!(share(None, 3), "–");
        assert_eq!(share(Some(f64::NAN), 3), "–");
        assert_eq!(count(1_048_112), "1 048 112");
        assert_eq!(count(12), "12");
        let shorts = [948, 4_800, 48_112, 1_200_000].map(short_count);
        assert_eq!(shorts, ["948", "4.8k", "48k", "1.2M"]);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(duration(9_400), "9s");
        assert_eq!(duration(248_000), "4m08s");
        assert_eq!(duration(6_720_000), "1h52m");
        assert_eq!([0, 7, 99, 12_345, 9_960].map(two_digits), [0, 7, 99, 12_000, 10_000]);
        assert_eq!(
            [0, 599, 600, 2_459, 7_200].map(|s| coarse_age(0, s * 1000)),
            ["<10m", "<10m", "10m", "40m", "2h"]
        );
        assert_eq!(age(0, 47 * 3_600_000), "47h");
        assert_eq!(age(0, 49 * 3_600_000), "2d");
        assert_eq!(age(5_000, 0), "0s");
        assert_eq!(time_of_day(0, 3600), "01:00:00");
        assert_eq!(time_of_day(-1000, 0), "23:59:59");
    }
}
