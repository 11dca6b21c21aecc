//! Named styles. Views ask for a meaning, never for a color, and every meaning is also carried by
//! a glyph, a word or an attribute, so that a screen without colors says the same.
//!
//! `NO_COLOR` is decided here: crossterm 0.29 reacts to it by resetting bold and reverse too, so
//! the frame writer tells it to print what it is given.

use ratatui::style::{Color, Modifier, Style};

/// What a person can ask for with `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// From the environment.
    #[default]
    Auto,
    /// Attributes only.
    None,
    /// The sixteen colors of the terminal's own palette.
    Ansi16,
    /// The 256-color palette.
    Ansi256,
}

/// A set of styles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThemeName {
    /// 256 colors on a dark background.
    Dark,
    /// 256 colors on a light background.
    Light,
    /// Attributes only.
    Mono,
    /// The terminal's own palette: readable on any background.
    Ansi16,
}

/// The styles of every meaning a screen has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Theme {
    /// Which set this is.
    pub name: ThemeName,
    /// Plain text.
    pub text: Style,
    /// What matters less.
    pub dim: Style,
    /// What matters more.
    pub strong: Style,
    /// Column heads and pane titles.
    pub heading: Style,
    /// Borders and axes.
    pub border: Style,
    /// The selected row.
    pub selected: Style,
    /// The main line of a chart, kept pairs.
    pub main: Style,
    /// The second line of a chart.
    pub second: Style,
    /// Goes well.
    pub good: Style,
    /// Needs a look.
    pub warn: Style,
    /// Went wrong.
    pub bad: Style,
    /// A key in the hint bar.
    pub key: Style,
}

impl Theme {
    /// The styles of a set.
    pub fn new(name: ThemeName) -> Self {
        match name {
            ThemeName::Dark => Self::of(name, &DARK),
            ThemeName::Light => Self::of(name, &LIGHT),
            ThemeName::Ansi16 => Self::of(name, &ANSI),
            ThemeName::Mono => Self::mono(),
        }
    }

    /// The next set, for the key that walks through them.
    pub fn next(self) -> Self {
        Self::new(match self.name {
            ThemeName::Dark => ThemeName::Light,
            ThemeName::Light => ThemeName::Ansi16,
            ThemeName::Ansi16 => ThemeName::Mono,
            ThemeName::Mono => ThemeName::Dark,
        })
    }

    /// The set that suits the environment: `NO_COLOR` and `TERM=dumb` mean attributes only, 256
    /// colors need a `TERM` or `COLORTERM` that says so (ssh often forwards only the first).
    pub fn detect(choice: ColorChoice, variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        let no_color = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let many = term.contains("256color") || variable("COLORTERM").is_some();
        let light = variable("COLORFGBG").is_some_and(|value| value.ends_with(";15"));
        Self::new(match choice {
            ColorChoice::None => ThemeName::Mono,
            ColorChoice::Ansi16 => ThemeName::Ansi16,
            ColorChoice::Auto if no_color || term == "dumb" => ThemeName::Mono,
            ColorChoice::Auto if !many => ThemeName::Ansi16,
            _ if light => ThemeName::Light,
            _ => ThemeName::Dark,
        })
    }

    fn of(name: ThemeName, palette: &Palette) -> Self {
        let plain = |color: Color| Style::new().fg(color);
        let bold = |color: Color| plain(color).add_modifier(Modifier::BOLD);
        Self {
            name,
            text: Style::new(),
            dim: plain(palette.dim),
            strong: Style::new().add_modifier(Modifier::BOLD),
            heading: bold(palette.heading),
            border: plain(palette.dim),
            selected: palette.selected.add_modifier(Modifier::BOLD),
            main: plain(palette.main),
            second: plain(palette.second),
            good: plain(palette.good),
            warn: bold(palette.warn),
            bad: bold(palette.bad),
            key: bold(palette.main),
        }
    }

    fn mono() -> Self {
        let with = |modifier| Style::new().add_modifier(modifier);
        Self {
            name: ThemeName::Mono,
            text: Style::new(),
            dim: with(Modifier::DIM),
            strong: with(Modifier::BOLD),
            heading: with(Modifier::BOLD),
            border: Style::new(),
            selected: with(Modifier::REVERSED),
            main: with(Modifier::BOLD),
            second: Style::new(),
            good: Style::new(),
            warn: with(Modifier::BOLD),
            bad: with(Modifier::BOLD | Modifier::UNDERLINED),
            key: with(Modifier::BOLD),
        }
    }
}

struct Palette {
    dim: Color,
    heading: Color,
    main: Color,
    second: Color,
    good: Color,
    warn: Color,
    bad: Color,
    selected: Style,
}

// Hues after Okabe and Ito: blue, orange, green and vermilion stay apart for every color vision.
const DARK: Palette = Palette {
    dim: Color::Indexed(245),
    heading: Color::Indexed(252),
    main: Color::Indexed(75),
    second: Color::Indexed(179),
    good: Color::Indexed(78),
    warn: Color::Indexed(214),
    bad: Color::Indexed(203),
    selected: Style::new().bg(Color::Indexed(237)),
};

const LIGHT: Palette = Palette {
    dim: Color::Indexed(242),
    heading: Color::Indexed(236),
    main: Color::Indexed(25),
    second: Color::Indexed(130),
    good: Color::Indexed(29),
    warn: Color::Indexed(130),
    bad: Color::Indexed(160),
    selected: Style::new().bg(Color::Indexed(254)),
};

const ANSI: Palette = Palette {
    dim: Color::DarkGray,
    heading: Color::Reset,
    main: Color::Cyan,
    second: Color::Yellow,
    good: Color::Green,
    warn: Color::Yellow,
    bad: Color::Red,
    selected: Style::new().add_modifier(Modifier::REVERSED),
};

/// Whether the terminal can show only ASCII.
pub fn wants_ascii(asked: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_lowercase();
    let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
    asked || !is_utf8 || term == "linux" || term == "dumb" || term.starts_with("vt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_environment_chooses() {
        let detect =
            |pairs: &[(&str, &str)]| Theme::detect(ColorChoice::Auto, environment(pairs)).name;
        assert_eq!(detect(&[("TERM", "xterm-256color")]), ThemeName::Dark);
        assert_eq!(detect(&[("TERM", "xterm")]), ThemeName::Ansi16);
        assert_eq!(detect(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]), ThemeName::Dark);
        assert_eq!(detect(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), ThemeName::Mono);
        assert_eq!(detect(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), ThemeName::Dark);
        assert_eq!(detect(&[("TERM", "dumb")]), ThemeName::Mono);
        let asked = Theme::detect(ColorChoice::Ansi256, environment(&[("NO_COLOR", "1")]));
        assert_eq!(asked.name, ThemeName::Dark);
    }

    #[test]
    fn without_colors_there_are_only_attributes() {
        let theme = Theme::new(ThemeName::Mono);
        for style in [theme.text, theme.dim, theme.selected, theme.main, theme.bad, theme.key] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert!(theme.selected.add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn a_terminal_without_utf8_gets_ascii() {
        assert!(!wants_ascii(false, environment(&[("LANG", "en_US.UTF-8"), ("TERM", "xterm")])));
        assert!(!wants_ascii(false, environment(&[("LC_ALL", "C.utf8")])));
        assert!(wants_ascii(false, environment(&[("LANG", "C")])));
        assert!(wants_ascii(false, environment(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")])));
        assert!(wants_ascii(false, environment(&[("LANG", "C.UTF-8"), ("TERM", "linux")])));
        assert!(wants_ascii(true, environment(&[("LANG", "C.UTF-8")])));
    }
}
