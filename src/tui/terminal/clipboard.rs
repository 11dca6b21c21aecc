//! Copies that reach the person's own clipboard, wherever they sit.
//!
//! Inside tmux the way is `tmux load-buffer -w`: with its default `set-clipboard external` tmux
//! ignores OSC 52 of the programs in it. Elsewhere the terminal is asked with OSC 52, which crosses
//! ssh. Nobody answers either way, so every copy is in a file as well, and the words say where.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Longest payload of an OSC 52 sequence that terminals agree to take, encoded.
const N_ENCODED_MAX: usize = 74_994;

/// What a copy came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied {
    /// For the terminal; empty when it took another way.
    pub bytes: Vec<u8>,
    /// Which way it took.
    pub words: String,
}

/// Copies a text; `what` is what it is called in the answer.
///
/// # Errors
/// The file cannot be written, which is the way that always works.
pub fn copy(
    file: &Path,
    what: &str,
    text: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> io::Result<Copied> {
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())?;
    let place = file.display();
    let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    if variable("TMUX").is_some_and(|socket| !socket.is_empty()) && to_tmux(text) {
        let words = format!("{what}: in the tmux buffer and its clipboard · kept in {name}");
        return Ok(Copied { bytes: Vec::new(), words });
    }
    let encoded = base64(text.as_bytes());
    if encoded.len() > N_ENCODED_MAX {
        let words = format!("{what}: too long for a terminal's clipboard, it is in {place}");
        return Ok(Copied { bytes: Vec::new(), words });
    }
    let osc = format!("\x1b]52;c;{encoded}\x07");
    let term = variable("TERM").unwrap_or_default();
    // A tmux on the near side of an ssh connection: passed through where it allows that, and taken
    // by itself where `set-clipboard` is on.
    let bytes = if term.starts_with("tmux") || term.starts_with("screen") {
        format!("\x1bPtmux;\x1b{osc}\x1b\\{osc}")
    } else {
        osc
    };
    let words = format!("{what}: sent to the terminal's clipboard · kept in {name}");
    Ok(Copied { bytes: bytes.into_bytes(), words })
}

/// Whether tmux took the text and passes it on.
fn to_tmux(text: &str) -> bool {
    let child = Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let is_written =
        child.stdin.take().is_some_and(|mut stdin| stdin.write_all(text.as_bytes()).is_ok());
    child.wait().is_ok_and(|status| status.success()) && is_written
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, byte| n << 8 | u32::from(*byte));
        let n = n << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, encoded) in cases {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn a_copy_goes_to_the_terminal_and_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last-copy.txt");
        let plain = copy(&file, "id", "r1\u{1b}[2J", |_| None).unwrap();
        assert_eq!(plain.bytes, b"\x1b]52;c;cjEbWzJK\x07");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "r1\u{1b}[2J");
        let far = copy(&file, "id", "foo", |name| (name == "TERM").then(|| "tmux-256color".into()));
        let far = String::from_utf8(far.unwrap().bytes).unwrap();
        assert_eq!(far, "\x1bPtmux;\x1b\x1b]52;c;Zm9v\x07\x1b\\\x1b]52;c;Zm9v\x07");
        let long = copy(&file, "text", &"x".repeat(1_000_000), |_| None).unwrap();
        assert!(long.bytes.is_empty() && long.words.contains("last-copy.txt"), "{}", long.words);
        assert!(copy(&folder.path().join("no/such"), "id", "x", |_| None).is_err());
    }
}
