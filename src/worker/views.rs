//! Asks the second views about pairs: the pretrained backbone, and the surface of the answers.

use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::preference::PairId;
use crate::domain::spec::ExperimentSpec;
use crate::domain::teacher::second_view::View;
use crate::domain::teacher::views::{Asked, ViewJudgments};
use crate::engine::open::open_language_model;
use crate::engine::{EncodedPair, OpenSettings};

use super::WorkerError;
use super::inputs::Inputs;
use super::reporter::Reporter;

/// Pairs that the backbone is asked about in one call.
const PAIRS_AT_ONCE: usize = 1024;

/// Asks the views of the spec about the pool, the validation pairs and the seed pairs (by fold, in
/// the order in which the fold models scored them).
///
/// # Errors
/// When the backbone cannot be opened, or a warning not be sent.
pub fn ask(
    spec: &ExperimentSpec,
    inputs: &Inputs,
    reporter: &mut Reporter<'_>,
    folds: &[Vec<PairId>],
) -> Result<Vec<ViewJudgments>, WorkerError> {
    let asked = Asked {
        rng_seed: spec.rng_seed,
        folds,
        pool: &inputs.split.unlabeled_pool,
        validation: &inputs.split.validation,
    };
    let which = spec.selection.second_view;
    let mut found = Vec::new();
    if which.asks(View::Likelihood) {
        found.extend(ask_backbone(spec, inputs, reporter, asked)?);
    }
    if which.asks(View::Surface) {
        found.push(ViewJudgments::by_surface(asked, |id| inputs.surface(id)));
    }
    Ok(found)
}

/// Asks the pretrained backbone for the log-likelihoods of answers; `None`, after a warning to the
/// person, where it is not a language model.
fn ask_backbone(
    spec: &ExperimentSpec,
    inputs: &Inputs,
    reporter: &mut Reporter<'_>,
    asked: Asked<'_>,
) -> Result<Option<ViewJudgments>, WorkerError> {
    let settings = OpenSettings::of_spec(spec);
    let mut backbone = match open_language_model(&settings)? {
        Ok(backbone) => backbone,
        Err(reason) => {
            let name = &settings.backbone;
            reporter.warn(format!(
                "the likelihood of `selection.second_view` is left out: `{name}` {reason}"
            ))?;
            return Ok(None);
        }
    };
    let n_folded: usize = asked.folds.iter().map(Vec::len).sum();
    let n_total = (asked.pool.len() + asked.validation.len() + n_folded) as u64;
    let begun = reporter.begin(PhaseKey::new(0, Phase::SecondView), 0, [0, n_total])?;
    let (mut n_done, mut n_tokens) = (0, 0);
    Ok(Some(ViewJudgments::by_likelihood(asked, |ids| {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAIRS_AT_ONCE) {
            let pairs: Vec<&EncodedPair> = ids.iter().map(|id| inputs.pair(*id)).collect();
            found.extend(backbone.answer_log_likelihoods(&pairs)?);
            n_done += ids.len() as u64;
            n_tokens += pairs.iter().map(|pair| pair.n_tokens() as u64).sum::<u64>();
            reporter.progress(begun, n_done, n_tokens)?;
        }
        Ok::<_, WorkerError>(found)
    })?))
}
