//! Writes and restores what training changed: the files are those of `cpu`, so that a run may move
//! between devices.

use std::path::Path;

use candle_core::Tensor as CandleTensor;

use super::parameters::{Parameters, Trained};
use crate::engine::EngineError;
use crate::engine::tuned_files::{self, TunedTensor};
use crate::engine::weights::Tensor;

/// Writes the files into `dir`.
///
/// # Errors
/// When a file cannot be written, or the device does not give its values.
pub fn save(parameters: &Parameters, dir: &Path) -> Result<(), EngineError> {
    let host = |tensor: &CandleTensor| Ok::<_, EngineError>(tensor.flatten_all()?.to_vec1()?);
    let mut copies: Vec<[Vec<f32>; 3]> = Vec::with_capacity(parameters.trained.len());
    for Trained { values, moments, .. } in &parameters.trained {
        let [first, second] = match moments {
            Some([first, second]) => [host(first)?, host(second)?],
            None => [Vec::new(), Vec::new()],
        };
        copies.push([host(values)?, first, second]);
    }
    let tensors: Vec<TunedTensor<'_>> = parameters
        .trained
        .iter()
        .zip(&copies)
        .map(|(trained, [values, first, second])| TunedTensor {
            name: &trained.name,
            shape: trained.values.dims(),
            values,
            moments: [first, second],
        })
        .collect();
    tuned_files::write(dir, &tensors, parameters.n_steps, parameters.base_digest())
}

/// Restores what [`save`] wrote. Everything is read and checked before anything is changed.
///
/// # Errors
/// When a file is missing, damaged or belongs to another model.
pub fn load(parameters: &mut Parameters, dir: &Path) -> Result<(), EngineError> {
    let expected =
        parameters.trained.iter().map(|it| (it.name.as_str(), it.values.dims())).collect();
    let state = tuned_files::read(dir, &expected, parameters.base_digest())?;
    let [first, second] = &state.moments;
    for trained in &mut parameters.trained {
        let device = trained.values.device().clone();
        let tensor = |tensor: &Tensor| {
            CandleTensor::from_slice(&tensor.values, tensor.shape.as_slice(), &device)
        };
        // `read` has checked that it is there.
        let values = state.values.get(&trained.name).map(tensor).transpose()?;
        let first = first.get(&trained.name).map(tensor).transpose()?;
        let second = second.get(&trained.name).map(tensor).transpose()?;
        if let Some(values) = values {
            trained.values.set(&values)?;
        }
        trained.moments = first.zip(second).map(|(first, second)| [first, second]);
    }
    parameters.n_steps = state.n_steps;
    Ok(())
}
