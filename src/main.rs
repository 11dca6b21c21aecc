//! The `ser` program: everything it does is in the library.

use std::io::Write;
use std::process::ExitCode;

use ser::cli;

fn main() -> ExitCode {
    let outcome = cli::read(std::env::args_os()).and_then(|cli| cli.map_or(Ok(()), cli::run));
    match outcome {
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
