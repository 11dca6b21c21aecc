//! Diagnostics of a round's selection: calibration, certified bound, distribution shift and length
//! bias.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::guard::longer_share;
use crate::domain::metrics::calibration::CalibrationReport;
use crate::domain::preference::PairFacts;
use crate::domain::selection::risk::Certificate;
use crate::domain::selection::{ScoredPair, Selection};

/// What a round records about its selection beside the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SelectionAudit {
    /// Calibration on held-out human pairs of the model that labeled.
    pub calibration: Option<CalibrationReport>,
    /// Over-confidence on held-out pairs (mean confidence minus accuracy), minus that of the round
    /// before: above 0 the model has become more confident without becoming more accurate.
    pub over_confidence_drift: Option<f64>,
    /// The certificate of the rule `risk`.
    pub certificate: Option<Certificate>,
    /// Weight of the likelihood view beside the reward model's margin; `None` where the view does
    /// not count.
    #[serde(default)]
    pub view_weight: Option<f64>,
    /// Weight of the surface view; `None` where the view does not count.
    #[serde(default)]
    pub surface_weight: Option<f64>,
    /// Mean of `1 - q` over the selected labels, `q` their calibrated confidence.
    pub estimated_error: Option<f64>,
    /// Everything that was scored.
    pub pool: GroupFacts,
    pub selected: GroupFacts,
    /// Pearson correlation over the pool of the margin `reward_a - reward_b` with the difference of the
    /// answers' lengths in tokens: 0 where the reward does not look at length.
    pub length_correlation: Option<f64>,
    /// How far the slices of the selected pairs are from those of the pool: half the sum over the slices
    /// of the differences of their shares (total variation), from 0 (alike) to 1; `None` where there is
    /// one slice.
    #[serde(default)]
    pub source_shift: Option<f64>,
    /// Whether the round was rolled back, so that the run does not use its model.
    #[serde(default)]
    pub rolled_back: bool,
}

/// Means over some pool pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupFacts {
    /// Mean tokens of a pair, both sides with their prompt.
    pub mean_tokens: Option<f64>,
    /// Mean turns of the prompt, where known.
    pub mean_turns: Option<f64>,
    /// Mean of `|reward_a - reward_b|`.
    pub mean_margin: Option<f64>,
    /// Share of the labels that prefer the longer answer, of those whose lengths differ.
    pub longer_share: Option<f64>,
}

/// Compares what was selected with what was scored. `facts` are those of the scored pairs, in their
/// order.
#[must_use]
pub fn audit(selection: &Selection, facts: &[PairFacts]) -> SelectionAudit {
    let all = || selection.pairs.iter().zip(facts);
    let errors = selection.labels.iter().map(|label| 1.0 - label.confidence);
    SelectionAudit {
        estimated_error: mean(errors),
        pool: group(&all()),
        selected: group(&all().filter(|(pair, _)| pair.left_out.is_none())),
        length_correlation: correlation(all().map(|(pair, facts)| {
            let [a, b] = facts.n_tokens;
            (pair.score.margin(), f64::from(a) - f64::from(b))
        })),
        source_shift: source_shift(&all()),
        ..SelectionAudit::default()
    }
}

fn source_shift<'a>(
    pairs: &(impl Iterator<Item = (&'a ScoredPair, &'a PairFacts)> + Clone),
) -> Option<f64> {
    let mut counts: BTreeMap<u32, [u64; 2]> = BTreeMap::new();
    for (pair, facts) in pairs.clone() {
        let [n, n_selected] = counts.entry(facts.source).or_default();
        *n += 1;
        *n_selected += u64::from(pair.left_out.is_none());
    }
    let total = counts.values().fold([0, 0], |[n, s], [m, t]| [n + m, s + t]);
    let share = |count: u64, of: u64| count as f64 / of as f64;
    let apart = |[n, s]: &[u64; 2]| (share(*n, total[0]) - share(*s, total[1])).abs();
    (counts.len() > 1 && total[1] > 0).then(|| 0.5 * counts.values().map(apart).sum::<f64>())
}

