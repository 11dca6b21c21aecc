//! The scores of the second views, as columns beside the reward model's margins.

use serde::{Deserialize, Serialize};

use super::second_view::{Margins, View};
use crate::domain::preference::{PairId, Side, chosen_side};
use crate::domain::text::surface::{Features, SurfaceModel};

/// The scores `[a, b]` that one view gives to pairs: log-likelihoods, or rewards of the surface
/// model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewJudgments {
    /// The view that said it.
    pub view: View,
    /// Rewards of each pool pair, in the order of the split.
    pub pool: Vec<[f32; 2]>,
    /// Rewards of each validation pair, in the order of the split.
    pub validation: Vec<[f32; 2]>,
    /// Margins toward the human label of the seed pairs, in the order of
    /// [`super::folds::FoldJudgments::held_out`], by a view that did not learn from them; empty once
    /// they are joined with those.
    pub held_out: Vec<f64>,
}

/// The pairs that a view is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The key of the presentation order, which says on which side the chosen answer stands.
    pub rng_seed: u64,
    /// The seed pairs of each fold, in the order in which the fold models judged them.
    pub folds: &'a [Vec<PairId>],
    /// The pool of the split.
    pub pool: &'a [PairId],
    /// The validation pairs of the split.
    pub validation: &'a [PairId],
}

/// Returns the difference of two scores `[a, b]`, that of the answer people chose minus the other.
pub fn toward_label<T: Into<f64>>(rng_seed: u64, id: PairId, [a, b]: [T; 2]) -> f64 {
    let margin = a.into() - b.into();
    match chosen_side(rng_seed, id) {
        Side::A => margin,
        Side::B => -margin,
    }
}

