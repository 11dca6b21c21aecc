//! Named styles. Views ask for a meaning, never for a color, and every meaning is also carried by
//! a glyph, a word or an attribute, so that a screen without colors says the same.
//!
//! `NO_COLOR` is decided here and nowhere else: crossterm 0.29 would react to it by resetting bold and
//! reverse too, which is one reason why the frame writer encodes cells itself.

use ratatui::style::{Color, Modifier, Style};

/// What a person can ask for with `--color` or in the config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// The environment says how many there are.
    #[default]
    Auto,
    /// No color is drawn, only bold, dim and reversed text.
    None,
    /// The sixteen colors of the terminal's own palette.
    Ansi16,
    /// The palette of 256 colors is used.
    Ansi256,
    /// 24 bits a color.
    True,
}

/// How many colors the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    Indexed,
    /// 24 bits a color.
    True,
}

/// A set of styles.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ThemeName {
    /// On a dark background.
    Dark,
    /// On a light background.
    Light,
    /// The hues of Okabe and Ito at full strength, for every color vision; on a dark background.
    ColorBlind,
    /// The terminal's own palette: readable on any background.
    #[strum(serialize = "ansi")]
    Ansi16,
    Mono,
}

impl ThemeName {
    /// Every set, in the order the key walks through them.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// What the config file and the message line call it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The styles of every meaning a screen has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Theme {
    /// Which set this is.
    pub name: ThemeName,
    /// How its colors are written.
    pub depth: Depth,
    pub text: Style,
    pub dim: Style,
    pub strong: Style,
    /// Column heads and pane titles.
    pub heading: Style,
    pub border: Style,
    pub selected: Style,
    /// The main line of a chart, kept pairs.
    pub main: Style,
    /// The second line of a chart.
    pub second: Style,
    pub good: Style,
    pub warn: Style,
    pub bad: Style,
    /// A key in the hint bar.
    pub key: Style,
}

impl Theme {
    /// The styles of a set.
    pub fn new(name: ThemeName, depth: Depth) -> Self {
        match name {
            ThemeName::Dark => Self::of(name, depth, &DARK),
            ThemeName::Light => Self::of(name, depth, &LIGHT),
            ThemeName::ColorBlind => Self::of(name, depth, &COLOR_BLIND),
            ThemeName::Ansi16 => Self::ansi(depth),
            ThemeName::Mono => Self::mono(depth),
        }
    }

    /// The next set, for the key that walks through them.
    pub fn next(self) -> Self {
        let at = ThemeName::ALL.iter().position(|name| *name == self.name).unwrap_or(0);
        Self::new(ThemeName::ALL[(at + 1) % ThemeName::ALL.len()], self.depth)
    }

    /// The set for the background that the terminal reports. Sets that suit any background stay.
    pub fn on_background(self, is_dark: bool) -> Self {
        match (self.name, is_dark) {
            (ThemeName::Light, true) => Self::new(ThemeName::Dark, self.depth),
            (ThemeName::Dark, false) => Self::new(ThemeName::Light, self.depth),
            _ => self,
        }
    }

    /// The set that suits the environment: `NO_COLOR` and `TERM=dumb` mean attributes only, 256
    /// colors need a `TERM` or `COLORTERM` that says so (ssh often forward only the first), and 24
    /// bits a `COLORTERM` of `truecolor` or `24bit`.
    pub fn detect(choice: ColorChoice, variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        let color_term = variable("COLORTERM");
        let no_color = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let says_true = color_term.as_deref().is_some_and(|v| v == "truecolor" || v == "24bit");
        let many = term.contains("256color") || term.contains("direct") || color_term.is_some();
        let light = variable("COLORFGBG").is_some_and(|value| value.ends_with(";15"));
        let is_true = choice == ColorChoice::True || choice == ColorChoice::Auto && says_true;
        let depth = if is_true { Depth::True } else { Depth::Indexed };
        let name = match choice {
            ColorChoice::None => ThemeName::Mono,
            ColorChoice::Ansi16 => ThemeName::Ansi16,
            ColorChoice::Auto if no_color || term == "dumb" => ThemeName::Mono,
            ColorChoice::Auto if !many => ThemeName::Ansi16,
            _ if light => ThemeName::Light,
            _ => ThemeName::Dark,
        };
        Self::new(name, depth)
    }

    fn of(name: ThemeName, depth: Depth, palette: &Palette) -> Self {
        let plain = |hue: Hue| Style::new().fg(hue.color(depth));
        let bold = |hue: Hue| plain(hue).add_modifier(Modifier::BOLD);
        let selected = Style::new().bg(palette.selected.color(depth));
        Self {
            name,
            depth,
            text: Style::new(),
            dim: plain(palette.dim),
            strong: Style::new().add_modifier(Modifier::BOLD),
            heading: bold(palette.heading),
            border: plain(palette.dim),
            selected: selected.add_modifier(Modifier::BOLD),
            main: plain(palette.main),
            second: plain(palette.second),
            good: plain(palette.good),
            warn: bold(palette.warn),
            bad: bold(palette.bad),
            key: bold(palette.main),
        }
    }

