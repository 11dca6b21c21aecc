//! `ser data generate`: how the embedded pairs were made.

use std::path::PathBuf;

use crate::cli::print::print_line;
use crate::cli::{CliError, CliResult};
use crate::data::pocket;

/// Arguments of `ser data generate`.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// Where to write the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Every random choice is a function of this number
    #[arg(long, default_value_t = pocket::RNG_SEED, value_name = "N")]
    rng_seed: u64,
}

/// Writes the files; the same random seed gives the same bytes.
///
/// # Errors
/// When a file cannot be written.
pub fn run(args: &GenerateArgs) -> CliResult {
    let files = pocket::generate_files(args.rng_seed)?;
    std::fs::create_dir_all(&args.out)
        .map_err(|error| CliError::io("create", &args.out, &error))?;
    for (name, bytes) in files {
        let path = args.out.join(name);
        std::fs::write(&path, bytes).map_err(|error| CliError::io("write", &path, &error))?;
        print_line(&path.display().to_string())?;
    }
    Ok(())
}
