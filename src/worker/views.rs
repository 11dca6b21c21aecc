//! Asks the second views about pairs: the pretrained backbone, and the surface of the answers.

use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::preference::PairId;
use crate::domain::spec::ExperimentSpec;
use crate::domain::teacher::second_view::View;
use crate::domain::teacher::views::{Asked, ViewJudgments};
use crate::engine::open::open_language_model;
use crate::engine::{CausalLm, EncodedPair, OpenSettings};

use super::WorkerError;
use super::control::Flow;
use super::inputs::Inputs;
use super::reporter::Reporter;
use super::state::SavedState;

/// Pairs that the backbone is asked about in one call.
const PAIRS_AT_ONCE: usize = 1024;

/// Asks the views of the spec about the pool, the validation pairs and the seed pairs (by fold, in
/// the order in which the fold models scored them); `None` when a person asked to stop.
///
/// # Errors
/// When the backbone cannot be opened, or a warning not be sent.
pub fn ask(
    spec: &ExperimentSpec,
    saved: &mut SavedState,
    inputs: &Inputs,
    reporter: &mut Reporter<'_>,
    folds: &[Vec<PairId>],
) -> Result<Option<Vec<ViewJudgments>>, WorkerError> {
    let asked = Asked {
        rng_seed: spec.rng_seed,
        folds,
        pool: &inputs.split.unlabeled_pool,
        validation: &inputs.split.validation,
    };
    let which = spec.selection.second_view;
    let mut found = Vec::new();
    if which.asks(View::Likelihood)
        && let Some(mut backbone) = open_backbone(spec, reporter)?
    {
        let read = read_likelihoods(backbone.as_mut(), saved, inputs, reporter, asked)?;
        let Some(view) = read else { return Ok(None) };
        found.push(view);
    }
    if which.asks(View::Surface) {
        found.push(ViewJudgments::by_surface(asked, |id| inputs.surface(id)));
    }
    Ok(Some(found))
}

/// Opens the pretrained backbone as a language model; `None`, after a warning to the person, where it is
/// not one.
fn open_backbone(
    spec: &ExperimentSpec,
    reporter: &Reporter<'_>,
) -> Result<Option<Box<dyn CausalLm>>, WorkerError> {
    let settings = OpenSettings::of_spec(spec);
    match open_language_model(&settings)? {
        Ok(backbone) => Ok(Some(backbone)),
        Err(reason) => {
            let name = &settings.backbone;
            reporter.warn(format!(
                "the likelihood of `selection.second_view` is left out: `{name}` {reason}"
            ))?;
            Ok(None)
        }
    }
}

/// Why reading ended before its end.
enum Break {
    Stop,
    Failed(WorkerError),
}

impl<E: Into<WorkerError>> From<E> for Break {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Asks the backbone for the log-likelihoods of answers; `None` when a person asked to stop, who is
/// heard before each call of it.
fn read_likelihoods(
    backbone: &mut dyn CausalLm,
    saved: &mut SavedState,
    inputs: &Inputs,
    reporter: &mut Reporter<'_>,
    asked: Asked<'_>,
) -> Result<Option<ViewJudgments>, WorkerError> {
    let n_folded: usize = asked.folds.iter().map(Vec::len).sum();
    let n_total = (asked.pool.len() + asked.validation.len() + n_folded) as u64;
    let begun = reporter.begin(PhaseKey::new(0, Phase::SecondView), 0, [0, n_total])?;
    let (mut n_done, mut n_tokens) = (0, 0);
    let read = ViewJudgments::by_likelihood(asked, |ids| {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAIRS_AT_ONCE) {
            if reporter.read_people(saved)? == Flow::Stop {
                return Err(Break::Stop);
            }
            let pairs: Vec<&EncodedPair> = ids.iter().map(|id| inputs.pair(*id)).collect();
            found.extend(backbone.answer_log_likelihoods(&pairs)?);
            n_done += ids.len() as u64;
            n_tokens += pairs.iter().map(|pair| pair.n_tokens() as u64).sum::<u64>();
            reporter.progress(begun, n_done, n_tokens)?;
        }
        Ok(found)
    });
    match read {
        Ok(view) => Ok(Some(view)),
        Err(Break::Stop) => Ok(None),
        Err(Break::Failed(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::RequestKind;
    use crate::engine::generation::{GenerationSettings, Listener};
    use crate::engine::{EngineError, ModelTensor, StepReport, StepSettings};
    use crate::worker::testing::{Bench, spec};

    /// Finds every answer equally likely, and counts how often it is asked.
    struct Indifferent(usize);

    impl CausalLm for Indifferent {
        fn answer_log_likelihoods(
            &mut self,
            pairs: &[&EncodedPair],
        ) -> Result<Vec<[f32; 2]>, EngineError> {
            self.0 += 1;
            Ok(vec![[-1.0; 2]; pairs.len()])
        }

        fn next_token_step(
            &mut self,
            _: &[Vec<u32>],
            _: &StepSettings,
        ) -> Result<StepReport, EngineError> {
            panic!("nothing is trained here")
        }

        fn generate(
            &mut self,
            _: &[&[u32]],
            _: &GenerationSettings,
            _: &mut dyn Listener,
        ) -> Result<(), EngineError> {
            panic!("nothing is written here")
        }

        fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
            Ok(Vec::new())
        }
    }

    /// What reading comes to after a request, and how often the backbone was asked.
    fn read(request: Option<RequestKind>) -> (Option<ViewJudgments>, usize) {
        let mut bench = Bench::new(spec(|_| ()));
        bench.record.request(request);
        let Bench { state, resources, reporter, .. } = &mut bench;
        let inputs = &resources.inputs;
        let folds = vec![inputs.split.seed_set.clone()];
        let asked = Asked {
            rng_seed: 1,
            folds: &folds,
            pool: &inputs.split.unlabeled_pool,
            validation: &inputs.split.validation,
        };
        let mut backbone = Indifferent(0);
        let view =
            read_likelihoods(&mut backbone, &mut state.saved, inputs, reporter, asked).unwrap();
        (view, backbone.0)
    }

    #[test]
    fn a_stop_is_heard_while_likelihoods_are_read() {
        let (view, n_asked) = read(None);
        assert_eq!(n_asked, 3, "folds, pool and validation pairs");
        assert!(!view.unwrap().pool.is_empty());
        assert_eq!(read(Some(RequestKind::Stop)), (None, 0));
    }
}
