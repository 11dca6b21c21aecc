//! Every dependency is used: a name in `Cargo.toml` that no source file names is compiled for
//! nothing.

use std::path::{Path, PathBuf};

/// Dependencies that no path names, each with what it is there for.
const UNNAMED: &[(&str, &str)] = &[];

/// The names under `[section]` in a manifest, as Rust paths spell them.
fn names(manifest: &str, section: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let table = manifest[section].as_table().unwrap();
    table.keys().map(|name| name.replace('-', "_")).collect()
}

/// Whether a line of code names the crate: `name::`, `use name;` or `extern crate name`.
fn is_named(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.'))
            && (after.starts_with("::") || code[..at].ends_with("use ") && after.starts_with(';'))
    })
}

/// The code of every file under a folder, without its comments.
fn code(folder: &Path) -> String {
    let mut folders = vec![folder.to_path_buf()];
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    code.push_str(line);
                    code.push('\n');
                }
            }
        }
    }
    code
}

#[test]
fn every_dependency_is_named_in_the_code_that_it_is_for() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (src, tests) = (code(&root.join("src")), code(&root.join("tests")));
    let mut idle = Vec::new();
    for (section, code) in
        [("dependencies", src.clone()), ("dev-dependencies", format!("{src}{tests}"))]
    {
        for name in names(&manifest, section) {
            let has_reason = UNNAMED.iter().any(|(unnamed, _)| *unnamed == name);
            if !has_reason && !is_named(&code, &name) {
                idle.push(format!("[{section}] {name}"));
            }
        }
    }
    assert_eq!(idle, Vec::<String>::new());
}

#[test]
fn a_crate_is_named_by_a_path_and_not_by_a_part_of_one() {
    for (line, is_use) in [
        ("use gemm::Parallelism;", true),
        ("use gemm;", true),
        ("let peak = profile::gemm::peak();", false),
        ("let peak = my_gemm::peak();", false),
        ("gemm_peak(on)", false),
        ("#[derive(gemm::Kind)]", true),
    ] {
        assert_eq!(is_named(line, "gemm"), is_use, "{line}");
    }
}
