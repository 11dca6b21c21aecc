//! The pages a person reads: the first one stays short, and no link of any of them leads nowhere.

use std::path::{Path, PathBuf};

/// More than this nobody reads to the end; the rest has pages of its own.
const README_WORDS_MAX: usize = 900;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = ["README.md", "data/README.md", "tests/bench/README.md"]
        .into_iter()
        .map(|page| root().join(page))
        .collect();
    let mut folders = vec![root().join("assets")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("README.md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The targets of Markdown links and of images, without those that leave the repository or only
/// go to another place of the same page.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for (opening, closing) in [("](", ')'), ("src=\"", '"')] {
        for part in text.split(opening).skip(1) {
            let target = part.split(closing).next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

#[test]
fn the_first_page_is_short() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let n_words = text.split_whitespace().count();
    assert!(n_words <= README_WORDS_MAX, "README.md has {n_words} words");
}

#[test]
fn no_link_leads_nowhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        if text.is_empty() {
            broken.push(format!("{} is missing", page.display()));
        }
        let folder = page.parent().unwrap_or(Path::new(""));
        for target in targets(&text) {
            if !folder.join(&target).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_check_itself_sees_links() {
    let text = "[a](b.md#c) [d](https://e.org) ![f](g.svg)\n<img src=\"h.svg\" alt=\"\"> [i](#j)";
    assert_eq!(targets(text), ["b.md", "g.svg", "h.svg"]);
}
