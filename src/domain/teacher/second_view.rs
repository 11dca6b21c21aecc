//! Second views: scores of a pair from other sources than the reward model, weighted by how well
//! they predict human labels.
//!
//! A model that learns from its own confident labels learns nothing new; a second view of the same
//! pair can add something (co-training, Blum and Mitchell 1998). One view is the likelihood of each
//! answer under the pretrained backbone, which no label has influenced; another is the surface of
//! the answers ([`crate::domain::text::surface`]). How much they help differs from data set to data
//! set, so held-out human pairs decide: a logistic regression on all margins, in which a view is
//! left out unless it improves the fit significantly.

use serde::{Deserialize, Serialize};

use crate::domain::stats::logistic;

/// A source of scores for a pair besides the reward model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::VariantArray)]
pub enum View {
    /// The log-likelihood of the answers under the pretrained backbone.
    Likelihood,
    Surface,
}

impl View {
    /// Every view, in the order of [`ViewWeights::views`].
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
}

/// The number of second views, the length of a row of their margins.
const N_VIEWS: usize = View::ALL.len();

/// The margins of one pair, positive where they agree with the human label.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Margins {
    pub reward: f64,
    /// The margins of the views, in the order of [`View::ALL`]; 0 for a view that was not asked.
    pub views: [f64; N_VIEWS],
}

/// How much each margin counts: the probability of the pair is
/// `sigmoid(reward * margin + sum(views * their margins))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewWeights {
    /// Weight of the reward model's margin.
    pub reward: f64,
    /// Weights of the margins of [`View::ALL`]; 0 for a view that does not improve the fit
    /// significantly.
    pub views: [f64; N_VIEWS],
}

/// What the reward model alone is worth: every view stays out.
pub const REWARD_ALONE: ViewWeights = ViewWeights { reward: 1.0, views: [0.0; N_VIEWS] };

impl ViewWeights {
    /// The weight of a view, where it counts.
    #[must_use]
    pub fn of(&self, view: View) -> Option<f64> {
        let weight = self.views[view as usize];
        (weight > 0.0).then_some(weight)
    }

    /// The margin that everything together gives.
    #[must_use]
    pub fn join(&self, margins: Margins) -> f64 {
        self.reward * margins.reward + logistic::dot(&self.views, &margins.views)
    }
}

/// 95 % quantile of chi-squared with one degree of freedom.
const CHI_SQUARED_95: f64 = 3.841_458_820_694_124;
/// A very small ridge penalty keeps the weights finite where the pairs are separable.
const RIDGE: f64 = 1e-3;

/// The most likely weights on held-out human pairs, as [`weigh`] finds them.
#[must_use]
pub fn fit_weights(pairs: &[Margins]) -> ViewWeights {
    let row = |pair: &Margins| -> [f64; 1 + N_VIEWS] {
        std::array::from_fn(|place| if place == 0 { pair.reward } else { pair.views[place - 1] })
    };
    let [reward, views @ ..] = weigh(&pairs.iter().map(row).collect::<Vec<_>>());
    ViewWeights { reward, views }
}

/// The weights of several margins in a logistic regression on human labels. The first margin always
/// counts, the others only if they improve the fit; `[1, 0, …]` means that none does.
///
/// The others are removed one at a time, the least useful first: as long as one has a negative
/// weight (it would count against its own prediction, which is noise), or as long as the likelihood
/// ratio test does not reject at 5 % that the fit without it is as good.
#[must_use]
pub fn weigh<const N: usize>(rows: &[[f64; N]]) -> [f64; N] {
    let mut free: [bool; N] =
        std::array::from_fn(|place| place == 0 || rows.iter().any(|row| row[place] != 0.0));
    let weights = loop {
        let weights = logistic::fit(rows, RIDGE, free);
        let worth = |place: usize| {
            let mut without = free;
            without[place] = false;
            let loss = logistic::loss(rows, logistic::fit(rows, RIDGE, without), RIDGE);
            let gain = loss - logistic::loss(rows, weights, RIDGE);
            if weights[place] > 0.0 { 2.0 * gain } else { f64::NEG_INFINITY }
        };
        let asked = (1..N).filter(|place| free[*place]).map(|place| (place, worth(place)));
        let Some((place, worth)) = asked.min_by(|a, b| a.1.total_cmp(&b.1)) else {
            return std::array::from_fn(|place| if place == 0 { 1.0 } else { 0.0 });
        };
        if worth >= CHI_SQUARED_95 {
            break weights;
        }
        free[place] = false;
    };
    // A model that is worse than chance beside the others counts nothing.
    if weights[0] > 0.0 {
        return weights;
    }
    free[0] = false;
    logistic::fit(rows, RIDGE, free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::{Place, Purpose};
    use crate::domain::stats::bradley_terry::sigmoid;

    /// Pairs whose label is drawn from the weights given.
    fn drawn(n: u64, weights: [f64; 3]) -> Vec<Margins> {
        let place = Place::new(3, Purpose::Mock);
        (0..n)
            .map(|i| {
                let at: [f64; 3] = std::array::from_fn(|j| place.normal(5 * i + j as u64));
                let is_right = place.at(1, 0).unit(i) < sigmoid(logistic::dot(&weights, &at));
                let [reward, views @ ..] = at.map(|value| if is_right { value } else { -value });
                Margins { reward, views }
            })
            .collect()
    }

    #[test]
    fn weights_that_made_the_labels_are_found() {
        let weights = fit_weights(&drawn(20_000, [0.5, 1.5, 0.2]));
        assert!((weights.reward - 0.5).abs() < 0.06, "{weights:?}");
        assert!((weights.views[0] - 1.5).abs() < 0.08, "{weights:?}");
        assert!((weights.views[1] - 0.2).abs() < 0.06, "{weights:?}");
        assert_eq!(weights.of(View::Surface), Some(weights.views[1]));
    }

    #[test]
    fn a_view_that_is_worth_nothing_or_less_stays_out() {
        assert_eq!(fit_weights(&drawn(2_000, [1.0, 0.0, 0.0])), REWARD_ALONE);
        assert_eq!(fit_weights(&drawn(2_000, [1.0, -1.0, -1.0])), REWARD_ALONE);
        assert_eq!(fit_weights(&[]), REWARD_ALONE);
        let weights = fit_weights(&drawn(2_000, [1.0, -1.0, 1.0]));
        assert!(weights.of(View::Likelihood).is_none() && weights.views[1] > 0.3, "{weights:?}");
        let weights = fit_weights(&drawn(2_000, [-1.0, 1.0, 0.0]));
        assert!(weights.reward == 0.0 && weights.views[0] > 0.3, "{weights:?}");
    }

    #[test]
    fn a_view_that_was_not_asked_changes_nothing() {
        let mut pairs = drawn(2_000, [1.0, 1.0, 0.0]);
        let with = fit_weights(&pairs);
        for pair in &mut pairs {
            pair.views[View::Surface as usize] = 0.0;
        }
        let without = fit_weights(&pairs);
        assert_eq!(without.of(View::Surface), None);
        assert!((with.views[0] - without.views[0]).abs() < 0.05, "{with:?} {without:?}");
    }

    #[test]
    fn margins_are_joined_by_their_weights() {
        let weights = ViewWeights { reward: 2.0, views: [0.5, 3.0] };
        assert_eq!(weights.join(Margins { reward: 1.0, views: [4.0, -1.0] }), 1.0);
    }
}
