//! Writes and restores what training changed (the form is that of `tuned_files`).

use std::path::Path;

use super::parameters::Parameters;
use crate::engine::EngineError;
use crate::engine::files::tuned_files;
use crate::engine::files::tuned_files::{TunedReader, TunedTensor};

/// Writes the files into `dir`.
///
/// # Errors
/// When a file cannot be written.
pub fn save(parameters: &Parameters, dir: &Path) -> Result<(), EngineError> {
    let Parameters { values, first_moments, second_moments, .. } = parameters;
    let tensors: Vec<TunedTensor<'_>> = parameters
        .trained()
        .map(|entry| TunedTensor {
            name: &entry.name,
            shape: &entry.shape,
            values: entry.slot.span.of(values),
            moments: [entry.slot.span.of(first_moments), entry.slot.span.of(second_moments)],
        })
        .collect();
    tuned_files::write(dir, &tensors, parameters.n_steps, parameters.base_digest())
}

/// Restores what [`save`] wrote. Names, shapes and lengths are checked before anything is changed.
///
/// # Errors
/// When a file is missing, damaged or belongs to another model.
pub fn load(parameters: &mut Parameters, dir: &Path) -> Result<(), EngineError> {
    let expected =
        parameters.trained().map(|entry| (entry.name.as_str(), entry.shape.as_slice())).collect();
    let files = TunedReader::open(dir, &expected, parameters.base_digest())?;
    let Parameters { table, values, gradient, first_moments, second_moments, .. } = parameters;
    gradient.fill(0.0);
    for entry in table.entries().iter().filter(|entry| entry.slot.is_trained()) {
        let span = entry.slot.span;
        files.values(&entry.name, span.of_mut(values))?;
        let moments = [span.of_mut(first_moments), span.of_mut(second_moments)];
        files.moments(&entry.name, moments)?;
    }
    parameters.n_steps = files.n_steps;
    Ok(())
}
