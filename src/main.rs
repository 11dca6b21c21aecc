//! The `ser` program: everything it does is in the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use ser::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match ser::cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_silent() {
                // Nobody is left to tell when standard error is closed too.
                let _ = std::io::stderr().write_all(error.report().as_bytes());
            }
            error.exit_code()
        }
    }
}
