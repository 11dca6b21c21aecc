//! What a round reports about its selection.

use std::collections::BTreeMap;

use super::appraisal::Appraisal;
use super::audit::{SelectionAudit, audit};
use super::second_view::{View, ViewWeights};
use crate::domain::event::SelectionSummary;
use crate::domain::metrics::histogram::ConfidenceHistogram;
use crate::domain::metrics::pseudo_label_precision;
use crate::domain::preference::PairFacts;
use crate::domain::preference::{PairId, Side};
use crate::domain::pseudo_label::PseudoLabel;
use crate::domain::selection::origins::{ByOrigin, OriginSummary};
use crate::domain::selection::{ScoredPair, Selection};

/// The inputs of a summary besides the selection itself.
#[derive(Debug, Clone, Copy)]
pub struct Background<'a> {
    /// What is known of the scored pairs' texts, in their order.
    pub facts: &'a [PairFacts],
    /// What held-out human pairs say about the teacher.
    pub appraisal: &'a Appraisal,
    /// How much the second views counted.
    pub weights: ViewWeights,
    /// The pool as the round before saw it, where there was a selection before.
    pub before: Option<&'a [ScoredPair]>,
    /// How many pairs people have vetoed.
    pub n_vetoed: usize,
    /// Over-confidence of the teacher of the round before.
    pub over_confidence_before: Option<f64>,
    /// The first pair that is a policy's.
    pub first_generated: PairId,
}

/// Sums a selection up; `gold` are the held-back labels, for its precision: people's, and of the pairs of a
/// policy those of the judge.
pub fn summarize(
    selection: &Selection,
    background: Background<'_>,
    gold: impl Fn(PairId) -> Option<Side>,
) -> SelectionSummary {
    let Background { facts, appraisal, weights, before, n_vetoed, over_confidence_before, .. } =
        background;
    let precision =
        |labels: &[PseudoLabel]| pseudo_label_precision(labels, |label| gold(label.pair));
    let all: Vec<PseudoLabel> =
        selection.pairs.iter().filter_map(|pair| pair.score.pseudo_label()).collect();
    let kept = selection.pairs.iter().filter(|pair| pair.left_out.is_none());
    let drift = appraisal.report.zip(over_confidence_before);
    SelectionSummary {
        learning_status: selection.learning_status,
        reward_offset: selection.reward_offset,
        n_scored: selection.pairs.len() as u64,
        n_selected: selection.labels.len() as u64,
        n_vetoed: n_vetoed as u64,
        n_flipped: before.map(|before| n_flipped(&all, before)),
        coverage: selection.coverage(),
        pseudo_label_precision: precision(&selection.labels),
        pool_accuracy: precision(&all),
        left_out: selection.left_out_counts(),
        histogram: selection.histogram(),
        by_origin: by_origin(selection, background.first_generated, &gold),
        selected_histogram: ConfidenceHistogram::of(kept.map(|pair| pair.score.confidence())),
        audit: Box::new(SelectionAudit {
            calibration: appraisal.report,
            over_confidence_drift: drift.map(|(now, before)| now.over_confidence - before),
            certificate: appraisal.certificate,
            view_weight: weights.of(View::Likelihood),
            surface_weight: weights.of(View::Surface),
            ..audit(selection, facts)
        }),
    }
}

/// The selection by who wrote the answers; `None` where no policy did.
fn by_origin(
    selection: &Selection,
    first_generated: PairId,
    gold: &impl Fn(PairId) -> Option<Side>,
) -> Option<Box<ByOrigin>> {
    let is_generated = |pair: PairId| pair >= first_generated;
    selection.pairs.iter().find(|pair| is_generated(pair.score.pair))?;
    let of = |wanted: bool| {
        let pairs =
            || selection.pairs.iter().filter(move |pair| is_generated(pair.score.pair) == wanted);
        let labels: Vec<PseudoLabel> =
            pairs().filter_map(|pair| pair.score.pseudo_label()).collect();
        let kept: Vec<PseudoLabel> = selection
            .labels
            .iter()
            .filter(|label| is_generated(label.pair) == wanted)
            .copied()
            .collect();
        let known = |label: &PseudoLabel| gold(label.pair);
        OriginSummary {
            n_scored: pairs().count() as u64,
            n_selected: kept.len() as u64,
            n_known: kept.iter().filter_map(known).count() as u64,
            pseudo_label_precision: pseudo_label_precision(&kept, known),
            pool_accuracy: pseudo_label_precision(&labels, known),
        }
    };
    Some(Box::new(ByOrigin { data: of(false), policy: of(true) }))
}

