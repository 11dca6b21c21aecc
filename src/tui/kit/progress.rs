//! How far a run has come, told to the terminal by OSC 9;4, which shows it in its tab or in the task
//! bar (Windows Terminal, `ConEmu`, `WezTerm`, Ghostty, iTerm2).

/// What a person can ask for in the config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgressChoice {
    /// Told where the terminal is known to understand it.
    #[default]
    Auto,
    /// Told to any terminal.
    On,
    /// Never told.
    Off,
}

/// What the terminal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// There is nothing to show.
    #[default]
    None,
    /// In percent.
    Running(u8),
    /// Held, at so many percent.
    Paused(u8),
    /// Ended by an error.
    Failed,
}

/// Takes the progress away, whatever it was.
pub const CLEAR: &[u8] = b"\x1b]9;4;0\x07";

impl Progress {
    /// The sequence that tells it. The bell ends it, which more terminals take than `ESC \`.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::None => CLEAR.to_vec(),
            Self::Running(percent) => format!("\x1b]9;4;1;{}\x07", percent.min(100)).into_bytes(),
            Self::Failed => b"\x1b]9;4;2;100\x07".to_vec(),
            Self::Paused(percent) => format!("\x1b]9;4;4;{}\x07", percent.min(100)).into_bytes(),
        }
    }

    /// A share of the whole as percent. The last percent comes with the end of the run.
    pub fn percent(share: f64) -> u8 {
        if share.is_finite() { (share * 100.0).clamp(0.0, 99.0) as u8 } else { 0 }
    }
}

/// Whether the terminal is told. Others take OSC 9 for a notification and would pop one up at every
/// percent, so without a clear sign nothing is sent; tmux and screen keep it from the terminal.
pub fn is_wanted(choice: ProgressChoice, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    match choice {
        ProgressChoice::On => true,
        ProgressChoice::Off => false,
        ProgressChoice::Auto if is_set("TMUX") || is_set("STY") => false,
        ProgressChoice::Auto => {
            let term = variable("TERM").unwrap_or_default();
            let program = variable("TERM_PROGRAM").unwrap_or_default();
            let is_iterm = program == "iTerm.app"
                // Feature P of its list of features; older versions show a notification.
                && variable("TERM_FEATURES").is_some_and(|features| features.contains('P'));
            is_set("WT_SESSION")
                || variable("ConEmuANSI").is_some_and(|value| value == "ON")
                || matches!(program.as_str(), "WezTerm" | "ghostty")
                // What ssh forwards of Ghostty.
                || term == "xterm-ghostty"
                || is_iterm
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_those_of_the_terminals() {
        assert_eq!(Progress::Running(42).bytes(), b"\x1b]9;4;1;42\x07");
        assert_eq!(Progress::Paused(7).bytes(), b"\x1b]9;4;4;7\x07");
        assert_eq!(Progress::Failed.bytes(), b"\x1b]9;4;2;100\x07");
        assert_eq!(Progress::None.bytes(), CLEAR);
        let percents = [0.0, 0.426, 1.0, -1.0, f64::NAN].map(Progress::percent);
        assert_eq!(percents, [0, 42, 99, 0, 0]);
    }

    #[test]
    fn only_terminals_that_are_known_are_told() {
        let told = |pairs: &[(&str, &str)]| {
            is_wanted(ProgressChoice::Auto, |name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(told(&[("WT_SESSION", "1")]) && told(&[("TERM_PROGRAM", "WezTerm")]));
        assert!(told(&[("TERM", "xterm-ghostty")]));
        assert!(told(&[("TERM_PROGRAM", "iTerm.app"), ("TERM_FEATURES", "T3P")]));
        assert!(!told(&[("TERM_PROGRAM", "iTerm.app")]));
        assert!(!told(&[("TERM", "xterm-kitty")]) && !told(&[]));
        assert!(!told(&[("WT_SESSION", "1"), ("TMUX", "/tmp/tmux")]));
        assert!(is_wanted(ProgressChoice::On, |_| None));
        assert!(!is_wanted(ProgressChoice::Off, |_| Some("1".to_owned())));
    }
}
