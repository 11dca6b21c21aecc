//! Writes and restores what training changed: the files are those of `cpu`, so that a run may move
//! between devices.

use std::path::Path;

use candle_core::Tensor as CandleTensor;

use super::parameters::{Parameters, Trained};
use crate::engine::EngineError;
use crate::engine::files::tuned_files;
use crate::engine::files::tuned_files::{TunedReader, TunedTensor};

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

/// Restores what [`save`] wrote. Names, shapes and lengths are checked before anything is changed.
///
/// # Errors
/// When a file is missing, damaged or belongs to another model.
pub fn load(parameters: &mut Parameters, dir: &Path) -> Result<(), EngineError> {
    let expected =
        parameters.trained.iter().map(|it| (it.name.as_str(), it.values.dims())).collect();
    let files = TunedReader::open(dir, &expected, parameters.base_digest())?;
    for Trained { name, values, moments, .. } in &mut parameters.trained {
        let (shape, device) = (values.shape().clone(), values.device().clone());
        let tensor = |host: &[f32]| CandleTensor::from_slice(host, &shape, &device);
        let mut host = vec![0.0; shape.elem_count()];
        files.values(name, &mut host)?;
        values.set(&tensor(&host)?)?;
        *moments = None;
        if files.n_steps > 0 {
            let mut second = vec![0.0; shape.elem_count()];
            files.moments(name, [&mut host, &mut second])?;
            *moments = Some([tensor(&host)?, tensor(&second)?]);
        }
    }
    parameters.n_steps = files.n_steps;
    Ok(())
}
