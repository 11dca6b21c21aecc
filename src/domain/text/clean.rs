//! Makes text from data sets, models and logs harmless to show on a terminal.
//!
//! A preference pair can hold any characters: escape sequences that repaint the screen, overrides
//! that reorder a line (CVE-2021-42574), invisible characters that hide words, combining marks
//! stacked over ten rows. Everything that did not come from this program passes [`clean_line`] or
//! [`clean_text`] once, where it enters a screen or a table. What is removed is named or counted,
//! so that nobody is fooled by its absence either.

/// How many combining marks may stand on one letter; real orthographies need at most four.
const N_MARKS_MAX: usize = 4;

/// How many columns a tab becomes.
const TAB: &str = "    ";

/// A text for one line: line ends become `⏎`.
#[must_use]
pub fn clean_line(text: &str) -> String {
    clean(text, "⏎")
}

/// A text of several lines: `\n` and `\r\n` stay line ends.
#[must_use]
pub fn clean_text(text: &str) -> String {
    clean(text, "\n")
}

fn clean(text: &str, line_end: &str) -> String {
    let mut cleaner = Cleaner { line_end, ..Cleaner::default() };
    cleaner.out.reserve(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' && chars.peek() == Some(&'\n') {
            continue;
        }
        cleaner.take(c);
    }
    cleaner.finish()
}

#[derive(Default)]
struct Cleaner<'a> {
    out: String,
    line_end: &'a str,
    /// The last visible character, for what depends on a neighbor.
    previous: Option<char>,
    n_marks: usize,
    n_hidden: usize,
    /// A joiner stood after an emoji: the next emoji belongs to it and is not drawn.
    joined: bool,
}

impl Cleaner<'_> {
    fn take(&mut self, c: char) {
        match c {
            '\n' | '\u{2028}' | '\u{2029}' => {
                self.out.push_str(self.line_end);
                self.previous = None;
            }
            '\t' => self.out.push_str(TAB),
            _ if c.is_control() => self.name(&control_name(c)),
            '\u{200d}' if self.previous.is_some_and(is_emoji) => self.joined = true,
            _ if bidi_name(c).is_some() => self.name(bidi_name(c).unwrap_or_default()),
            _ if is_hidden(c) => self.n_hidden += 1,
            // Variation selectors and skin tones change the width of what they follow in some
            // terminals and not in others; without them every terminal agrees.
            _ if is_variation(c) => {}
            '\u{1f3fb}'..='\u{1f3ff}' if self.previous.is_some_and(is_emoji) => {}
            // Flags are two letters that few terminals join the same way.
            '\u{1f1e6}'..='\u{1f1ff}' => {
                self.show(char::from_u32(c as u32 - 0x1f1e6 + 0x41).unwrap_or(c));
            }
            _ if is_mark(c) => self.mark(c),
            _ if self.joined && is_emoji(c) => self.joined = false,
            _ => self.show(c),
        }
    }

    fn show(&mut self, c: char) {
        self.joined = false;
        self.n_marks = 0;
        let composed = self.previous.and_then(|previous| compose_hangul(previous, c));
        if composed.is_some() {
            self.out.pop();
        }
        let c = composed.unwrap_or(c);
        self.out.push(c);
        self.previous = Some(c);
    }

    fn name(&mut self, name: &str) {
        self.out.push('⟨');
        self.out.push_str(name);
        self.out.push('⟩');
        self.previous = None;
        self.joined = false;
    }

    fn mark(&mut self, c: char) {
        if self.previous.is_none() {
            // Without a letter before it the mark would sit on a border.
            self.n_hidden += 1;
            return;
        }
        self.n_marks += 1;
        if self.n_marks <= N_MARKS_MAX {
            self.out.push(c);
        } else {
            self.n_hidden += 1;
        }
    }

    fn finish(mut self) -> String {
        if self.n_hidden > 0 {
            self.out.push_str(" ⟨");
            self.out.push_str(&self.n_hidden.to_string());
            self.out.push_str(" hidden⟩");
        }
        self.out
    }
}

/// The usual name of a C0 or C1 control character or of DEL.
fn control_name(c: char) -> String {
    const C0: [&str; 32] = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF",
        "CR", "SO", "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM",
        "SUB", "ESC", "FS", "GS", "RS", "US",
    ];
    match c {
        '\u{7f}' => "DEL".to_owned(),
        '\u{90}' => "DCS".to_owned(),
        '\u{9b}' => "CSI".to_owned(),
        '\u{9d}' => "OSC".to_owned(),
        '\u{9f}' => "APC".to_owned(),
        _ => match C0.get(c as usize) {
            Some(name) => (*name).to_owned(),
            None => format!("U+{:04X}", c as u32),
        },
    }
}

