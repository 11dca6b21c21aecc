//! Layering is a test, not a wish: who may import whom, how long a file may be, which words stay
//! out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod closed;
mod docs;
mod rooms;

/// For each top-level module: the crate modules it may name, and the external crates it must not.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("domain", &[], &["candle", "rusqlite", "tokio", "ratatui", "crossterm", "nix", "tokenizers"]),
    ("data", &["domain"], &["candle", "rusqlite", "tokio", "ratatui", "crossterm", "tokenizers"]),
    ("engine", &["domain"], &["rusqlite", "tokio", "ratatui", "crossterm"]),
    ("hub", &["domain"], &["candle", "rusqlite", "tokio", "ratatui", "crossterm", "tokenizers"]),
    ("store", &["domain"], &["candle", "tokio", "ratatui", "crossterm", "tokenizers"]),
    (
        "scorer",
        &["domain", "data", "engine", "store"],
        &["candle", "rusqlite", "tokio", "ratatui", "crossterm", "tokenizers"],
    ),
    (
        "worker",
        &["domain", "data", "engine", "scorer", "store"],
        &["candle", "rusqlite", "tokio", "ratatui", "crossterm", "tokenizers"],
    ),
    (
        "supervisor",
        &["domain", "store"],
        &["candle", "rusqlite", "ratatui", "crossterm", "tokenizers"],
    ),
    (
        "launch",
        &["domain", "data", "engine", "hub", "spec", "store", "supervisor"],
        &["candle", "rusqlite", "tokio", "ratatui", "crossterm", "tokenizers"],
    ),
    ("spec", &["domain"], &["candle", "rusqlite", "ratatui", "crossterm", "tokenizers"]),
    (
        "analysis",
        &["domain", "store"],
        &["candle", "rusqlite", "tokio", "ratatui", "crossterm", "tokenizers"],
    ),
    (
        "report",
        &["domain", "store", "analysis"],
        &["candle", "rusqlite", "tokio", "ratatui", "crossterm"],
    ),
    (
        "tui",
        &["domain", "launch", "store", "analysis", "spec", "supervisor", "report"],
        &["candle", "rusqlite", "tokenizers"],
    ),
    (
        "cli",
        &[
            "domain",
            "data",
            "engine",
            "hub",
            "launch",
            "store",
            "analysis",
            "worker",
            "scorer",
            "spec",
            "supervisor",
            "report",
            "tui",
            "logging",
        ],
        &["candle", "rusqlite", "ratatui", "crossterm", "tokenizers"],
    ),
    ("logging", &[], &["candle", "rusqlite", "ratatui", "crossterm", "tokenizers"]),
];

/// Things the pure layer must not reach: files, clocks, processes, threads, its own randomness.
const IMPURE: &[&str] =
    &["std::fs", "std::time::Instant", "SystemTime", "std::process", "std::thread", "std::env"];

/// A file longer than this holds more than one idea. Tables of data may opt out with the marker.
const LINES_MAX: usize = 500;
const TABLE_MARKER: &str = "// a table of data";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Source files by top-level module (`src/tui/shell/view/mod.rs` belongs to `tui`).
fn modules() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = root().join("src");
    let mut modules: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for path in rust_files(&src) {
        let relative = path.strip_prefix(&src).unwrap().to_path_buf();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        modules
            .entry(module)
            .or_default()
            .push((relative, std::fs::read_to_string(&path).unwrap()));
    }
    modules
}

/// Whether the file, or a folder it lies in, is a module that is compiled into tests only.
fn is_test_module(path: &Path) -> bool {
    path.ancestors().any(|path| {
        let path = root().join("src").join(path);
        let (Some(folder), Some(name)) =
            (path.parent(), path.file_stem().and_then(|it| it.to_str()))
        else {
            return false;
        };
        [folder.join("mod.rs"), folder.join("lib.rs"), folder.with_extension("rs")].iter().any(
            |file| {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                ["mod", "pub mod", "pub(super) mod", "pub(crate) mod"]
                    .iter()
                    .any(|word| text.contains(&format!("#[cfg(test)]\n{word} {name};")))
            },
        )
    })
}

