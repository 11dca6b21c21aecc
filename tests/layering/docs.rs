//! What is `pub` is explained, and in a sentence: a doc of three words or fewer says what the name
//! says already. Fields and variants need a doc only where their names leave something open. The
//! note at each `unsafe` block states the bound that makes it sound, rather than where to find it.

use super::{is_test_module, modules};

/// A doc block of so few words repeats a name.
const FEW_WORDS: usize = 3;
/// Some may: a shape, a formula, a unit.
const SHARE_OF_SHORT_MAX: f64 = 0.03;

/// Whether the line begins an item that others can name.
fn is_public_item(line: &str) -> bool {
    const KINDS: [&str; 7] = ["fn", "struct", "enum", "trait", "const", "static", "type"];
    let Some(rest) = line.trim_start().strip_prefix("pub ") else { return false };
    let mut words = rest.split_whitespace().skip_while(|it| ["unsafe", "async"].contains(it));
    words.next().is_some_and(|word| KINDS.contains(&word))
}

/// Whether the doc of the item stands in the lines above it, before its attributes.
fn has_doc(above: &[&str]) -> bool {
    let mut lines = above.iter().rev().map(|line| line.trim()).peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("///") {
            return true;
        }
        let ends_attribute = line.ends_with(']');
        if ends_attribute && !line.starts_with("#[") {
            // An attribute over several lines: back to where it begins.
            if !lines.by_ref().any(|line| line.starts_with("#[")) {
                return false;
            }
        } else if !ends_attribute && !line.starts_with("//") {
            return false;
        }
    }
    false
}

/// The texts of the doc blocks of a file.
fn doc_blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut was_doc = false;
    for line in text.lines() {
        let doc = line.trim_start().strip_prefix("///");
        if let Some(doc) = doc {
            if !was_doc {
                blocks.push(String::new());
            }
            if let Some(block) = blocks.last_mut() {
                block.push_str(doc);
            }
        }
        was_doc = doc.is_some();
    }
    blocks
}

#[test]
fn every_public_item_has_a_doc() {
    let mut offences = Vec::new();
    for (path, text) in modules().into_values().flatten() {
        if is_test_module(&path) {
            continue;
        }
        let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines: Vec<&str> = production.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if is_public_item(line) && !has_doc(&lines[..at]) {
                offences.push(format!("src/{}:{} {}", path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(offences.is_empty(), "without a doc:\n{}", offences.join("\n"));
}

#[test]
fn docs_say_more_than_names() {
    let (mut n_blocks, mut short) = (0, Vec::new());
    for (path, text) in modules().into_values().flatten() {
        let blocks = doc_blocks(&text);
        n_blocks += blocks.len();
        let is_short = |block: &&String| block.split_whitespace().count() <= FEW_WORDS;
        short.extend(blocks.iter().filter(is_short).map(|it| format!("{}:{it}", path.display())));
    }
    let share = short.len() as f64 / n_blocks as f64;
    assert!(
        share <= SHARE_OF_SHORT_MAX,
        "{} of {n_blocks} docs have {FEW_WORDS} words or fewer:\n{}",
        short.len(),
        short.join("\n")
    );
}

/// The texts of the SAFETY notes of a file, each with the number of its first line.
fn safety_notes(text: &str) -> Vec<(usize, String)> {
    let mut notes: Vec<(usize, String)> = Vec::new();
    let mut is_inside = false;
    for (at, line) in text.lines().enumerate() {
        let comment = line.trim_start().strip_prefix("//").map(str::trim);
        match comment {
            Some(note) if note.starts_with("SAFETY") => {
                notes.push((at + 1, note.to_owned()));
                is_inside = true;
            }
            Some(more) if is_inside => {
                if let Some((_, note)) = notes.last_mut() {
                    note.push(' ');
                    note.push_str(more);
                }
            }
            _ => is_inside = false,
        }
    }
    notes
}

/// Words of a SAFETY note that leaves its bound to another place.
const POINTERS: [&str; 10] = [
    "as in ",
    "as above",
    "as below",
    "as there.",
    "as there,",
    "as before",
    "see above",
    "see below",
    "same as",
    "passed on",
];
/// A note of so few words states no bound.
const SAFETY_WORDS_MIN: usize = 6;

/// Whether a SAFETY note points elsewhere, or says too little to be checked.
fn states_no_bound(note: &str) -> bool {
    let lower = note.to_lowercase();
    POINTERS.iter().any(|pointer| lower.contains(pointer))
        || note.split_whitespace().skip(1).count() < SAFETY_WORDS_MIN
}

#[test]
fn every_safety_note_states_its_own_bound() {
    let (mut n_notes, mut offences) = (0, Vec::new());
    for (path, text) in modules().into_values().flatten() {
        for (line, note) in safety_notes(&text) {
            n_notes += 1;
            if states_no_bound(&note) {
                offences.push(format!("src/{}:{line} {note}", path.display()));
            }
        }
    }
    assert!(n_notes > 50, "only {n_notes} notes were found");
    assert!(offences.is_empty(), "without a bound of their own:\n{}", offences.join("\n"));
}

#[test]
fn the_check_itself_sees_safety_notes() {
    let text = "f();\n    // SAFETY: `row < n_rows`, so\n    // the value is inside.\n    unsafe {}\n// x\n";
    assert_eq!(
        safety_notes(text),
        [(2, "SAFETY: `row < n_rows`, so the value is inside.".to_owned())]
    );
    for pointer in ["SAFETY: as in `run`, with rows below `n`.", "SAFETY: checked."] {
        assert!(states_no_bound(pointer), "{pointer}");
    }
    assert!(!states_no_bound("SAFETY: `row < n_rows` and `column + 8 <= width`, so it is inside."));
}

#[test]
fn the_check_itself_sees_docs() {
    for item in ["pub fn a() {", "    pub const fn b() {", "pub const C: u8 = 1;", "pub struct D;"]
    {
        assert!(is_public_item(item), "{item}");
    }
    for other in ["pub(super) fn a() {", "fn b() {", "pub field: u8,", "pub use a::b;"] {
        assert!(!is_public_item(other), "{other}");
    }
    assert!(has_doc(&["/// A doc.", "#[derive(", "    Debug,", ")]"]));
    assert!(!has_doc(&["}", "", "#[must_use]"]));
    assert!(!has_doc(&["/// Of a field.", "a: u8,"]));
    assert_eq!(doc_blocks("/// One\n/// two.\nfn a() {}\n    /// Three.").len(), 2);
}