fn group<'a, I>(pairs: &I) -> GroupFacts
where
    I: Iterator<Item = (&'a ScoredPair, &'a PairFacts)> + Clone,
{
    let turns = pairs.clone().map(|(_, facts)| facts.n_turns).filter(|n| *n > 0);
    let labels = pairs.clone().filter_map(|(pair, facts)| {
        pair.score.pseudo_label().map(|label| facts.lengths(label.preferred))
    });
    GroupFacts {
        mean_tokens: mean(pairs.clone().map(|(_, facts)| f64::from(facts.n_tokens()))),
        mean_turns: mean(turns.map(f64::from)),
        mean_margin: mean(pairs.clone().map(|(pair, _)| pair.score.margin().abs())),
        longer_share: longer_share(labels),
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_u64, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / n as f64)
}

/// Pearson's correlation; `None` where one side does not vary.
#[must_use]
pub fn correlation(values: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let mean_x = mean(values.clone().map(|(x, _)| x))?;
    let mean_y = mean(values.clone().map(|(_, y)| y))?;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in values {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let scale = (xx * yy).sqrt();
    (scale > 0.0).then(|| xy / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::PairId;
    use crate::domain::pseudo_label::PairScore;
    use crate::domain::selection::LeftOut;
    use crate::domain::selection::learning_status::LearningStatus;

    #[test]
    fn a_correlation_by_hand() {
        // x = 1 2 3, y = 1 3 2: xy = 1, xx = yy = 2.
        let values = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0)];
        assert!((correlation(values.into_iter()).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(correlation([(1.0, 2.0), (1.0, 3.0)].into_iter()), None);
        assert_eq!(correlation(std::iter::empty()), None);
    }

    #[test]
    fn what_is_selected_is_put_beside_the_pool() {
        let score = |pair, reward_a, reward_b| PairScore { pair: PairId(pair), reward_a, reward_b };
        let pairs: Vec<ScoredPair> = [
            (score(0, 3.0, 0.0), None),
            (score(1, 0.0, 1.0), None),
            (score(2, 0.5, 0.0), Some(LeftOut::BelowThreshold)),
        ]
        .map(|(score, left_out)| ScoredPair { score, left_out })
        .into();
        let labels = pairs[..2].iter().filter_map(|pair| pair.score.pseudo_label()).collect();
        let selection = Selection {
            learning_status: LearningStatus::Ungated,
            reward_offset: 0.0,
            pairs,
            labels,
        };
        let facts = [([30, 10], 1, 0), ([10, 20], 2, 0), ([10, 10], 0, 3)]
            .map(|(n_tokens, n_turns, source)| PairFacts { n_tokens, n_turns, source });
        let audit = audit(&selection, &facts);
        assert_eq!(audit.pool.mean_tokens, Some(30.0));
        assert_eq!(audit.selected.mean_tokens, Some(35.0));
        assert_eq!(audit.pool.mean_turns, Some(1.5));
        assert_eq!((audit.pool.mean_margin, audit.selected.mean_margin), (Some(1.5), Some(2.0)));
        // Pair 0 prefers a (30 > 10), pair 1 prefers b (20 > 10), pair 2 has equal lengths.
        assert_eq!(audit.selected.longer_share, Some(1.0));
        // Slices 0 and 3: 2/3 and 1/3 of the pool, all and none of what is selected.
        assert!((audit.source_shift.unwrap() - 1.0 / 3.0).abs() < 1e-12);
        // Margins 3 -1 .5 (mean 5/6), differences 20 -10 0 (mean 10/3): 185/3 / sqrt(49/6 * 1400/3)
        assert!((audit.length_correlation.unwrap() - 0.998_9).abs() < 1e-3, "{audit:?}");
        // 1 - sigmoid(3) = .04743, 1 - sigmoid(1) = .26894
        assert!((audit.estimated_error.unwrap() - 0.158_184).abs() < 1e-6);
    }
}
