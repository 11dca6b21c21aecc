//! A text through the person's editor and back.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

/// Longest text that is taken back.
const N_BYTES_MAX: u64 = 1 << 20;

/// Gives the text to `$VISUAL`, `$EDITOR` or `vi`, waits, and returns what is in the file then.
///
/// # Errors
/// No editor can be started, it fails, or its file is no text.
pub fn edit(text: &str) -> io::Result<String> {
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let path = std::env::temp_dir().join(format!("ser-spec-{}.toml", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    // A name somebody else has made is not written into.
    let _ = std::fs::remove_file(&path);
    options.write(true).create_new(true).mode(0o600).open(&path)?.write_all(text.as_bytes())?;
    let result = run(&editor, &path);
    let _ = std::fs::remove_file(&path);
    result
}

fn run(editor: &str, path: &std::path::Path) -> io::Result<String> {
    // A shell, since `$EDITOR` may hold arguments.
    let script = format!("exec {editor} \"$1\"");
    let status = Command::new("sh").args(["-c", &script, "sh"]).arg(path).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("`{editor}` ended with {status}")));
    }
    if std::fs::metadata(path)?.len() > N_BYTES_MAX {
        return Err(io::Error::other("the file is too long for a spec"));
    }
    std::fs::read_to_string(path)
}
