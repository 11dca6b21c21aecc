//! `ser config`: the config file of the interface, as a page to start from.

use clap::Subcommand;

use crate::cli::print::{print_line, print_text};
use crate::cli::{CliResult, Context};
use crate::tui::Settings;

/// Arguments of `ser config`.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: Option<ConfigCommand>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ConfigCommand {
    /// Print where the file lies, whether it is there or not
    Path,
}

/// Prints the whole file with every setting and key at its default, commented out.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(context: &Context, args: &ConfigArgs) -> CliResult {
    let path = Settings::path(&context.home);
    match args.what {
        Some(ConfigCommand::Path) => print_line(&path.display().to_string()),
        None => print_text(&Settings::template()),
    }
}