/// Counts the pairs whose pseudo-label was the other answer in the round before.
fn n_flipped(labels: &[PseudoLabel], before: &[ScoredPair]) -> u64 {
    let labels_before = before.iter().filter_map(|pair| pair.score.pseudo_label());
    let before: BTreeMap<PairId, Side> =
        labels_before.map(|label| (label.pair, label.preferred)).collect();
    let has_flipped =
        |label: &&PseudoLabel| before.get(&label.pair).is_some_and(|side| *side != label.preferred);
    labels.iter().filter(has_flipped).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metrics::calibration::CalibrationReport;
    use crate::domain::pseudo_label::PairScore;
    use crate::domain::selection::LeftOut;
    use crate::domain::selection::learning_status::LearningStatus;

    /// Pairs `0..` with these margins, of which the first two are kept.
    fn pairs(margins: &[f32]) -> Vec<ScoredPair> {
        let scored = margins.iter().zip(0..).map(|(margin, i)| ScoredPair {
            score: PairScore { pair: PairId(i), reward_a: *margin, reward_b: 0.0 },
            left_out: (i >= 2).then_some(LeftOut::BelowThreshold),
        });
        scored.collect()
    }

    #[test]
    fn a_summary_by_hand() {
        let pairs_now = pairs(&[2.0, -1.0, 0.5, -0.25]);
        let labels = pairs_now[..2].iter().filter_map(|pair| pair.score.pseudo_label()).collect();
        let selection = Selection {
            learning_status: LearningStatus::Ungated,
            reward_offset: 0.25,
            pairs: pairs_now,
            labels,
        };
        let appraisal = Appraisal {
            temperature: 1.0,
            report: CalibrationReport::of(&[1.0, 1.0, -1.0], 1.0),
            certificate: None,
            held_out: Vec::new(),
            scale: 1.0,
        };
        let over_confidence = appraisal.report.unwrap().over_confidence;
        // Pair 1 has turned around, and so has pair 3; pair 2 was a tie, pair 4 was taken out.
        let before = pairs(&[1.0, 1.0, 0.0, 0.5, 1.0]);
        let facts = [PairFacts::default(); 4];
        let background = Background {
            facts: &facts,
            appraisal: &appraisal,
            weights: ViewWeights { reward: 1.0, views: [0.0, 0.75] },
            before: Some(&before),
            n_vetoed: 3,
            over_confidence_before: Some(over_confidence - 0.125),
            first_generated: PairId(9),
        };
        // People prefer a: right about pairs 0 and 2.
        let summary = summarize(&selection, background, |_| Some(Side::A));
        assert_eq!((summary.n_scored, summary.n_selected, summary.n_vetoed), (4, 2, 3));
        assert_eq!((summary.n_flipped, summary.coverage), (Some(2), Some(0.5)));
        assert_eq!(summary.pseudo_label_precision, Some(0.5));
        assert_eq!(summary.pool_accuracy, Some(0.5));
        assert_eq!(summary.left_out, BTreeMap::from([(LeftOut::BelowThreshold, 2)]));
        assert_eq!((summary.histogram.total(), summary.selected_histogram.total()), (4, 2));
        let audit = &summary.audit;
        assert_eq!((audit.view_weight, audit.surface_weight), (None, Some(0.75)));
        assert!((audit.over_confidence_drift.unwrap() - 0.125).abs() < 1e-12);
        let first = Background { before: None, over_confidence_before: None, ..background };
        let summary = summarize(&selection, first, |_| Some(Side::B));
        assert_eq!((summary.n_flipped, summary.audit.over_confidence_drift), (None, None));
        assert_eq!(summary.by_origin, None);
        // Pairs 1, 2 and 3 are a policy's, and the judge knows of 1 and 2.
        let mixed = Background { first_generated: PairId(1), ..background };
        let gold = |pair: PairId| (pair != PairId(3)).then_some(Side::A);
        let origins = *summarize(&selection, mixed, gold).by_origin.unwrap();
        let of = |it: OriginSummary| {
            (it.n_scored, it.n_selected, it.n_known, it.pseudo_label_precision, it.pool_accuracy)
        };
        assert_eq!(of(origins.data), (1, 1, 1, Some(1.0), Some(1.0)));
        assert_eq!(of(origins.policy), (3, 1, 1, Some(0.0), Some(0.5)));
    }
}
