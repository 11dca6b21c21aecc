//! Text into HTML: escaped and made harmless, in one place.

use std::fmt::{Display, Write as _};

use crate::domain::text::clean::{clean_line, clean_text};
use crate::domain::text::words::grouped;

/// A text of one line.
pub fn line(text: &str) -> String {
    escaped(&clean_line(text))
}

/// A text that keeps its line ends.
pub fn text(text: &str) -> String {
    escaped(&clean_text(text))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// What a value that does not exist shows.
pub const NONE: &str = "–";

/// A large number with what it is and what belongs to it.
pub fn card(value: &str, what: &str, detail: &str) -> String {
    let detail =
        if detail.is_empty() { String::new() } else { format!("<span>{}</span>", line(detail)) };
    format!("<div class=\"card\"><b>{}</b><span>{}</span>{detail}</div>", line(value), line(what))
}

/// A column of a table: its heading, and whether it holds numbers.
pub type Column<'a> = (&'a str, bool);

/// Tables of so few columns are as wide as their content.
const N_NARROW: usize = 2;

/// A table of texts, which may have several lines.
pub fn table(columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
    let class = |(_, is_number): &Column<'_>| if *is_number { " class=\"n\"" } else { "" };
    let row = |out: &mut String, tag: &str, cells: &mut dyn Iterator<Item = String>| {
        out.push_str("<tr>");
        for (column, cell) in columns.iter().zip(cells) {
            let _ = write!(out, "<{tag}{}>{cell}</{tag}>", class(column));
        }
        out.push_str("</tr>\n");
    };
    let (mut head, mut body) = (String::new(), String::new());
    row(&mut head, "th", &mut columns.iter().map(|(name, _)| line(name)));
    for cells in rows {
        row(&mut body, "td", &mut cells.iter().map(|cell| text(cell)));
    }
    let class = if columns.len() > N_NARROW { " class=\"wide\"" } else { "" };
    format!(
        "<div class=\"scroll\"><table{class}><thead>{head}</thead><tbody>{body}</tbody>\
         </table></div>\n"
    )
}

/// A share as a percentage with one decimal, without its sign: `64.5`.
pub fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// A value that may not exist.
pub fn maybe<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NONE.to_owned(), show)
}

/// A count with thin spaces between thousands.
pub fn count(n: impl Display) -> String {
    grouped(&n.to_string(), '\u{202f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        let cell = table(&[("a", false)], &[vec!["<script>alert('x')</script>\u{1b}[2J".into()]]);
        assert!(cell.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;⟨ESC⟩[2J"), "{cell}");
        assert_eq!(text("a\n<b>"), "a\n&lt;b&gt;");
        assert!(!card("\"><img>", "x", "").contains("<img"));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(percent(0.6449), "64.5");
        assert_eq!(maybe(None, percent), NONE);
    }
}