/// Characters that change the direction of what stands around them.
fn bidi_name(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{061c}' => "ALM",
        '\u{200e}' => "LRM",
        '\u{200f}' => "RLM",
        '\u{202a}' => "LRE",
        '\u{202b}' => "RLE",
        '\u{202c}' => "PDF",
        '\u{202d}' => "LRO",
        '\u{202e}' => "RLO",
        '\u{2066}' => "LRI",
        '\u{2067}' => "RLI",
        '\u{2068}' => "FSI",
        '\u{2069}' => "PDI",
        _ => return None,
    })
}

/// Characters without a picture: zero-width ones, fillers, annotation and tag characters.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}')
}

/// The ranges whose characters stand on the one before: general combining marks and the marks of
/// the scripts that use them most.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05bd}'
        | '\u{05bf}' | '\u{05c1}'..='\u{05c2}' | '\u{05c4}'..='\u{05c5}' | '\u{05c7}'
        | '\u{0610}'..='\u{061a}' | '\u{064b}'..='\u{065f}' | '\u{0670}'
        | '\u{06d6}'..='\u{06dc}' | '\u{06df}'..='\u{06e4}' | '\u{0e31}'
        | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{302a}'..='\u{302f}'
        | '\u{3099}' | '\u{309a}' | '\u{fe20}'..='\u{fe2f}')
}

/// Near enough to the characters that joiner sequences are built from.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}')
}

/// One syllable from a leading consonant and a vowel, or from a syllable and a final consonant
/// (Unicode 3.12). Decomposed Hangul has no width that terminals agree on.
fn compose_hangul(previous: char, c: char) -> Option<char> {
    let (previous, c) = (previous as u32, c as u32);
    if (0x1100..0x1113).contains(&previous) && (0x1161..0x1176).contains(&c) {
        return char::from_u32(0xac00 + ((previous - 0x1100) * 21 + (c - 0x1161)) * 28);
    }
    let is_open_syllable = (0xac00..0xd7a4).contains(&previous) && (previous - 0xac00) % 28 == 0;
    if is_open_syllable && (0x11a8..0x11c3).contains(&c) {
        return char::from_u32(previous + c - 0x11a7);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "How do I…?", "naïve café", "漢字 かな 한국어", "שלום", "ไทย", "❤ 😀"]
        {
            assert_eq!(clean_line(text), text);
        }
        assert_eq!(clean_text("a\nb\r\nc"), "a\nb\nc");
        assert_eq!(clean_line("a\nb\tc"), "a⏎b    c");
    }

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        let hostile = "\x1b]0;title\x07\x1b[2J\u{9b}31m\x1bP1$r\x1b\\\u{9d}8;;x\u{9c}\r\x08\x7f";
        let safe = clean_line(hostile);
        assert!(!safe.chars().any(char::is_control), "{safe:?}");
        assert!(safe.starts_with("⟨ESC⟩]0;title⟨BEL⟩⟨ESC⟩[2J⟨CSI⟩31m"), "{safe}");
        assert!(safe.contains("⟨CR⟩⟨BS⟩⟨DEL⟩"), "{safe}");
        assert!(!clean_text(hostile).chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn reordering_is_named_and_hidden_characters_are_counted() {
        assert_eq!(clean_line("a\u{202e}b\u{2066}c"), "a⟨RLO⟩b⟨LRI⟩c");
        assert_eq!(clean_line("pass\u{200b}word\u{e0041}"), "password ⟨2 hidden⟩");
        let zalgo = format!("z{}", "\u{0300}".repeat(50));
        assert_eq!(clean_line(&zalgo), format!("z{} ⟨46 hidden⟩", "\u{0300}".repeat(4)));
        assert_eq!(clean_line("\u{0301}x"), "x ⟨1 hidden⟩");
    }

    #[test]
    fn widths_are_made_unambiguous() {
        assert_eq!(clean_line("👩\u{200d}🚀!"), "👩!");
        assert_eq!(clean_line("❤\u{fe0f}"), "❤");
        assert_eq!(clean_line("👍\u{1f3fd}"), "👍");
        assert_eq!(clean_line("\u{1f1e9}\u{1f1ea}"), "DE");
        assert_eq!(clean_line("\u{1112}\u{1161}\u{11ab}\u{1100}"), "한\u{1100}");
    }

    #[test]
    fn a_megabyte_is_linear() {
        let long = "\x1b[31m".repeat(200_000);
        assert_eq!(clean_line(&long).matches("⟨ESC⟩").count(), 200_000);
    }
}
