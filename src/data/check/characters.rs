//! What texts are written in, and characters that should not be in them.

use std::collections::BTreeMap;

use serde::Serialize;
use unicode_script::{Script, UnicodeScript};

/// Letters of one script.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScriptCount {
    /// Its name in Unicode: `Latin`, `Han`, `Cyrillic`.
    pub script: &'static str,
    pub n_letters: u64,
    /// Their share of all letters.
    pub share: f64,
}

/// Counts over all texts of a source.
#[derive(Default)]
pub(super) struct Characters {
    n_latin: u64,
    others: BTreeMap<&'static str, u64>,
    /// Pairs with a control character other than tab and line ends, or a bidirectional override.
    pub(super) n_control: u64,
    /// Pairs with U+FFFD, which stands where a character was lost.
    pub(super) n_replacement: u64,
}

impl Characters {
    /// Takes the texts of one pair.
    pub(super) fn add(&mut self, texts: [&str; 3]) {
        let (mut has_control, mut has_replacement) = (false, false);
        for text in texts {
            if text.is_ascii() {
                for byte in text.bytes() {
                    self.n_latin += u64::from(byte.is_ascii_alphabetic());
                    has_control |= is_control(char::from(byte));
                }
                continue;
            }
            for c in text.chars() {
                has_control |= is_control(c);
                has_replacement |= c == '\u{fffd}';
                match c.is_alphabetic().then(|| c.script()) {
                    Some(Script::Latin) => self.n_latin += 1,
                    Some(Script::Common | Script::Inherited) | None => {}
                    Some(script) => *self.others.entry(script.full_name()).or_default() += 1,
                }
            }
        }
        self.n_control += u64::from(has_control);
        self.n_replacement += u64::from(has_replacement);
    }

    /// The scripts, the commonest first.
    pub(super) fn scripts(&self) -> Vec<ScriptCount> {
        let mut counts = self.others.clone();
        if self.n_latin > 0 {
            counts.insert(Script::Latin.full_name(), self.n_latin);
        }
        let n_all: u64 = counts.values().sum();
        let count = |(script, n_letters): (&'static str, u64)| ScriptCount {
            script,
            n_letters,
            share: n_letters as f64 / n_all.max(1) as f64,
        };
        let mut scripts: Vec<ScriptCount> = counts.into_iter().map(count).collect();
        scripts.sort_by_key(|script| std::cmp::Reverse(script.n_letters));
        scripts
    }
}

fn is_control(c: char) -> bool {
    let is_override = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_override || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_odd_characters_are_counted() {
        let mut characters = Characters::default();
        characters.add(["abc 1", "Größe", "да"]);
        characters.add(["\u{1b}[2J", "x\u{fffd}", "漢字"]);
        characters.add(["a\tb\r\n", "\u{202e}", ""]);
        let found: Vec<(&str, u64)> =
            characters.scripts().iter().map(|s| (s.script, s.n_letters)).collect();
        assert_eq!(found, [("Latin", 12), ("Cyrillic", 2), ("Han", 2)]);
        assert_eq!((characters.n_control, characters.n_replacement), (2, 1));
    }
}
