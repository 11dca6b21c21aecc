//! The token that callers show, as `Bearer` or as a password.
//!
//! OpenRLHF's client sends no header of its own, but its HTTP library sends what an address holds
//! before `@` as user and password, so the token is taken as the password of any user too.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::cli::{CliError, CliResult};

/// The environment variable that holds a token.
pub const VARIABLE: &str = "SER_TOKEN";

/// The digest of a token. Digests are compared, so that the time it takes says nothing of the token
/// or its length.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token of a file, else of the environment; `None` without either.
    ///
    /// # Errors
    /// When the file cannot be read, or it holds no token.
    pub fn find(file: Option<&Path>) -> CliResult<Option<Self>> {
        let (text, place) = if let Some(path) = file {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| CliError::io("read", path, &error))?;
            (text, format!("`{}`", path.display()))
        } else {
            let Some(text) = std::env::var_os(VARIABLE) else { return Ok(None) };
            (text.to_string_lossy().into_owned(), format!("`{VARIABLE}`"))
        };
        let token = text.trim_end_matches(['\r', '\n']);
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("{place} holds no token: one word of ASCII characters");
            return Err(CliError::input(message).with_hint("make one: `openssl rand -hex 32`"));
        }
        Ok(Some(Self::of(token)))
    }

    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether a header `Authorization` shows this token.
    #[must_use]
    pub fn is_shown(&self, header: Option<&[u8]>) -> bool {
        let Some((scheme, value)) = header.and_then(split_at_space) else { return false };
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.is(value);
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return false;
        }
        let decoded = decode_base64(value).unwrap_or_default();
        let colon = decoded.iter().position(|byte| *byte == b':');
        colon.is_some_and(|at| self.is(&decoded[at + 1..]))
    }

    fn is(&self, token: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(token).into();
        let difference = self.0.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

fn split_at_space(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = header.iter().position(|byte| *byte == b' ')?;
    Some((&header[..at], header[at..].trim_ascii()))
}

/// The bytes of a base64 text of the common alphabet; `None` where it is none.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = &text[..text.len() - padding];
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for &byte in group {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_as_bearer_or_as_a_password() {
        let token = Token::of("secret");
        for (header, is_shown) in [
            ("Bearer secret", true),
            ("bearer  secret", true),
            ("Bearer secre", false),
            ("Bearer secrets", false),
            ("Bearer", false),
            ("secret", false),
            // `ser:secret`, `:secret`, `secret`, `ser:secrets`
            ("Basic c2VyOnNlY3JldA==", true),
            ("Basic OnNlY3JldA==", true),
            ("Basic c2VjcmV0", false),
            ("Basic c2VyOnNlY3JldHM=", false),
            ("Basic c2VyOnNlY3JldA\u{7f}", false),
            ("Digest secret", false),
        ] {
            assert_eq!(token.is_shown(Some(header.as_bytes())), is_shown, "{header}");
        }
        assert!(!token.is_shown(None));
    }

    #[test]
    fn base64_of_every_length() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")]
        {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode_base64(b"+/8="), Some(vec![0xfb, 0xff]));
    }

    #[test]
    fn a_token_file_holds_one_word() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for (content, is_good) in
            [("abc\n", true), ("abc\r\n", true), ("\n", false), ("a b", false), ("ä", false)]
        {
            std::fs::write(&path, content).unwrap();
            let found = Token::find(Some(&path));
            assert_eq!(found.is_ok(), is_good, "{content:?}");
            if let Ok(Some(token)) = found {
                assert!(token.is_shown(Some(b"Bearer abc")));
            }
        }
        assert!(Token::find(Some(&dir.path().join("none"))).is_err());
    }
}
