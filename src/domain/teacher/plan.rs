//! The training plan of a round: which labels are in the batch of each step. It is a pure function
//! of the labels and the spec.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::preference::{LabelSource, TrainingLabel};
use crate::domain::pseudo_label::Claim;
use crate::domain::random::{Place, Purpose};
use crate::domain::ser::{SerLoop, apply_verdict};
use crate::domain::spec::{ExperimentSpec, PseudoTargets};
use crate::domain::verdict::{Verdict, VerdictSet};

/// A training label with its certainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedLabel {
    pub label: TrainingLabel,
    /// How sure it is.
    pub claim: Claim,
}

impl PlannedLabel {
    fn certain(label: TrainingLabel) -> Self {
        Self { label, claim: Claim::Certain }
    }

    /// Returns the label after the person's verdict: one that a person has looked at is certain. `None`
    /// when it must not be trained on.
    #[must_use]
    pub fn judged(self, verdicts: &VerdictSet) -> Option<Self> {
        let label = apply_verdict(self.label, verdicts)?;
        let is_pseudo = label.source != LabelSource::Human;
        Some(match verdicts.get(label.pair) {
            Some(Verdict::Keep | Verdict::Flip) if is_pseudo => Self::certain(label),
            _ => Self { label, ..self },
        })
    }
}

/// The plan of one round's training.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The round that is trained.
    pub round: u32,
    /// Everything that is trained on, before verdicts.
    pub labels: Vec<PlannedLabel>,
    /// Optimizer steps in all.
    pub n_steps: u64,
    steps_per_epoch: u64,
    batch_pairs: usize,
    order_seed: u64,
}

/// The shuffled order of the epoch asked for last, kept so that it is drawn once an epoch.
#[derive(Debug, Default)]
pub struct LastOrder(Option<(u32, Vec<u32>)>);

impl Plan {
    /// Plans the training on some labels. `order_seed` keys the order in which they come.
    #[must_use]
    pub fn new(
        round: u32,
        labels: Vec<PlannedLabel>,
        spec: &ExperimentSpec,
        order_seed: u64,
    ) -> Self {
        let batch_pairs = spec.train.batch_pairs as usize;
        let steps_per_epoch = labels.len().div_ceil(batch_pairs) as u64;
        let n_steps = match spec.train.steps {
            0 => steps_per_epoch * u64::from(spec.train.epochs),
            steps => u64::from(steps),
        };
        let steps_per_epoch = steps_per_epoch.max(1);
        Self { round, labels, n_steps, steps_per_epoch, batch_pairs, order_seed }
    }

    /// Returns a plan of at least `n_least` steps: further epochs are added, and the last one is
    /// cut short.
    #[must_use]
    pub fn with_steps_at_least(self, n_least: u64) -> Self {
        Self { n_steps: self.n_steps.max(n_least), ..self }
    }

    /// Returns the epoch that a step belongs to.
    #[must_use]
    pub fn epoch(&self, step: u64) -> u32 {
        (step / self.steps_per_epoch) as u32
    }

    /// Returns the labels of a step's batch; `last` keeps the order of an epoch between its steps.
    pub fn batch(&self, step: u64, last: &mut LastOrder) -> Vec<PlannedLabel> {
        let epoch = self.epoch(step);
        if last.0.as_ref().is_none_or(|(of, _)| *of != epoch) {
            last.0 = None;
        }
        let (_, order) = last.0.get_or_insert_with(|| {
            let place = Place::new(self.order_seed, Purpose::Shuffle).at(self.round, epoch);
            (epoch, place.permutation(self.labels.len()))
        });
        let start = (step % self.steps_per_epoch) as usize * self.batch_pairs;
        let end = (start + self.batch_pairs).min(order.len());
        order[start.min(end)..end].iter().map(|index| self.labels[*index as usize]).collect()
    }
}

