//! The phases of a policy run. Their units are answers; an answer that is learned from in three passes
//! counts three times.

use super::plan::{Between, PlannedPhase, Sizes};
use crate::domain::phase::{Phase, PhaseKey, Work};
use crate::domain::policy::settings::PolicySpec;

/// Plans a policy run. Prompts of the pool and the seed set are answered, those of the test pairs judged;
/// a prompt of several pairs counts once, which is not known here.
pub(super) fn plan(policy: &PolicySpec, sizes: Sizes) -> Vec<PlannedPhase> {
    let phase = |round: u32, phase: Phase, work: Work, n: u64, per_unit: u64| PlannedPhase {
        key: PhaseKey::new(round, phase),
        work,
        n_pairs: Between::exactly(n as f64),
        pairs_per_unit: per_unit.max(1),
        may_end: false,
    };
    let mut phases = Vec::new();
    let sft = &policy.sft;
    if sft.epochs > 0 {
        let n = sizes.seed_set * u64::from(sft.epochs);
        phases.push(phase(0, Phase::Sft, Work::Train, n, u64::from(sft.batch_answers)));
    }
    let n_held_out = u64::from(policy.evaluate_prompts).min(sizes.test);
    let evaluate = |step: u32| phase(step, Phase::EvaluatePolicy, Work::Generate, n_held_out, 1);
    phases.push(evaluate(0));
    if policy.best_of > 0 {
        let n = n_held_out * u64::from(policy.best_of);
        phases.push(phase(0, Phase::BestOf, Work::Generate, n, 1));
    }
    let n_steps = if policy.objective.trains() { policy.steps } else { 0 };
    let n_answers = u64::from(policy.prompts_per_step) * u64::from(policy.answers);
    for step in 1..=n_steps {
        let mut n_learned = n_answers;
        if policy.objective.samples() {
            phases.push(phase(step, Phase::Sample, Work::Generate, n_answers, 1));
        } else {
            n_learned = 2 * u64::from(policy.prompts_per_step);
        }
        let n_updates = u64::from(policy.epochs) * u64::from(policy.mini_batches);
        let n_learned = n_learned * u64::from(policy.epochs);
        let per_unit = n_learned / n_updates.max(1);
        phases.push(phase(step, Phase::Update, Work::Train, n_learned, per_unit));
        if step == n_steps || step.is_multiple_of(policy.evaluate_every.max(1)) {
            phases.push(evaluate(step));
        }
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::settings::ObjectiveName;

    #[test]
    fn every_phase_stands_in_its_order_with_its_answers() {
        let sizes = Sizes { seed_set: 100, validation: 10, pool: 1000, test: 40 };
        let base = PolicySpec {
            steps: 3,
            evaluate_every: 2,
            best_of: 4,
            ..PolicySpec::of(ObjectiveName::Rloo)
        };
        let names = |policy: &PolicySpec| -> Vec<String> {
            let name = |it: &PlannedPhase| {
                format!("{} {} {}", it.key.round, it.key.phase.name(), it.n_pairs.likely)
            };
            plan(policy, sizes).iter().map(name).collect()
        };
        let want = [
            "0 sft 100",
            "0 evaluate_policy 40",
            "0 best_of 160",
            "1 sample 32",
            "1 update 32",
            "2 sample 32",
            "2 update 32",
            "2 evaluate_policy 40",
            "3 sample 32",
            "3 update 32",
            "3 evaluate_policy 40",
        ];
        assert_eq!(names(&base), want);
        let dpo = PolicySpec { steps: 1, best_of: 0, ..PolicySpec::of(ObjectiveName::Dpo) };
        assert_eq!(
            names(&dpo),
            ["0 sft 100", "0 evaluate_policy 40", "1 update 32", "1 evaluate_policy 40"]
        );
        let none = PolicySpec { best_of: 0, ..PolicySpec::of(ObjectiveName::BestOfN) };
        assert_eq!(names(&none), ["0 sft 100", "0 evaluate_policy 40"]);
    }
}
