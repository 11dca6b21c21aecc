//! AdamW (Loshchilov and Hutter 2019) on variables, as `torch.optim.AdamW`, with clipping by the
//! global norm as `torch.nn.utils.clip_grad_norm_`.

use candle_core::{DType, Result, Tensor};

use super::parameters::{Gradients, Parameters, Trained};
use crate::engine::{EngineError, StepSettings};

/// Decay of the first moment, the default of `torch.optim.AdamW` and the value of `cpu`.
const BETA_1: f64 = 0.9;
/// Decay of the second moment, the default of `torch.optim.AdamW` and the value of `cpu`.
const BETA_2: f64 = 0.999;
/// Added to the root of the second moment, the default of `torch.optim.AdamW`.
const EPSILON: f64 = 1e-8;

/// The Euclidean norm over all gradients; those that are missing count as zero.
fn norm(gradients: &[Option<Tensor>]) -> Result<f64> {
    let squares: Vec<Tensor> = gradients
        .iter()
        .flatten()
        .map(|gradient| gradient.sqr()?.sum_all())
        .collect::<Result<_>>()?;
    if squares.is_empty() {
        return Ok(0.0);
    }
    // One transfer for all of them.
    let squares: Vec<f32> = Tensor::stack(&squares, 0)?.to_dtype(DType::F32)?.to_vec1()?;
    Ok(squares.iter().map(|square| f64::from(*square)).sum::<f64>().sqrt())
}

/// Applies a step with gradients clipped as the settings say; returns their norm before clipping.
///
/// # Errors
/// [`EngineError::NonFinite`] when the norm is not finite, or when the device refuses; nothing is
/// changed.
pub fn clipped_step(
    parameters: &mut Parameters,
    gradients: &Gradients,
    settings: &StepSettings,
) -> std::result::Result<f32, EngineError> {
    let norm = norm(gradients)?;
    if !norm.is_finite() {
        return Err(EngineError::NonFinite { what: "gradient norm", value: norm as f32 });
    }
    let clip_norm = f64::from(settings.clip_norm);
    let clip = if clip_norm > 0.0 { (clip_norm / (norm + 1e-6)).min(1.0) } else { 1.0 };
    step(parameters, gradients, (settings.learning_rate, settings.weight_decay), clip)?;
    Ok(norm as f32)
}

/// Applies one step. All new values are computed before the first variable is changed, so that a
/// device that runs out of memory changes nothing.
fn step(
    parameters: &mut Parameters,
    gradients: &[Option<Tensor>],
    (learning_rate, weight_decay): (f32, f32),
    clip: f64,
) -> Result<()> {
    let t = parameters.n_steps.saturating_add(1).min(i32::MAX as u64) as i32;
    let (learning_rate, weight_decay) = (f64::from(learning_rate), f64::from(weight_decay));
    let rate = learning_rate / (1.0 - BETA_1.powi(t));
    let root = (1.0 - BETA_2.powi(t)).sqrt();
    let mut updates = Vec::with_capacity(parameters.trained.len());
    for (trained, gradient) in parameters.trained.iter().zip(gradients) {
        let Trained { values, moments, decays, .. } = trained;
        let keep = if *decays { 1.0 - learning_rate * weight_decay } else { 1.0 };
        let gradient = match gradient {
            Some(gradient) => (gradient * clip)?,
            None => values.zeros_like()?,
        };
        let mut first = (&gradient * (1.0 - BETA_1))?;
        let mut second = (gradient.sqr()? * (1.0 - BETA_2))?;
        if let Some([old_first, old_second]) = moments {
            first = (first + (old_first * BETA_1)?)?;
            second = (second + (old_second * BETA_2)?)?;
        }
        let step = ((&first * rate)? / ((second.sqrt()? / root)? + EPSILON)?)?;
        let values = ((values.as_tensor().detach() * keep)? - step)?;
        updates.push((values, [first, second]));
    }
    for (trained, (values, moments)) in parameters.trained.iter_mut().zip(updates) {
        trained.values.set(&values)?;
        trained.moments = Some(moments);
    }
    parameters.n_steps += 1;
    Ok(())
}
