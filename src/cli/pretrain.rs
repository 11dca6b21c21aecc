//! `ser pretrain`: how the embedded language model was made.

use std::path::PathBuf;

use super::{CliError, CliResult, Context};

/// Arguments of `ser pretrain`.
#[derive(Debug, clap::Args)]
pub struct PretrainArgs {
    /// Where to write the model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Refuses: the recipe is not part of this version.
///
/// # Errors
/// Always.
pub fn run(_context: &Context, _args: &PretrainArgs) -> CliResult {
    Err(CliError::failure("this version cannot make the embedded model"))
}
