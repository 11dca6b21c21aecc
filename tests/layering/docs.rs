//! What is `pub` is explained, and in a sentence: a doc of three words or fewer says what the name
//! says already. Fields and variants need a doc only where their names leave something open.

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
