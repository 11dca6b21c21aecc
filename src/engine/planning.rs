//! How much memory a run will need, from the shapes of its model alone, and what fits.

use super::memory::{DEFAULT_MICRO_BATCH_ROWS, Load, MemoryPlan};
use super::open::implementation;
use super::{EngineError, OpenSettings};
use crate::domain::spec::{Device, Tuning};

/// A plan for training; `None` for the mock model, which has no weights, and on a device whose use of
/// memory is not known from shapes alone.
///
/// # Errors
/// When the model cannot be opened.
pub fn plan(settings: &OpenSettings, load: Load) -> Result<Option<MemoryPlan>, EngineError> {
    implementation(settings).plan(settings, load)
}

/// The largest `micro_batch_tokens` whose plan stays within `available` bytes; `None` when not even
/// one pair at a time fits.
///
/// # Errors
/// As [`plan`].
pub fn fitting_micro_batch(
    settings: &OpenSettings,
    load: Load,
    available: u64,
) -> Result<Option<usize>, EngineError> {
    let smallest = 2 * settings.max_tokens;
    let mut rows = DEFAULT_MICRO_BATCH_ROWS.max(smallest);
    loop {
        let settings = OpenSettings { micro_batch_tokens: rows, ..settings.clone() };
        if plan(&settings, load)?.is_none_or(|plan| plan.total() <= available) {
            return Ok(Some(rows));
        }
        if rows == smallest {
            return Ok(None);
        }
        rows = (rows / 2).max(smallest);
    }
}

/// Refuses a run on the CPU whose plan is larger than `limit` bytes, with a micro-batch that would
/// fit; without a limit nothing is refused.
///
/// # Errors
/// [`EngineError::TooLarge`], or as [`plan`].
pub fn check(settings: &OpenSettings, load: Load, limit: Option<u64>) -> Result<(), EngineError> {
    let Some(limit) = limit.filter(|_| settings.device == Device::Cpu) else { return Ok(()) };
    match plan(settings, load)? {
        Some(plan) if plan.total() > limit => Err(EngineError::TooLarge {
            backbone: settings.backbone.to_string(),
            needed: plan.total(),
            limit,
            micro_batch_tokens: plan.micro_batch_rows,
            fitting: fitting_micro_batch(settings, load, limit)?,
            is_full: settings.tuning == Tuning::Full,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::{LoraSpec, Precision};
    use crate::engine::Backbone;
    use crate::engine::memory::resident_bytes;

    const LOAD: Load =
        Load { n_pairs: 100, batch_pairs: 32, has_dropout: false, has_second_view: false };

    fn total(settings: &OpenSettings) -> u64 {
        plan(settings, LOAD).unwrap().unwrap().total()
    }

    #[test]
    fn less_is_planned_for_less_training_and_smaller_micro_batches() {
        let full = OpenSettings::new(Backbone::Embedded, 256, 1);
        let with = |tuning| OpenSettings { tuning, ..full.clone() };
        let lora = with(Tuning::Lora(LoraSpec::default()));
        let half = OpenSettings { frozen_precision: Precision::Bf16, ..lora.clone() };
        let top = with(Tuning::TopLayers(1));
        let head = with(Tuning::Head);
        assert!(total(&lora) < total(&full));
        assert!(total(&half) < total(&lora));
        assert!(total(&head) < total(&top) && total(&top) < total(&full));
        let small = OpenSettings { micro_batch_tokens: 600, ..full.clone() };
        assert!(total(&small) < total(&full));
        assert!(plan(&OpenSettings::new(Backbone::Mock, 8, 1), LOAD).unwrap().is_none());
    }

    #[test]
    fn a_micro_batch_that_fits_is_found_or_nothing() {
        let settings = OpenSettings::new(Backbone::Embedded, 128, 1);
        let least = OpenSettings { micro_batch_tokens: 256, ..settings.clone() };
        // The plan holds what this process has in memory now, which moves while tests run.
        let slack = 64 << 20;
        let fitting = |bytes| fitting_micro_batch(&settings, LOAD, bytes).unwrap();
        assert_eq!(fitting(u64::MAX), Some(DEFAULT_MICRO_BATCH_ROWS));
        assert!(fitting(total(&least) + slack).is_some());
        assert_eq!(fitting(0), None);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_what_would() {
        let settings = OpenSettings::new(Backbone::Embedded, 128, 1);
        assert!(check(&settings, LOAD, Some(u64::MAX)).is_ok());
        assert!(check(&settings, LOAD, None).is_ok());
        let error = check(&settings, LOAD, Some(1 << 20)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("`embedded` needs "), "{text}");
        assert!(text.ends_with("but there is 1.0 MiB"), "{text}");
        assert!(error.hint().unwrap().contains("`model.tuning = \"lora\"`"));
        let half = total(&settings) - (total(&settings) - resident_bytes().unwrap()) / 3;
        let hint = check(&settings, LOAD, Some(half)).unwrap_err().hint().unwrap();
        assert!(hint.contains("train.micro_batch_tokens ="), "{hint}");
    }
}
