//! `ser completions` and `ser man`: what the shell and the manual know about the commands.

use std::io::Write;
use std::path::PathBuf;

use clap_complete::Shell;

use super::{CliError, CliResult, arguments};
use crate::cli::print::print_line;

/// Arguments of `ser completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Arguments of `ser man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Where to write the pages; made if it is not there
    dir: PathBuf,
}

/// Prints the completions.
///
/// # Errors
/// When they cannot be written.
pub fn completions(args: &CompletionsArgs) -> CliResult {
    let mut script = Vec::new();
    let mut command = visible(&arguments::command());
    clap_complete::generate(args.shell, &mut command, "ser", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    Ok(out.flush()?)
}

/// The command without what is hidden, which the scripts would offer.
fn visible(command: &clap::Command) -> clap::Command {
    let name = command.get_name().to_owned();
    let about = command.get_about().cloned().unwrap_or_default();
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set()).map(visible);
    clap::Command::new(name).about(about).args(command.get_arguments().cloned()).subcommands(inner)
}

/// Writes a manual page for every command.
///
/// # Errors
/// When a file cannot be written.
pub fn man(args: &ManArgs) -> CliResult {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).map_err(|error| CliError::io("create", dir, &error))?;
    clap_mangen::generate_to(arguments::command(), dir)
        .map_err(|error| CliError::io("write", dir, &error))?;
    print_line(&format!("{}", dir.join("ser.1").display()))
}
