//! Detects that another round would train on the labels of the round before.

use crate::domain::preference::{PairId, Side};
use crate::domain::selection::ScoredPair;
use crate::domain::spec::TeacherName;

/// Whether an ensemble teacher selects exactly the labels of the round before: the present model
/// got no weight, and no person gave a verdict. Another round would train on the same labels.
///
/// A single model as teacher never counts as such: its student starts from other weights, so the
/// same labels may still teach it something.
#[must_use]
pub fn brings_nothing_new(teacher: TeacherName, now: &[ScoredPair], before: &[ScoredPair]) -> bool {
    let now = selected(now);
    teacher == TeacherName::Ensemble && !now.is_empty() && now == selected(before)
}

fn selected(pairs: &[ScoredPair]) -> Vec<(PairId, Side)> {
    let kept = pairs.iter().filter(|pair| pair.left_out.is_none());
    let labels = kept.filter_map(|pair| pair.score.pseudo_label());
    labels.map(|label| (label.pair, label.preferred)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pseudo_label::PairScore;
    use crate::domain::selection::LeftOut;

    /// Pairs `0..` with these margins, of which those at 0 are ties and those below -1 are left out.
    fn pairs(margins: &[f32]) -> Vec<ScoredPair> {
        let scored = margins.iter().zip(0..).map(|(margin, i)| ScoredPair {
            score: PairScore { pair: PairId(i), reward_a: *margin, reward_b: 0.0 },
            left_out: (*margin < -1.0).then_some(LeftOut::BelowThreshold),
        });
        scored.collect()
    }

    #[test]
    fn only_the_very_same_labels_are_nothing_new() {
        use TeacherName::{Ensemble, Model};
        for (teacher, now, before, expected) in [
            (Ensemble, [1.0, 0.5, -2.0], [1.0, 0.5, -2.0], true),
            (Ensemble, [9.0, 0.1, -3.0], [1.0, 0.5, -2.0], true),
            (Model, [1.0, 0.5, -2.0], [1.0, 0.5, -2.0], false),
            (Ensemble, [1.0, -0.5, -2.0], [1.0, 0.5, -2.0], false),
            (Ensemble, [1.0, 0.5, 0.5], [1.0, 0.5, -2.0], false),
            (Ensemble, [1.0, -2.0, 0.5], [1.0, 0.5, -2.0], false),
            (Ensemble, [-2.0, -2.0, -2.0], [-2.0, -2.0, -2.0], false),
            (Ensemble, [1.0, 0.0, -2.0], [1.0, -2.0, 0.0], true),
        ] {
            let found = brings_nothing_new(teacher, &pairs(&now), &pairs(&before));
            assert_eq!(found, expected, "{teacher:?} {now:?} after {before:?}");
        }
        assert!(!brings_nothing_new(Ensemble, &pairs(&[1.0]), &[]), "the first round is new");
    }
}
