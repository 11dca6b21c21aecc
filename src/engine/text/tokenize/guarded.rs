//! Calls of the tokenizers crate.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call of the tokenizers crate. It is known to panic on some damaged files; a panic
/// becomes an error like its others.
pub(super) fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizer panicked".into()),
    }
}
