//! The small language model compiled into the program.
//!
//! Its files live in `assets/embedded-model/`; this is the only place that names them.

/// A file of the embedded model, `None` when the build has none.
#[must_use]
pub fn file(_name: &str) -> Option<&'static [u8]> {
    None
}
