//! Parses arguments into [`Cli`]; mistakes are reported in the form of all other errors.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

use super::{Cli, CliError, CliResult, GlobalArgs, examples};

/// Every command, with examples in its help.
#[must_use]
pub fn command() -> clap::Command {
    with_examples(Cli::command(), "")
}

/// The same as what parses: the help of a command names the options that all commands take, instead
/// of repeating them on every page.
fn parser() -> clap::Command {
    let mut whole = command();
    // Only now each command has the options of all.
    whole.build();
    whole.mut_subcommands(without_common_options)
}

fn without_common_options(command: clap::Command) -> clap::Command {
    let told = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    let common = "Options of every command (--home, --read-only, --color, --quiet, …): ser --help";
    command
        .mut_args(|argument| {
            let is_common = argument.is_global_set();
            argument.hide(is_common)
        })
        .after_help(format!("{told}{common}"))
        .mut_subcommands(without_common_options)
}

fn with_examples(command: clap::Command, path: &str) -> clap::Command {
    let told = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let command = match examples::paragraph(path) {
        // Some commands bring examples with what they say besides.
        Some(_) if told.contains("Examples:") => command,
        Some(text) if told.is_empty() => command.after_help(text),
        Some(text) => command.after_help(format!(
            "{told}

{text}"
        )),
        None => command,
    };
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        with_examples(inner, path.trim_start())
    })
}

/// `ser` without a command. The whole parser is not built for it: describing forty commands to open
/// the interface would cost a megabyte of memory and the time to read that part of the program.
#[derive(Debug, Parser)]
#[command(disable_help_flag = true, disable_version_flag = true)]
struct Interface {
    #[command(flatten)]
    global: GlobalArgs,
}

/// Reads the arguments; `None` when they asked for help or the version, which is printed.
///
/// # Errors
/// When an argument is unknown, missing or malformed.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> CliResult<Option<Cli>> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Anything but the interface, mistakes included, is left to the whole parser.
    if let Ok(Interface { global }) = Interface::try_parse_from(&arguments) {
        return Ok(Some(Cli { global, command: None }));
    }
    let parsed = parser().try_get_matches_from(&arguments);
    let error = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
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
            Err(CliError::input("a subcommand is missing").with_hint(help_hint(&error, &arguments)))
        }
        _ => Err(mistake(&error, &arguments)),
    }
}

/// clap writes a paragraph with the mistake, one with a tip, and the usage; the first becomes the
/// message and the tip the hint.
fn mistake(error: &clap::Error, arguments: &[OsString]) -> CliError {
    let text = error.render().to_string().replace('\'', "`");
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let message = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let message = message
        .replace("invalid digit found in string", "it is not a whole number")
        .replace("cannot parse integer from empty string", "it is empty");
    let tip = paragraphs.find_map(|paragraph| paragraph.trim().strip_prefix("tip: "));
    let hint = match tip {
        Some(tip) => tip.lines().next().unwrap_or_default().trim().to_owned(),
        None => help_hint(error, arguments),
    };
    CliError::input(message).with_hint(hint)
}

fn help_hint(error: &clap::Error, arguments: &[OsString]) -> String {
    // The usage line names the subcommand: `Usage: ser data check [OPTIONS] <SOURCE>`. A wrong value
    // comes without one.
    let text = error.render().to_string();
    let usage = text.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
    let path = match usage {
        Some(usage) => {
            let words = usage.split_whitespace();
            let command: Vec<&str> = words
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect();
            command.join(" ")
        }
        None => path_of(arguments),
    };
    format!("`{path} --help` lists the arguments")
}

/// The command that arguments name, such as `ser data check`.
fn path_of(arguments: &[OsString]) -> String {
    let whole = Cli::command();
    let (mut command, mut path) = (&whole, "ser".to_owned());
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(inner) = command.find_subcommand(word) {
            command = inner;
            path = format!("{path} {word}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(arguments: &[&str]) -> (String, String) {
        let arguments = std::iter::once("ser").chain(arguments.iter().copied());
        let error = read(arguments.map(OsString::from)).unwrap_err();
        (error.message, error.hint.unwrap())
    }

    /// Visible commands by their path.
    fn visible(command: &clap::Command, path: &str, out: &mut Vec<String>) {
        out.push(path.to_owned());
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            visible(inner, format!("{path} {}", inner.get_name()).trim_start(), out);
        }
    }

    /// The words of a command line; single quotes keep blanks.
    fn shell_words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate();
        let parts = parts.flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        parts.collect()
    }

    #[test]
    fn every_command_has_examples_that_it_takes() {
        let mut commands = Vec::new();
        visible(&Cli::command(), "", &mut commands);
        for name in &commands {
            assert!(examples::paragraph(name).is_some(), "src/cli/examples.rs lacks `ser {name}`");
        }
        for (name, examples) in examples::EXAMPLES {
            assert!(commands.iter().any(|command| command == name), "`ser {name}` is no command");
            for (line, _) in *examples {
                assert!(line.starts_with(format!("ser {name}").trim_end()), "{line}");
                let words = shell_words(line).into_iter().take_while(|word| word != ">");
                let result = command().try_get_matches_from(words);
                let is_help = |error: &clap::Error| error.kind() == ErrorKind::DisplayHelp;
                assert!(result.as_ref().err().is_none_or(is_help), "{line}: {result:?}");
            }
        }
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
        assert_eq!(mistake(&["run", "--rng-seeds", "x"]).1, "`ser run --help` lists the arguments");
        assert_eq!(mistake(&["data"]).1, "`ser data --help` lists the arguments");
    }
}