    fn ansi(depth: Depth) -> Self {
        let plain = |color: Color| Style::new().fg(color);
        let bold = |color: Color| plain(color).add_modifier(Modifier::BOLD);
        let strong = Style::new().add_modifier(Modifier::BOLD);
        Self {
            name: ThemeName::Ansi16,
            depth,
            text: Style::new(),
            dim: plain(Color::DarkGray),
            strong,
            heading: strong,
            border: plain(Color::DarkGray),
            selected: strong.add_modifier(Modifier::REVERSED),
            main: plain(Color::Cyan),
            second: plain(Color::Yellow),
            good: plain(Color::Green),
            warn: bold(Color::Yellow),
            bad: bold(Color::Red),
            key: bold(Color::Cyan),
        }
    }

    fn mono(depth: Depth) -> Self {
        let with = |modifier| Style::new().add_modifier(modifier);
        Self {
            name: ThemeName::Mono,
            depth,
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

/// One color in both ways to write it.
#[derive(Clone, Copy)]
struct Hue {
    index: u8,
    rgb: [u8; 3],
}

impl Hue {
    fn color(self, depth: Depth) -> Color {
        match depth {
            Depth::Indexed => Color::Indexed(self.index),
            Depth::True => Color::Rgb(self.rgb[0], self.rgb[1], self.rgb[2]),
        }
    }
}

const fn hue(index: u8, r: u8, g: u8, b: u8) -> Hue {
    Hue { index, rgb: [r, g, b] }
}

struct Palette {
    dim: Hue,
    heading: Hue,
    main: Hue,
    second: Hue,
    good: Hue,
    warn: Hue,
    bad: Hue,
    selected: Hue,
}

// Hues after Okabe and Ito: blue, orange, green and vermilion stay apart for every color vision.
const DARK: Palette = Palette {
    dim: hue(245, 0x8a, 0x8f, 0x98),
    heading: hue(252, 0xd5, 0xd8, 0xde),
    main: hue(75, 0x62, 0xb0, 0xf2),
    second: hue(179, 0xdb, 0xb0, 0x63),
    good: hue(78, 0x5c, 0xcf, 0x88),
    warn: hue(214, 0xf5, 0xab, 0x2e),
    bad: hue(203, 0xf7, 0x6a, 0x5c),
    selected: hue(237, 0x2e, 0x36, 0x42),
};

const LIGHT: Palette = Palette {
    dim: hue(242, 0x64, 0x69, 0x70),
    heading: hue(236, 0x2b, 0x2f, 0x36),
    main: hue(25, 0x0f, 0x5c, 0xa8),
    second: hue(130, 0x9c, 0x5c, 0x05),
    good: hue(29, 0x0a, 0x7a, 0x4b),
    warn: hue(130, 0xa8, 0x5a, 0x00),
    bad: hue(160, 0xc8, 0x1e, 0x1e),
    selected: hue(254, 0xe1, 0xe8, 0xf2),
};

// Okabe and Ito (2008), unmixed: sky blue, orange, bluish green, yellow, vermilion.
const COLOR_BLIND: Palette = Palette {
    dim: hue(246, 0x99, 0x99, 0x99),
    heading: hue(255, 0xff, 0xff, 0xff),
    main: hue(74, 0x56, 0xb4, 0xe9),
    second: hue(178, 0xe6, 0x9f, 0x00),
    good: hue(36, 0x00, 0x9e, 0x73),
    warn: hue(227, 0xf0, 0xe4, 0x42),
    bad: hue(166, 0xd5, 0x5e, 0x00),
    selected: hue(24, 0x00, 0x4a, 0x73),
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
        assert_eq!((asked.name, asked.depth), (ThemeName::Dark, Depth::Indexed));
        let depth = |value| {
            let pairs = [("TERM", "xterm-256color"), ("COLORTERM", value)];
            Theme::detect(ColorChoice::Auto, environment(&pairs)).depth
        };
        assert_eq!((depth("truecolor"), depth("24bit")), (Depth::True, Depth::True));
        assert_eq!(depth("yes"), Depth::Indexed);
    }

    #[test]
    fn the_terminal_decides_between_dark_and_light_alone() {
        let after = |name, is_dark| Theme::new(name, Depth::True).on_background(is_dark).name;
        assert_eq!(after(ThemeName::Dark, false), ThemeName::Light);
        assert_eq!(after(ThemeName::Light, true), ThemeName::Dark);
        assert_eq!(after(ThemeName::Dark, true), ThemeName::Dark);
        assert_eq!(after(ThemeName::ColorBlind, false), ThemeName::ColorBlind);
        assert_eq!(after(ThemeName::Mono, false), ThemeName::Mono);
    }

    #[test]
    fn colors_are_written_as_deep_as_the_terminal_is() {
        for &name in ThemeName::ALL {
            for (depth, is_rgb) in [(Depth::Indexed, false), (Depth::True, true)] {
                let theme = Theme::new(name, depth);
                let has_rgb = matches!(theme.main.fg, Some(Color::Rgb(..)));
                let is_plain = matches!(name, ThemeName::Ansi16 | ThemeName::Mono);
                assert_eq!(has_rgb, is_rgb && !is_plain, "{name:?}");
                assert_eq!((theme.name, theme.depth), (name, depth));
            }
        }
    }

    #[test]
    fn without_colors_there_are_only_attributes() {
        let theme = Theme::new(ThemeName::Mono, Depth::Indexed);
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
