//! `--format hf` and `--format peft` of a policy run: the language model as its last step left it.

use super::super::{CliResult, Context};
use super::{Target, say_done};
use crate::domain::text::words;
use crate::launch::export;
use crate::store::Store;
use crate::store::rows::RunRow;

/// Writes the policy, or its adapter.
///
/// # Errors
/// When the run has no weights yet, the base model is not there any more, or a file cannot be written.
pub fn export(
    context: &Context,
    store: &Store,
    run: &RunRow,
    target: &Target,
    is_adapter: bool,
) -> CliResult {
    let written =
        target.directory(|dir| export::policy(store, run, [dir, target.place()], is_adapter))?;
    let (what, n) = (written.what, words::count(written.n_parameters));
    let step = written.step;
    say_done(context, target, &format!("step {step} of `{}`: {what}, {n} parameters", run.name));
    Ok(())
}
