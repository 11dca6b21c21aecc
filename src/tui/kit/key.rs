//! A key as it is typed, and as it is written: in hints, in help and in the config file.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character, shift included.
    Char(char),
    /// A character with Ctrl.
    Ctrl(char),
    /// A character with Alt.
    Alt(char),
    Code(KeyCode),
}

/// Keys with a name of their own.
const NAMES: [(&str, KeyCode); 14] = [
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Shift-Tab", KeyCode::BackTab),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PageUp", KeyCode::PageUp),
    ("PageDown", KeyCode::PageDown),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
];

impl Key {
    /// The key of an event; `None` for releases and for what no table can hold.
    pub fn of(event: &KeyEvent) -> Option<Self> {
        // A terminal that reports releases must not make every key act twice.
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let modifiers = event.modifiers - KeyModifiers::SHIFT;
        match event.code {
            // Terminals send Ctrl-\ as the byte that also means Ctrl-4.
            KeyCode::Char('4') if modifiers == KeyModifiers::CONTROL => Some(Self::Ctrl('\\')),
            KeyCode::Char(c) if modifiers == KeyModifiers::CONTROL => {
                Some(Self::Ctrl(c.to_ascii_lowercase()))
            }
            KeyCode::Char(c) if modifiers == KeyModifiers::ALT => Some(Self::Alt(c)),
            KeyCode::Char(c) if modifiers.is_empty() => Some(Self::Char(c)),
            KeyCode::Char(_) => None,
            code => Some(Self::Code(code)),
        }
    }

    /// The key a config file means by `Ctrl-d`, `PageDown`, `F5`, `Space` or `x`.
    pub fn parse(text: &str) -> Option<Self> {
        let only = |text: &str| {
            let mut chars = text.chars();
            chars.next().filter(|c| chars.next().is_none() && !c.is_control())
        };
        if let Some(rest) = text.strip_prefix("Ctrl-") {
            return only(rest).map(|c| Self::Ctrl(c.to_ascii_lowercase()));
        }
        if let Some(rest) = text.strip_prefix("Alt-") {
            return only(rest).map(Self::Alt);
        }
        if text == "Space" {
            return Some(Self::Char(' '));
        }
        if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Some(Self::Code(*code));
        }
        if let Some(n) = text.strip_prefix('F').and_then(|n| n.parse::<u8>().ok()) {
            return (1..=12).contains(&n).then_some(Self::Code(KeyCode::F(n)));
        }
        only(text).map(Self::Char)
    }

    /// As the hint bar writes it, where every column counts.
    pub fn hint(self) -> String {
        match self {
            Self::Code(KeyCode::Enter) => "↵".to_owned(),
            Self::Ctrl(c) => format!("^{c}"),
            key => key.words(),
        }
    }

    /// As the help writes it.
    pub fn words(self) -> String {
        match self {
            Self::Char(' ') => "Space".to_owned(),
            Self::Char(c) => c.to_string(),
            Self::Ctrl(c) => format!("Ctrl-{c}"),
            Self::Alt(c) => format!("Alt-{c}"),
            Self::Code(KeyCode::Up) => "↑".to_owned(),
            Self::Code(KeyCode::Down) => "↓".to_owned(),
            Self::Code(KeyCode::Left) => "←".to_owned(),
            Self::Code(KeyCode::Right) => "→".to_owned(),
            Self::Code(KeyCode::F(n)) => format!("F{n}"),
            Self::Code(code) => {
                let name = NAMES.iter().find(|(_, c)| *c == code);
                name.map_or_else(|| format!("{code:?}"), |(name, _)| (*name).to_owned())
            }
        }
    }

    /// As [`Key::parse`] reads it.
    pub fn name(self) -> String {
        let name = NAMES.iter().find(|(_, code)| Self::Code(*code) == self);
        name.map_or_else(|| self.words(), |(name, _)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for text in ["x", "X", "Space", "Ctrl-d", "Alt-1", "PageDown", "F5", "Shift-Tab", "é", "F"]
        {
            assert_eq!(Key::parse(text).unwrap().words(), text);
        }
        for (name, code) in NAMES {
            assert_eq!(Key::parse(&Key::Code(code).name()), Some(Key::Code(code)), "{name}");
        }
        for text in ["", "xx", "Ctrl-", "Ctrl-xx", "F13", "Page"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ctrl_backslash_arrives_as_ctrl_4() {
        let event = KeyEvent::new(KeyCode::Char('4'), KeyModifiers::CONTROL);
        assert_eq!(Key::of(&event), Some(Key::Ctrl('\\')));
    }
}
