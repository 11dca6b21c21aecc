//! The rooms of the interface: who may name whom inside `src/tui`, so that the arrows run one way.

use std::path::Path;

use super::{code_lines, is_test_module, modules};

/// For each room of `src/tui`, the rooms it may name.
const ROOMS: &[(&str, &[&str])] = &[
    ("kit", &[]),
    ("outlet", &[]),
    ("error", &[]),
    ("terminal", &["kit", "outlet"]),
    ("feed", &["kit", "outlet", "terminal"]),
    ("shell", &["kit", "terminal", "feed", "screens"]),
    ("panels", &["kit", "feed", "shell"]),
    ("screens", &["kit", "feed", "panels", "shell"]),
    ("settings", &["kit", "error", "shell", "screens"]),
];

/// What of `shell` screens and panels may name: the state, its types, and the doors. The roots call
/// the screens, so no screen calls them.
const DOORS: &[&str] =
    &["chosen", "current_run", "effect", "export", "keymap", "model", "overlay", "split"];

const SCREENS: &[&str] = &["runs", "live", "samples", "compare", "launch", "policy"];

/// The name that follows `prefix` in a line, for each place where it stands.
fn names_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).map(move |(at, _)| {
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// The rooms that a line of `src/tui/mod.rs` or of another file of `src/tui` names by their path.
fn rooms_of(line: &str) -> impl Iterator<Item = &str> {
    names_after(line, "crate::tui::")
}

#[test]
fn the_rooms_of_the_interface_keep_their_order() {
    let mut offences = Vec::new();
    for (path, text) in modules().remove("tui").unwrap() {
        let inside = path.strip_prefix("tui").unwrap().to_path_buf();
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(room, "mod" | "tests") || is_test_module(&path) {
            continue;
        }
        let allowed = ROOMS.iter().find(|(name, _)| *name == room);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("`src/tui/{room}` is in no table"));
        let production = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for (number, line) in code_lines(production) {
            let at = format!("src/{}:{number}", path.display());
            for name in rooms_of(line) {
                if name != room && !allowed.contains(&name) {
                    offences.push(format!("{at} `{room}` must not name `{name}`"));
                }
            }
            if matches!(room, "screens" | "panels") {
                for name in names_after(line, "crate::tui::shell::") {
                    if !name.is_empty() && !DOORS.contains(&name) {
                        offences.push(format!("{at} no screen names `shell::{name}`"));
                    }
                }
            }
            if room == "screens" {
                offences.extend(of_screen(&inside, line).map(|why| format!("{at} {why}")));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// A screen may open another one, and knows nothing else of it.
fn of_screen<'a>(inside: &'a Path, line: &'a str) -> impl Iterator<Item = String> + 'a {
    let own = inside.iter().nth(1).unwrap().to_str().unwrap();
    SCREENS.iter().filter(move |other| **other != own).filter_map(move |other| {
        let path = format!("screens::{other}::");
        let names_inside = line.contains(&path) && !line.contains(&format!("{path}open"));
        // After `use crate::tui::screens::samples;` it is called `samples::open::open`.
        let called = line.trim_start().starts_with(&format!("{other}::"))
            && !line.contains(&format!("{other}::open::"));
        (names_inside || called).then(|| format!("`{own}` knows more of `{other}` than its door"))
    })
}