/// Lines of code: comments and doc comments may mention any module.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Crate modules a line names, in `crate::x` paths and in `use crate::{x, y::z}` groups.
fn crate_modules(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (position, _) in line.match_indices("crate::") {
        let rest = &line[position + "crate::".len()..];
        let names = rest.strip_prefix('{').map_or_else(
            || vec![rest.to_owned()],
            |group| group.split(',').map(|part| part.trim().to_owned()).collect(),
        );
        for name in names {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            found.push(name[..end].to_owned());
        }
    }
    found
}

#[test]
fn no_module_imports_what_its_layer_forbids() {
    let modules = modules();
    let mut offences = Vec::new();
    for (module, files) in &modules {
        if matches!(module.as_str(), "main" | "lib") {
            continue;
        }
        let Some((_, allowed, banned)) = LAYERS.iter().find(|(name, _, _)| name == module) else {
            panic!("`src/{module}` is not in the layer table of tests/layering.rs");
        };
        for (path, text) in files {
            for (number, line) in code_lines(text) {
                let at = format!("src/{}:{number}", path.display());
                for name in crate_modules(line) {
                    let is_module = modules.contains_key(&name);
                    if is_module && name != *module && !allowed.contains(&name.as_str()) {
                        offences.push(format!("{at} `{module}` must not import `{name}`"));
                    }
                }
                for krate in *banned {
                    let names_it = line.contains(&format!("{krate}::"))
                        || line.contains(&format!("{krate}_core"))
                        || line.contains(&format!("{krate}_nn"))
                        || line.contains(&format!("{krate}_transformers"));
                    if names_it && !line.contains("crate::") && !line.contains("super::") {
                        offences.push(format!("{at} `{module}` must not use `{krate}`"));
                    }
                }
                if module == "domain" && IMPURE.iter().any(|word| line.contains(word)) {
                    offences.push(format!("{at} `domain` is pure: {}", line.trim()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "forbidden imports:\n{}", offences.join("\n"));
}

/// Who computes a model is chosen in one place: the rest of the engine talks to the traits of
/// `engine/mod.rs`, and what is outside the engine does not know that there are several.
#[test]
fn one_place_knows_who_computes() {
    let computes = |path: &Path| {
        ["cpu", "candle"].iter().any(|it| path.starts_with(Path::new("engine").join(it)))
    };
    // Whole `use` statements, since a group may be written over several lines.
    let names = |statement: &str| {
        let start = statement.find("use ").map_or("", |start| &statement[start..]);
        let comes_from = ["use crate::engine::", "use super::", "use crate::{"];
        let mut words = start.split(|c: char| !c.is_alphanumeric() && c != '_');
        (comes_from.iter().any(|it| start.starts_with(it))
            && words.any(|word| word == "cpu" || word == "candle"))
            || ["engine::cpu", "engine::candle"].iter().any(|it| statement.contains(it))
    };
    let mut offences = Vec::new();
    for (path, text) in modules().into_values().flatten() {
        if computes(&path) || path == Path::new("engine/open.rs") || is_test_module(&path) {
            continue;
        }
        let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: Vec<&str> = code_lines(production).map(|(_, line)| line).collect();
        for statement in code.join("\n").split(';').filter(|it| names(it)) {
            offences.push(format!("src/{}: {}", path.display(), statement.trim()));
        }
    }
    assert!(offences.is_empty(), "these name an implementation:\n{}", offences.join("\n"));
    let engine = std::fs::read_to_string(root().join("src/engine/mod.rs")).unwrap();
    for module in ["cpu", "candle"] {
        assert!(engine.contains(&format!("\nmod {module};")), "`engine::{module}` is private");
    }
}

#[test]
fn folders_of_the_engine_have_at_most_twenty_files() {
    let mut folders: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for path in rust_files(&root().join("src/engine")) {
        *folders.entry(path.parent().unwrap().to_owned()).or_default() += 1;
    }
    for (folder, n_files) in folders {
        assert!(n_files <= 20, "{} has {n_files} files", folder.display());
    }
}

#[test]
fn only_the_hub_and_the_server_talk_to_the_network() {
    for (module, files) in modules() {
        for (path, text) in files.into_iter().filter(|it| !it.0.starts_with("cli/serve")) {
            let mut lines = code_lines(&text);
            let is_networked = lines
                .any(|(_, l)| ["ureq::", "TcpStream", "std::net"].iter().any(|w| l.contains(w)));
            assert!(
                !is_networked || module == "hub",
                "src/{} talks to the network",
                path.display()
            );
        }
    }
}

/// Programs of others that are started by their names: a shell (an editor, a command that scores) and the
/// clipboard of a multiplexer.
const OTHER_PROGRAMS: &[&str] = &["Command::new(\"sh\")", "Command::new(\"tmux\")"];

/// A front end that runs `ser` again and reads what it prints depends on the command line in a way
/// that no import shows.
#[test]
fn only_the_supervisor_starts_this_program() {
    let mut offences = Vec::new();
    for (module, files) in modules() {
        if module == "supervisor" {
            continue;
        }
        for (path, text) in files.iter().filter(|(path, _)| !is_test_module(path)) {
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code_lines(production) {
                let starts = line.contains("Command::new(")
                    && !line.contains("clap::Command::new(")
                    && !OTHER_PROGRAMS.iter().any(|other| line.contains(other));
                if starts || line.contains("current_exe") || line.contains("fork(") {
                    offences.push(format!("src/{}:{number} {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "started outside `supervisor`:\n{}", offences.join("\n"));
}

#[test]
fn only_the_command_line_prints() {
    let mut offences = Vec::new();
    for (module, files) in modules() {
        if matches!(module.as_str(), "cli" | "main") {
            continue;
        }
        for (path, text) in files.iter().filter(|(path, _)| !is_test_module(path)) {
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code_lines(production) {
                if ["println!", "eprintln!", "print!(", "dbg!"].iter().any(|w| line.contains(w)) {
                    offences.push(format!("src/{}:{number} {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "prints outside `cli`:\n{}", offences.join("\n"));
}

#[test]
fn files_hold_one_idea_and_say_which() {
    let mut offences = Vec::new();
    for (path, text) in modules().into_values().flatten() {
        let n_lines = text.lines().count();
        if n_lines > LINES_MAX && !text.contains(TABLE_MARKER) {
            offences.push(format!("src/{} has {n_lines} lines", path.display()));
        }
        if path.file_name().is_some_and(|name| name != "main.rs") && !text.starts_with("//!") {
            offences.push(format!("src/{} has no `//!` paragraph", path.display()));
        }
        for word in ["todo!", "unimplemented!", "FIXME"] {
            if code_lines(&text).any(|(_, line)| line.contains(word)) {
                offences.push(format!("src/{} holds `{word}`", path.display()));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn catch_all_modules_stay_out() {
    for (path, _) in modules().into_values().flatten() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let is_catch_all = ["utils", "util", "types", "common", "helpers", "misc"].contains(&stem);
        assert!(!is_catch_all, "src/{}: name it by its idea", path.display());
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let tests = root().join("tests");
    let main = std::fs::read_to_string(tests.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&tests).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && stem != "main" {
            assert!(main.contains(&format!("mod {stem};")), "tests/{stem}.rs is not in main.rs");
        }
    }
}

#[test]
fn the_check_itself_sees_imports() {
    assert_eq!(crate_modules("use crate::store::Store;"), ["store"]);
    assert_eq!(crate_modules("use crate::{domain::run::RunId, store};"), ["domain", "store"]);
    assert!(crate_modules("use std::path::Path;").is_empty());
}
