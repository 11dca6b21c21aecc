//! The small language model compiled into the program.
//!
//! `ser pretrain` makes its files from the generator of the embedded data set; this function is the
//! only place that names them.

/// The bytes of a file of the embedded model, `None` for a name it does not have.
#[must_use]
pub fn file(name: &str) -> Option<&'static [u8]> {
    match name {
        "config.json" => Some(include_bytes!("../../../assets/embedded-model/config.json")),
        "tokenizer.json" => Some(include_bytes!("../../../assets/embedded-model/tokenizer.json")),
        "tokenizer_config.json" => {
            Some(include_bytes!("../../../assets/embedded-model/tokenizer_config.json"))
        }
        "model.safetensors" => {
            Some(include_bytes!("../../../assets/embedded-model/model.safetensors"))
        }
        _ => None,
    }
}
