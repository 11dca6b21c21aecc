//! The small language model compiled into the program.
//!
//! Its files (`config.json`, `model.safetensors`, `tokenizer.json`) belong in
//! `assets/embedded-model/`; this function is the only place that names them. A build without
//! them refuses [`super::Backbone::Embedded`] with [`super::EngineError::NoEmbeddedModel`].

/// The bytes of a file of the embedded model, `None` when the build has none.
#[must_use]
pub fn file(_name: &str) -> Option<&'static [u8]> {
    None
}
