//! Asking other views of a pair than the reward model: the pretrained backbone, the surface of the
//! answers.

use serde::{Deserialize, Serialize};

use crate::domain::event::RunEvent;
use crate::domain::preference::{PairId, Side, chosen_side};
use crate::domain::teacher::second_view::{Margins, View};
use crate::domain::text::surface::{Features, SurfaceModel, features};
use crate::engine::open::open_language_model;
use crate::engine::{EncodedPair, EngineError, OpenSettings};

use super::WorkerError;
use super::session::Session;

/// What a view says: rewards `[a, b]`, log-likelihoods or those of a model of the surface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewJudgements {
    /// Which view.
    pub view: View,
    /// Of each pool pair.
    pub pool: Vec<[f32; 2]>,
    /// Of each validation pair.
    pub validation: Vec<[f32; 2]>,
    /// Margins towards the human label of the seed pairs, in the order of
    /// [`super::cross_fit::FoldJudgements::held_out`], by a view that did not learn from them; empty
    /// once they are joined with those.
    pub held_out: Vec<f64>,
}

/// Pairs that are asked about in one call.
const PAIRS_AT_ONCE: usize = 1024;

/// Asks the views of the spec, seed pairs included: those of each fold, in the order in which the fold
/// models judged them.
pub fn ask(
    session: &mut Session<'_>,
    folds: &[Vec<PairId>],
) -> Result<Vec<ViewJudgements>, WorkerError> {
    let which = session.spec.selection.second_view;
    let mut found = Vec::new();
    if which.asks(View::Likelihood) {
        found.extend(ask_backbone(session, folds)?);
    }
    if which.asks(View::Surface) {
        found.push(ask_surface(session, folds)?);
    }
    Ok(found)
}

/// How likely the pretrained backbone finds the answers; `None`, with a word to the person, where it
/// is no language model.
fn ask_backbone(
    session: &mut Session<'_>,
    folds: &[Vec<PairId>],
) -> Result<Option<ViewJudgements>, WorkerError> {
    let settings = OpenSettings::of_spec(&session.spec);
    let mut backbone = match open_language_model(&settings)? {
        Ok(backbone) => backbone,
        Err(reason) => {
            let name = &settings.backbone;
            let message =
                format!("the likelihood of `selection.second_view` is left out: `{name}` {reason}");
            session.journal.send(RunEvent::Warned { message })?;
            return Ok(None);
        }
    };
    let inputs = &session.inputs;
    let mut ask = |ids: &[PairId]| -> Result<Vec<[f32; 2]>, EngineError> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAIRS_AT_ONCE) {
            let pairs: Vec<&EncodedPair> = ids.iter().map(|id| inputs.pair(*id)).collect();
            found.extend(backbone.answer_log_likelihoods(&pairs)?);
        }
        Ok(found)
    };
    let seed_pairs: Vec<PairId> = folds.iter().flatten().copied().collect();
    let held_out = seed_pairs.iter().zip(ask(&seed_pairs)?);
    Ok(Some(ViewJudgements {
        view: View::Likelihood,
        pool: ask(&inputs.split.unlabeled_pool)?,
        validation: ask(&inputs.split.validation)?,
        held_out: held_out.map(|(id, of)| towards_label(session, *id, of)).collect(),
    }))
}

/// What a model of the surface that learned from the seed set says of the pool and the validation
/// pairs, and one for each fold that did not learn from it says of the fold.
fn ask_surface(
    session: &Session<'_>,
    folds: &[Vec<PairId>],
) -> Result<ViewJudgements, WorkerError> {
    let mut of_folds = Vec::new();
    for ids in folds {
        let mut differences = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAIRS_AT_ONCE) {
            let described = describe(session, ids)?;
            let towards = |(id, [a, b]): (&PairId, [Features; 2])| -> Features {
                std::array::from_fn(|i| towards_label(session, *id, [a[i], b[i]]))
            };
            differences.extend(ids.iter().zip(described).map(towards));
        }
        of_folds.push(differences);
    }
    let mut held_out = Vec::new();
    for (fold, own) in of_folds.iter().enumerate() {
        let others = of_folds.iter().enumerate().filter(|(other, _)| *other != fold);
        let others: Vec<Features> = others.flat_map(|(_, pairs)| pairs).copied().collect();
        let model = SurfaceModel::fit(&others);
        held_out.extend(own.iter().map(|difference| model.reward(difference)));
    }
    let model = SurfaceModel::fit(&of_folds.concat());
    let judge = |ids: &[PairId]| -> Result<Vec<[f32; 2]>, WorkerError> {
        let mut rewards = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAIRS_AT_ONCE) {
            let described = describe(session, ids)?;
            rewards.extend(described.iter().map(|sides| sides.map(|of| model.reward(&of) as f32)));
        }
        Ok(rewards)
    };
    Ok(ViewJudgements {
        view: View::Surface,
        pool: judge(&session.inputs.split.unlabeled_pool)?,
        validation: judge(&session.inputs.split.validation)?,
        held_out,
    })
}

/// The surface of both answers of each pair, `[a, b]`.
fn describe(session: &Session<'_>, ids: &[PairId]) -> Result<Vec<[Features; 2]>, WorkerError> {
    let store = &session.journal.store;
    let pairs = store.candidate_pairs(session.dataset, session.spec.rng_seed, ids)?;
    let both = |answers: [&str; 2], prompt: &str| answers.map(|answer| features(prompt, answer));
    Ok(pairs.iter().map(|it| both([&it.response_a, &it.response_b], &it.prompt)).collect())
}

/// The margin between what is said of the two answers `[a, b]`, towards the human label.
pub fn towards_label<T: Into<f64>>(session: &Session<'_>, id: PairId, [a, b]: [T; 2]) -> f64 {
    let margin = a.into() - b.into();
    match chosen_side(session.spec.rng_seed, id) {
        Side::A => margin,
        Side::B => -margin,
    }
}

/// Margins by the reward model with those by each view, `of(view, place)`.
pub fn beside(
    rewards: &[f64],
    views: &[ViewJudgements],
    of: impl Fn(&ViewJudgements, usize) -> f64,
) -> Vec<Margins> {
    let both = |(place, reward): (usize, &f64)| {
        let mut margins = Margins { reward: *reward, ..Margins::default() };
        for view in views {
            margins.views[view.view as usize] = of(view, place);
        }
        margins
    };
    rewards.iter().enumerate().map(both).collect()
}