/// Adds its certainty to each label of a round's training set, as the spec says: human labels are
/// certain, and pseudo-labels have the confidence that their selection recorded.
#[must_use]
pub fn planned(
    labels: Vec<TrainingLabel>,
    ser: &SerLoop,
    spec: &ExperimentSpec,
) -> Vec<PlannedLabel> {
    let rounds: BTreeSet<u32> = labels
        .iter()
        .filter_map(|it| match it.source {
            LabelSource::Pseudo { round } => Some(round),
            LabelSource::Human => None,
        })
        .collect();
    let confidences: BTreeMap<_, f64> = rounds
        .into_iter()
        .flat_map(|round| {
            ser.selected_in(round).iter().map(move |it| ((round, it.pair), it.confidence))
        })
        .collect();
    labels
        .into_iter()
        .map(|label| match (label.source, spec.train.pseudo_targets) {
            (LabelSource::Pseudo { round }, PseudoTargets::Soft) => {
                let q = confidences.get(&(round, label.pair)).copied().unwrap_or(1.0);
                PlannedLabel { label, claim: Claim::Probable(q as f32) }
            }
            _ => PlannedLabel::certain(label),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use PseudoTargets::{Hard, Soft};

    use super::*;
    use crate::domain::preference::{PairId, Side};
    use crate::domain::pseudo_label::PseudoLabel;
    use crate::domain::selection::learning_status::LearningStatus;
    use crate::domain::ser::{LoopRule, Outcome};

    fn spec(change: impl Fn(&mut ExperimentSpec)) -> ExperimentSpec {
        let mut spec: ExperimentSpec =
            toml::from_str(include_str!("../../../assets/default.toml")).unwrap();
        spec.train.epochs = 2;
        spec.train.steps = 0;
        spec.train.batch_pairs = 4;
        change(&mut spec);
        spec
    }

    fn labels(n_human: u32, n_pseudo: u32) -> Vec<PlannedLabel> {
        let label = |pair, source| TrainingLabel { pair: PairId(pair), preferred: Side::A, source };
        let human = (0..n_human).map(|i| label(i, LabelSource::Human));
        let pseudo = (0..n_pseudo).map(|i| label(100 + i, LabelSource::Pseudo { round: 1 }));
        human.chain(pseudo).map(PlannedLabel::certain).collect()
    }

    fn pairs(plan: &Plan, step: u64) -> Vec<u32> {
        plan.batch(step, &mut LastOrder::default()).iter().map(|it| it.label.pair.0).collect()
    }

    #[test]
    fn an_epoch_holds_every_label_once() {
        let plan = Plan::new(1, labels(3, 7), &spec(|_| ()), 5);
        assert_eq!((plan.n_steps, plan.epoch(2), plan.epoch(3)), (6, 0, 1));
        let mut seen: Vec<u32> = (0..3).flat_map(|step| pairs(&plan, step)).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 100, 101, 102, 103, 104, 105, 106]);
        let other = Plan::new(1, labels(3, 7), &spec(|_| ()), 6);
        assert_ne!(pairs(&plan, 0), pairs(&other, 0));
    }

    #[test]
    fn a_batch_depends_on_its_step_alone() {
        let plan = Plan::new(1, labels(3, 7), &spec(|_| ()), 5);
        let mut last = LastOrder::default();
        let in_order: Vec<_> = (0..6).map(|step| plan.batch(step, &mut last)).collect();
        assert_eq!(plan.batch(2, &mut last), in_order[2]);
        assert_eq!(plan.batch(4, &mut LastOrder::default()), in_order[4]);
    }

    #[test]
    fn steps_can_be_given_outright() {
        let plan = Plan::new(0, labels(10, 0), &spec(|spec| spec.train.steps = 100), 5);
        assert_eq!((plan.n_steps, plan.epoch(99)), (100, 33));
        assert_eq!(pairs(&plan, 98).len(), 2, "the last batch of an epoch is the rest");
    }

    #[test]
    fn a_plan_can_be_made_longer_but_not_shorter() {
        for (n_least, n_steps) in [(0, 6), (6, 6), (7, 7), (100, 100)] {
            let plan = Plan::new(1, labels(3, 7), &spec(|_| ()), 5).with_steps_at_least(n_least);
            assert_eq!(plan.n_steps, n_steps, "{n_least}");
            assert!(!pairs(&plan, n_steps - 1).is_empty());
        }
    }

    #[test]
    fn nothing_to_learn_takes_no_step() {
        let plan = Plan::new(1, Vec::new(), &spec(|_| ()), 5);
        assert_eq!((plan.n_steps, plan.epoch(0)), (0, 0));
        assert!(pairs(&plan, 0).is_empty());
    }

    #[test]
    fn pseudo_labels_claim_what_the_spec_says() {
        let mut ser = SerLoop::new(LoopRule::from(&spec(|_| ())));
        let halt = None;
        ser.on(Outcome::Trained).unwrap();
        ser.on(Outcome::Evaluated { halt }).unwrap();
        ser.on(Outcome::Evaluated { halt }).unwrap();
        if matches!(ser.pending(), crate::domain::ser::Step::CrossFit { .. }) {
            ser.on(Outcome::CrossFitted { halt }).unwrap();
        }
        ser.on(Outcome::Scored).unwrap();
        let pseudo =
            |pair, confidence| PseudoLabel { pair: PairId(pair), preferred: Side::B, confidence };
        let learning_status = LearningStatus::Ungated;
        let selected = vec![pseudo(1, 0.9), pseudo(2, 0.7)];
        ser.on(Outcome::Selected { learning_status, labels: selected, halt }).unwrap();
        let training = ser.training_labels(1, &[], &[]);
        let claims = |targets| -> Vec<Claim> {
            let spec = spec(|spec| spec.train.pseudo_targets = targets);
            planned(training.clone(), &ser, &spec).iter().map(|it| it.claim).collect()
        };
        assert_eq!(claims(Hard), [Claim::Certain; 2]);
        assert_eq!(claims(Soft), [Claim::Probable(0.9), Claim::Probable(0.7)]);
        // What a person has looked at is certain.
        let mut verdicts = VerdictSet::default();
        verdicts.record(PairId(1), Verdict::Flip);
        verdicts.record(PairId(2), Verdict::Veto);
        let soft = spec(|spec| spec.train.pseudo_targets = Soft);
        let judged: Vec<Option<PlannedLabel>> =
            planned(training, &ser, &soft).into_iter().map(|it| it.judged(&verdicts)).collect();
        let flipped = judged[0].unwrap();
        assert_eq!((flipped.claim, flipped.label.preferred), (Claim::Certain, Side::A));
        assert_eq!(judged[1], None);
    }
}
