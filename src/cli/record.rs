//! `ser record`: a recording of the interface for players of asciicast files.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Cli, CliError, CliResult, Command, Context, GlobalArgs, arguments, is_interactive};
use crate::domain::text::causes::io_reason;
use crate::tui::{Recorded, Recording, TuiError};

/// Arguments of `ser record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// The file [default: `ser-` with the time of day, in this folder]
    #[arg(short, long, value_name = "FILE.cast")]
    out: Option<PathBuf>,
    /// Let players cut pauses to this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<f64>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// What to record, as it follows `ser` without its name: nothing, `attach RUN` or `run …`
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && f64::is_finite(seconds) => Ok(seconds),
        _ => Err("a number of seconds above 0, such as 2.5".to_owned()),
    }
}

/// Takes `ser record` off a command line: what is left to do, and the recording of it.
///
/// # Errors
/// When what is recorded opens no screen, or the file is there already.
pub fn taken_off(cli: Cli) -> CliResult<(Cli, Option<Recording>)> {
    let Cli { command: Some(Command::Record(args)), global } = cli else {
        return Ok((cli, None));
    };
    let given = args.arguments.iter().map(|it| it.to_string_lossy().into_owned());
    let command: Vec<String> = std::iter::once("ser".to_owned()).chain(given).collect();
    let command = command.join(" ");
    let words = std::iter::once(OsString::from("ser")).chain(args.arguments);
    let Some(mut inner) = arguments::read(words)? else {
        return Err(opens_none(&command));
    };
    let opens_a_screen = match &inner.command {
        None => true,
        Some(Command::Attach(args)) => !args.plain,
        Some(Command::Run(args)) => args.opens_a_screen(),
        Some(_) => false,
    };
    if !opens_a_screen {
        return Err(opens_none(&command));
    }
    if !is_interactive() {
        return Err(TuiError::NotATerminal.into());
    }
    let path = args.out.unwrap_or_else(|| {
        format!("ser-{}.cast", jiff::Zoned::now().strftime("%Y%m%d-%H%M%S")).into()
    });
    if path.exists() && !args.force {
        return Err(CliError::input(format!("`{}` is there already", path.display()))
            .with_hint("name another file with `-o`, or write over it with `--force`"));
    }
    if path.parent().is_some_and(|it| !it.as_os_str().is_empty() && !it.is_dir()) {
        let error = std::io::ErrorKind::NotFound.into();
        return Err(CliError::io("write", &path, &error));
    }
    inner.global = inner.global.or(global);
    Ok((inner, Some(Recording { path, command, idle_limit: args.idle })))
}

fn opens_none(command: &str) -> CliError {
    CliError::input(format!("`{command}` opens no screen to record")).with_hint(
        "record `ser`, `ser attach RUN` or `ser run …`, as in `ser record -- attach RUN`",
    )
}

impl GlobalArgs {
    /// These options, and where one says nothing, the others.
    fn or(self, others: Self) -> Self {
        let is_said = self.color != super::Color::Auto;
        Self {
            home: self.home.or(others.home),
            read_only: self.read_only || others.read_only,
            color: if is_said { self.color } else { others.color },
            ascii: self.ascii || others.ascii,
            slow: self.slow || others.slow,
            mouse: self.mouse || others.mouse,
            reviewer: self.reviewer.or(others.reviewer),
            quiet: self.quiet || others.quiet,
            verbose: self.verbose.max(others.verbose),
        }
    }
}

/// Says what was recorded, and why it ended early.
pub fn say_done(context: &Context, asked: &Recording, recorded: &Recorded) {
    let (path, seconds) = (asked.path.display(), recorded.length.as_secs_f64());
    context.say(&match &recorded.failure {
        None => format!("recorded {seconds:.0} s in `{path}`; `asciinema play {path}` shows it"),
        Some(error) => {
            format!("the recording in `{path}` ends after {seconds:.0} s: {}", io_reason(error))
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(words: &[&str]) -> CliResult<(Cli, Option<Recording>)> {
        let words = std::iter::once("ser").chain(words.iter().copied()).map(OsString::from);
        taken_off(arguments::read(words).unwrap().unwrap())
    }

    #[test]
    fn only_what_opens_a_screen_is_recorded() {
        for words in [
            &["runs"][..],
            &["attach", "--plain"],
            &["run", "--detach"],
            &["run", "--print-spec"],
            &["record"],
        ] {
            let words: Vec<&str> = ["record", "--"].iter().chain(words).copied().collect();
            let error = taken(&words).unwrap_err();
            assert!(error.message.ends_with("opens no screen to record"), "{error:?}");
        }
        // A mistake behind the dashes is told like any other.
        assert!(taken(&["record", "--", "shwo"]).unwrap_err().message.contains("shwo"));
        let (cli, recording) = taken(&["runs"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Runs(_))) && recording.is_none());
    }

    #[test]
    fn options_of_both_sides_hold() {
        let global = |words: &[&str]| {
            let words = std::iter::once("ser").chain(words.iter().copied()).map(OsString::from);
            arguments::read(words).unwrap().unwrap().global
        };
        let inner = global(&["--ascii", "--color", "never"]);
        let outer = global(&["--home", "/h", "--color", "always", "-q", "--reviewer", "anna"]);
        let both = inner.or(outer);
        assert_eq!((both.home, both.reviewer), (Some("/h".into()), Some("anna".to_owned())));
        assert!(both.ascii && both.quiet && both.color == super::super::Color::Never);
    }

    #[test]
    fn an_idle_limit_is_a_time() {
        assert_eq!(seconds("2.5"), Ok(2.5));
        for text in ["0", "-1", "nan", "inf", "x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
