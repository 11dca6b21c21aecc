//! Arguments into [`Cli`], with mistakes told the way every other mistake is told.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;
use clap::error::ErrorKind;

use super::{Cli, CliError, CliResult};

/// Reads the arguments; `None` when they asked for help or the version, which is printed.
///
/// # Errors
/// When an argument is unknown, missing or malformed.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> CliResult<Option<Cli>> {
    let error = match Cli::try_parse_from(arguments) {
        Ok(cli) => return Ok(Some(cli)),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Keeps clap's styles where the output is a terminal.
            error.print()?;
            io::stdout().flush()?;
            Ok(None)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(CliError::input("a subcommand is missing").with_hint(help_hint(&error)))
        }
        _ => Err(mistake(&error)),
    }
}

/// clap writes a paragraph with the mistake, one with a tip, and the usage; the first becomes the
/// message and the tip the hint.
fn mistake(error: &clap::Error) -> CliError {
    let text = error.render().to_string().replace('\'', "`");
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let message = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let tip = paragraphs.find_map(|paragraph| paragraph.trim().strip_prefix("tip: "));
    let hint = match tip {
        Some(tip) => tip.lines().next().unwrap_or_default().trim().to_owned(),
        None => help_hint(error),
    };
    CliError::input(message).with_hint(hint)
}

fn help_hint(error: &clap::Error) -> String {
    // The usage line names the subcommand: `Usage: ser data check [OPTIONS] <SOURCE>`.
    let text = error.render().to_string();
    let usage = text.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
    let words = usage.unwrap_or("ser").split_whitespace();
    let command: Vec<&str> =
        words.take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    format!("`{} --help` lists the arguments", command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(arguments: &[&str]) -> (String, String) {
        let arguments = std::iter::once("ser").chain(arguments.iter().copied());
        let error = read(arguments.map(OsString::from)).unwrap_err();
        (error.message, error.hint.unwrap())
    }

    #[test]
    fn mistakes_are_one_sentence_and_a_hint() {
        let (message, hint) = mistake(&["shwo"]);
        assert_eq!(message, "unrecognized subcommand `shwo`");
        assert_eq!(hint, "a similar subcommand exists: `show`");
        let (message, hint) = mistake(&["show"]);
        assert_eq!(message, "the following required arguments were not provided: <RUN>");
        assert_eq!(hint, "`ser show --help` lists the arguments");
        let (message, _) = mistake(&["run", "--rng-seeds", "x"]);
        assert!(message.starts_with("invalid value `x` for `--rng-seeds <N,N>`"), "{message}");
        assert_eq!(mistake(&["data"]).1, "`ser data --help` lists the arguments");
    }
}