/// Puts the margin of each view, `of(view, place)`, beside those of the reward model.
pub fn beside(
    rewards: &[f64],
    views: &[ViewJudgments],
    of: impl Fn(&ViewJudgments, usize) -> f64,
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

impl ViewJudgments {
    /// Scores pairs with the pretrained language model, which no label has influenced: `ask` gives
    /// the log-likelihoods in nats of both answers `[a, b]` of each pair.
    ///
    /// # Errors
    /// As `ask`.
    pub fn by_likelihood<E>(
        asked: Asked<'_>,
        mut ask: impl FnMut(&[PairId]) -> Result<Vec<[f32; 2]>, E>,
    ) -> Result<Self, E> {
        let seed_pairs: Vec<PairId> = asked.folds.iter().flatten().copied().collect();
        let said = ask(&seed_pairs)?;
        let held_out = seed_pairs.iter().zip(said);
        Ok(Self {
            view: View::Likelihood,
            pool: ask(asked.pool)?,
            validation: ask(asked.validation)?,
            held_out: held_out.map(|(id, of)| toward_label(asked.rng_seed, *id, of)).collect(),
        })
    }

    /// Scores pairs by the surface of their answers: a model fitted to the whole seed set scores
    /// the pool and the validation pairs, and for each fold a model fitted to the other folds
    /// scores that fold. `features` describes both answers `[a, b]` of a pair.
    pub fn by_surface(asked: Asked<'_>, features: impl Fn(PairId) -> [Features; 2]) -> Self {
        let difference = |id: &PairId| -> Features {
            let [a, b] = features(*id);
            std::array::from_fn(|i| toward_label(asked.rng_seed, *id, [a[i], b[i]]))
        };
        let of_folds: Vec<Vec<Features>> =
            asked.folds.iter().map(|ids| ids.iter().map(difference).collect()).collect();
        let mut held_out = Vec::new();
        for (fold, own) in of_folds.iter().enumerate() {
            let others = of_folds.iter().enumerate().filter(|(other, _)| *other != fold);
            let others: Vec<Features> = others.flat_map(|(_, pairs)| pairs).copied().collect();
            let model = SurfaceModel::fit(&others);
            held_out.extend(own.iter().map(|difference| model.reward(difference)));
        }
        let model = SurfaceModel::fit(&of_folds.concat());
        let judge = |ids: &[PairId]| -> Vec<[f32; 2]> {
            ids.iter().map(|id| features(*id).map(|of| model.reward(&of) as f32)).collect()
        };
        Self {
            view: View::Surface,
            pool: judge(asked.pool),
            validation: judge(asked.validation),
            held_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::surface::N_FEATURES;

    const RNG_SEED: u64 = 3;

    fn ids(range: std::ops::Range<u32>) -> Vec<PairId> {
        range.map(PairId).collect()
    }

    /// `+1` where the first answer is the chosen one.
    fn sign(id: PairId) -> f64 {
        if chosen_side(RNG_SEED, id) == Side::A { 1.0 } else { -1.0 }
    }

    #[test]
    fn a_margin_points_to_the_chosen_answer() {
        let both: Vec<f64> = (0..20).map(|i| sign(PairId(i))).collect();
        assert!(both.contains(&1.0) && both.contains(&-1.0), "the presentation is shuffled");
        for id in ids(0..20) {
            assert_eq!(toward_label(RNG_SEED, id, [3.0_f32, 1.0]), 2.0 * sign(id));
        }
    }

    #[test]
    fn views_stand_in_their_own_columns() {
        let view = |view, held_out| ViewJudgments {
            view,
            pool: Vec::new(),
            validation: Vec::new(),
            held_out,
        };
        let views = [view(View::Surface, vec![5.0, 6.0]), view(View::Likelihood, vec![1.0, 2.0])];
        let rows = beside(&[0.5, 0.25], &views, |view, place| view.held_out[place]);
        assert_eq!(
            rows,
            [
                Margins { reward: 0.5, views: [1.0, 5.0] },
                Margins { reward: 0.25, views: [2.0, 6.0] },
            ]
        );
        let alone = beside(&[0.5], &[], |_, _| 9.0);
        assert_eq!(alone, [Margins { reward: 0.5, views: [0.0, 0.0] }]);
    }

    #[test]
    fn a_likelihood_is_turned_toward_the_label_for_seed_pairs_only() {
        let (folds, pool, validation) = ([ids(0..2), ids(2..3)], ids(3..5), ids(5..6));
        let asked =
            Asked { rng_seed: RNG_SEED, folds: &folds, pool: &pool, validation: &validation };
        let judged = ViewJudgments::by_likelihood(asked, |ids| {
            Ok::<_, std::convert::Infallible>(ids.iter().map(|id| [id.0 as f32, -1.0]).collect())
        });
        let Ok(judged) = judged;
        assert_eq!(judged.pool, [[3.0, -1.0], [4.0, -1.0]]);
        assert_eq!(judged.validation, [[5.0, -1.0]]);
        let expected: Vec<f64> =
            ids(0..3).into_iter().map(|id| (f64::from(id.0) + 1.0) * sign(id)).collect();
        assert_eq!(judged.held_out, expected);
    }

    #[test]
    fn a_fold_is_judged_by_a_surface_model_of_the_others() {
        // One feature, larger in the chosen answer in the first fold and smaller in the second.
        let features = |id: PairId| -> [Features; 2] {
            let toward = if id.0 < 10 { 1.0 } else { -1.0 };
            let mut both = [[0.0; N_FEATURES]; 2];
            both[0][0] = toward * sign(id);
            both
        };
        let (folds, pool) = ([ids(0..10), ids(10..16)], ids(20..21));
        let asked = Asked { rng_seed: RNG_SEED, folds: &folds, pool: &pool, validation: &[] };
        let judged = ViewJudgments::by_surface(asked, features);
        assert_eq!(judged.held_out.len(), 16);
        assert!(
            judged.held_out.iter().all(|margin| *margin < 0.0),
            "each fold learned the reverse"
        );
        // Ten pairs against six: all of them together say that more is better.
        let [a, b] = judged.pool[0];
        assert!(f64::from(a - b) * sign(PairId(20)) < 0.0 && judged.validation.is_empty());
    }
}
