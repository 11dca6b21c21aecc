//! The objectives against TRL's figures, by hand, and their derivatives against finite differences.

use serde_json::Value;

use super::super::advantage::leave_one_out;
use super::super::fixture::{all_close, cases, close, list, lists, number};
use super::super::metric::{Metrics, PolicyMetric};
use super::dpo::{Pair, PairTally, Sums, weight_of};
use super::rloo::penalized;
use super::*;

/// The bound of the issue; what is reached is printed (`--nocapture`).
const TOLERANCE: f64 = 1e-4;

/// Answers with their lists, as a batch holds them.
#[derive(Clone, Default)]
struct Batch {
    old: Vec<Vec<f64>>,
    reference: Vec<Vec<f64>>,
    new: Vec<Vec<f64>>,
    entropies: Vec<Vec<f64>>,
    advantages: Vec<f64>,
    token_advantages: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
    returns: Vec<Vec<f64>>,
    new_values: Vec<Vec<f64>>,
    counted: Vec<Vec<bool>>,
}

fn row<T>(rows: &[Vec<T>], i: usize) -> &[T] {
    rows.get(i).map_or(&[], Vec::as_slice)
}

impl Batch {
    fn taken(&self, i: usize) -> Taken<'_> {
        let whole = self.advantages.get(i).copied().unwrap_or_default();
        let tokens = self.token_advantages.get(i).map(|it| Advantage::Tokens(it));
        Taken {
            old: &self.old[i],
            reference: row(&self.reference, i),
            advantage: tokens.unwrap_or(Advantage::Answer(whole)),
            counted: row(&self.counted, i),
            values: row(&self.values, i),
            returns: row(&self.returns, i),
        }
    }

    fn run(&self, objective: &PolicyGradient) -> (Tally, Vec<Gradient>) {
        let all: Vec<Taken<'_>> = (0..self.old.len()).map(|i| self.taken(i)).collect();
        let totals = Totals::of(&all);
        let mut tally = Tally::default();
        let answer = |(i, taken): (usize, &Taken<'_>)| {
            let now = Now {
                log_probs: &self.new[i],
                entropies: row(&self.entropies, i),
                values: row(&self.new_values, i),
            };
            objective.answer(totals, taken, &now, &mut tally).unwrap()
        };
        let gradients = all.iter().enumerate().map(answer).collect();
        (tally, gradients)
    }
}

/// Compares the gradient with central differences of the loss, at every token and every state.
fn check_slopes(objective: &PolicyGradient, batch: &Batch) {
    const STEP: f64 = 1e-6;
    let (_, gradients) = batch.run(objective);
    let loss = |change: &dyn Fn(&mut Batch, f64), by: f64| {
        let mut moved = batch.clone();
        change(&mut moved, by);
        moved.run(objective).0.loss
    };
    for (i, gradient) in gradients.iter().enumerate() {
        for (token, slope) in gradient.log_probs.iter().enumerate() {
            let change = |batch: &mut Batch, by: f64| batch.new[i][token] += by;
            let found = (loss(&change, STEP) - loss(&change, -STEP)) / (2.0 * STEP);
            assert!((found - slope).abs() < 1e-7, "answer {i} token {token}: {found} {slope}");
        }
        for (state, slope) in gradient.values.iter().enumerate() {
            let change = |batch: &mut Batch, by: f64| batch.new_values[i][state] += by;
            let found = (loss(&change, STEP) - loss(&change, -STEP)) / (2.0 * STEP);
            assert!((found - slope).abs() < 1e-7, "answer {i} state {state}: {found} {slope}");
        }
    }
}

/// The metrics that a fixture names, each against ours; returns the largest error.
fn check_metrics(found: &Metrics, want: &Value) -> f64 {
    let compare = |(name, want): (&String, &Value)| {
        let metric: PolicyMetric = name.parse().unwrap();
        close(found[&metric], number(want), TOLERANCE, name)
    };
    want.as_object().unwrap().iter().map(compare).fold(0.0, f64::max)
}

fn clip_range(settings: &Value) -> ClipRange {
    let low = number(&settings["epsilon"]);
    ClipRange { low, high: settings["epsilon_high"].as_f64().unwrap_or(low) }
}

fn sampled(case: &Value) -> Batch {
    Batch {
        old: lists(&case["old"]),
        reference: lists(&case["reference"]),
        new: lists(&case["new"]),
        entropies: lists(&case["entropies"]),
        advantages: list(&case["advantages"]),
        ..Batch::default()
    }
}

/// Loss, gradient and metrics of a case; returns the largest error.
fn check_case(objective: &PolicyGradient, batch: &Batch, case: &Value) -> f64 {
    let name = case["name"].as_str().unwrap();
    let (tally, gradients) = batch.run(objective);
    let mut worst = close(tally.loss, number(&case["loss"]), TOLERANCE, name);
    for (gradient, want) in gradients.iter().zip(lists(&case["gradient"])) {
        worst = worst.max(all_close(&gradient.log_probs, &want, TOLERANCE, name));
    }
    check_slopes(objective, batch);
    worst.max(check_metrics(&objective.metrics(&tally), &case["metrics"]))
}

#[test]
fn rloo_is_that_of_trl() {
    for case in cases("rloo") {
        let settings = &case["settings"];
        let beta = number(&settings["beta"]);
        let mut batch = sampled(&case);
        // Rewards less the divergence, as they were before the fixture moved the sampling policy.
        let clip =
            settings["reward_clip_range"].as_array().map(|it| [0, 1].map(|i| number(&it[i])));
        let rewards: Vec<Option<f64>> = case["rewards"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(i, it)| {
                let reward = clip.map_or(it.as_f64()?, |[low, high]| number(it).clamp(low, high));
                let reference = row(&batch.reference, i).iter();
                let ratios: Vec<f64> =
                    batch.old[i].iter().zip(reference).map(|(a, b)| a - b).collect();
                Some(penalized(reward, &ratios, beta))
            })
            .collect();
        let normalize = settings["normalize_advantages"].as_bool().unwrap();
        let found = leave_one_out(&rewards, 4, normalize);
        let of_advantages = all_close(&found, &batch.advantages, TOLERANCE, "advantages");
        // RLOO keeps the sum alone: what the fixture moved it by goes to the first token.
        for (old, sum) in batch.old.iter_mut().zip(list(&case["old_sums"])) {
            old[0] += sum - old.iter().sum::<f64>();
        }
        let objective = PolicyGradient::Rloo(Rloo { clip: clip_range(settings) });
        let worst = check_case(&objective, &batch, &case).max(of_advantages);
        println!("rloo, {}: {worst:e}", case["name"]);
    }
}

#[test]
fn grpo_is_that_of_trl() {
    for case in cases("grpo") {
        let settings = &case["settings"];
        let objective = PolicyGradient::Grpo(Grpo {
            loss: serde_json::from_value(settings["loss_type"].clone()).unwrap(),
            clip: clip_range(settings),
            beta: number(&settings["beta"]),
            correct_kl: settings["use_bias_correction_kl"].as_bool().unwrap(),
            max_new_tokens: settings["max_completion_length"].as_u64().unwrap() as u32,
        });
        let worst = check_case(&objective, &sampled(&case), &case);
        println!("grpo, {}: {worst:e}", case["name"]);
    }
}

#[test]
fn ppo_is_that_of_trl() {
    for case in cases("ppo") {
        let settings = &case["settings"];
        let objective = PolicyGradient::Ppo(Ppo {
            clip: ClipRange::symmetric(number(&settings["cliprange"])),
            value_clip: number(&settings["cliprange_value"]),
            value_weight: number(&settings["vf_coef"]),
        });
        for pass in case["passes"].as_array().unwrap() {
            let rows: Vec<usize> = pass["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it.as_u64().unwrap() as usize)
                .collect();
            let taken = |name: &str| -> Vec<Vec<f64>> {
                let all = lists(&case[name]);
                rows.iter().map(|row| all[*row].clone()).collect()
            };
            let batch = Batch {
                old: taken("old"),
                token_advantages: taken("advantages"),
                values: taken("values"),
                returns: taken("returns"),
                new: lists(&pass["new"]),
                new_values: lists(&pass["new_values"]),
                ..Batch::default()
            };
            let (tally, gradients) = batch.run(&objective);
            let mut worst = close(tally.loss, number(&pass["loss"]), TOLERANCE, "loss");
            let rows =
                gradients.iter().zip(lists(&pass["gradient"])).zip(lists(&pass["value_gradient"]));
            for ((gradient, log_probs), values) in rows {
                worst =
                    worst.max(all_close(&gradient.log_probs, &log_probs, TOLERANCE, "gradient"));
                worst = worst.max(all_close(&gradient.values, &values, TOLERANCE, "of values"));
            }
            let metrics = objective.metrics(&tally);
            // TRL's means of ratio and square go over padding too, where they are 1 and 0.
            let n_tokens = batch.old.iter().map(Vec::len).sum::<usize>() as f64;
            let share =
                n_tokens / (case["width"].as_u64().unwrap() as usize * batch.old.len()) as f64;
            for (metric, found) in [
                ("policy_loss", metrics[&PolicyMetric::PolicyLoss]),
                ("value_loss", metrics[&PolicyMetric::ValueLoss]),
                ("pg_clipfrac", metrics[&PolicyMetric::PolicyClipFraction]),
                ("vf_clipfrac", metrics[&PolicyMetric::ValueClipFraction]),
                ("approxkl", metrics[&PolicyMetric::PolicyApproxKl] * share),
                ("ratio", metrics[&PolicyMetric::Ratio] * share + 1.0 - share),
            ] {
                worst = worst.max(close(found, number(&pass[metric]), TOLERANCE, metric));
            }
            println!("ppo, {}: {worst:e}", case["name"]);
            check_slopes(&objective, &batch);
        }
    }
}

#[test]
fn dpo_is_that_of_trl() {
    for case in cases("dpo") {
        let dpo = Dpo { beta: number(&case["beta"]) };
        let [chosen, rejected, weights] =
            ["chosen", "rejected", "weights"].map(|name| list(&case[name]));
        let [of_chosen, of_rejected] =
            ["reference_chosen", "reference_rejected"].map(|name| list(&case[name]));
        let n = chosen.len();
        let pair = |i: usize| Pair {
            chosen: Sums { new: chosen[i], reference: of_chosen[i] },
            rejected: Sums { new: rejected[i], reference: of_rejected[i] },
            weight: weights[i],
        };
        let mut tally = PairTally::default();
        let gradients: Vec<_> = (0..n).map(|i| dpo.pair(n, &pair(i), &mut tally)).collect();
        let flat: Vec<f64> = gradients
            .iter()
            .map(|it| it.chosen)
            .chain(gradients.iter().map(|it| it.rejected))
            .collect();
        let worst = all_close(&flat, &list(&case["gradient"]), TOLERANCE, "gradient")
            .max(close(tally.loss, number(&case["loss"]), TOLERANCE, "loss"))
            .max(check_metrics(&tally.metrics(), &case["metrics"]));
        println!("dpo, {}: {worst:e}", case["name"]);
        for (i, gradient) in gradients.iter().enumerate() {
            let loss = |by_chosen: f64, by_rejected: f64| {
                let mut moved = pair(i);
                moved.chosen.new += by_chosen;
                moved.rejected.new += by_rejected;
                let mut tally = PairTally::default();
                dpo.pair(n, &moved, &mut tally);
                tally.loss
            };
            let slopes = [
                (loss(1e-5, 0.0) - loss(-1e-5, 0.0)) / 2e-5,
                (loss(0.0, 1e-5) - loss(0.0, -1e-5)) / 2e-5,
            ];
            all_close(&[gradient.chosen, gradient.rejected], &slopes, 1e-6, "slope");
        }
    }
}

#[test]
fn a_pseudo_label_weighs_what_it_is_worth_on_average() {
    let dpo = Dpo { beta: 0.3 };
    let even = Sums { new: -2.0, reference: -2.0 };
    let moved = |weight: f64| {
        let pair = Pair { chosen: even, rejected: even, weight };
        dpo.pair(1, &pair, &mut PairTally::default()).chosen
    };
    // Right with probability .9, else the other answer is the better one.
    let on_average = 0.9 * moved(1.0) - 0.1 * moved(1.0);
    close(moved(weight_of(0.9)), on_average, 1e-12, "slope");
    assert_eq!([0.2, 0.5, 1.0].map(weight_of), [0.0, 0.0, 1.0]);
}

/// Two answers of two tokens and one of one, with ratios far from 1.
fn small() -> Batch {
    Batch {
        old: vec![vec![-1.0, -2.0], vec![-0.5, -1.5], vec![-3.0]],
        reference: vec![vec![-1.2, -1.8], vec![-0.4, -2.5], vec![-2.0]],
        new: vec![vec![-0.9, -2.6], vec![-0.6, -1.1], vec![-2.8]],
        advantages: vec![1.0, -2.0, 0.5],
        ..Batch::default()
    }
}

#[test]
fn a_loss_by_hand_for_each_weight_of_tokens() {
    // Without a clip in reach: sums of -A r of each answer.
    let clip = ClipRange::symmetric(9.0);
    let sums = [
        -(0.1_f64.exp() + (-0.6_f64).exp()),
        2.0 * ((-0.1_f64).exp() + 0.4_f64.exp()),
        -0.5 * 0.2_f64.exp(),
    ];
    for (loss, want) in [
        (GrpoLoss::Dapo, sums.iter().sum::<f64>() / 5.0),
        (GrpoLoss::Grpo, (sums[0] / 2.0 + sums[1] / 2.0 + sums[2]) / 3.0),
        (GrpoLoss::DrGrpo, sums.iter().sum::<f64>() / 24.0),
    ] {
        let objective = PolicyGradient::Grpo(Grpo {
            loss,
            clip,
            beta: 0.0,
            correct_kl: true,
            max_new_tokens: 8,
        });
        close(small().run(&objective).0.loss, want, 1e-12, "loss");
    }
}

#[test]
fn tokens_that_do_not_count_change_nothing() {
    let mut batch = small();
    batch.counted = vec![vec![true, false], vec![false, false], vec![true]];
    for objective in [
        PolicyGradient::Rloo(Rloo { clip: ClipRange::symmetric(0.2) }),
        PolicyGradient::Grpo(Grpo {
            loss: GrpoLoss::Grpo,
            clip: ClipRange::symmetric(0.2),
            beta: 0.1,
            correct_kl: true,
            max_new_tokens: 8,
        }),
        PolicyGradient::Grpo(Grpo {
            loss: GrpoLoss::Dapo,
            clip: ClipRange { low: 0.2, high: 0.28 },
            beta: 0.1,
            correct_kl: true,
            max_new_tokens: 8,
        }),
    ] {
        let (tally, gradients) = batch.run(&objective);
        let mut other = batch.clone();
        other.new[0][1] = 5.0;
        other.new[1] = vec![-9.0, -9.0];
        let (same, _) = other.run(&objective);
        assert_eq!((tally.loss, objective.metrics(&tally)), (same.loss, objective.metrics(&same)));
        assert_eq!(
            (gradients[0].log_probs[1], gradients[1].log_probs.as_slice()),
            (0.0, &[0.0; 2][..])
        );
        check_slopes(&objective, &batch);
    }
}

#[test]
fn a_batch_is_the_sum_of_its_answers_in_any_grouping() {
    let objective = PolicyGradient::Rloo(Rloo { clip: ClipRange::symmetric(0.2) });
    let batch = small();
    let (whole, gradients) = batch.run(&objective);
    let all: Vec<Taken<'_>> = (0..3).map(|i| batch.taken(i)).collect();
    let totals = Totals::of(&all);
    assert_eq!(totals, Totals { n_answers: 3, n_tokens: 5, n_states: 0 });
    let mut sum = 0.0;
    for (i, taken) in all.iter().enumerate() {
        let now = Now { log_probs: &batch.new[i], entropies: &[], values: &[] };
        let mut tally = Tally::default();
        let gradient = objective.answer(totals, taken, &now, &mut tally).unwrap();
        assert_eq!(gradient, gradients[i]);
        sum += tally.loss;
    }
    close(sum, whole.loss, 1e-12, "loss");
}

#[test]
fn at_the_sampling_policy_the_ratio_is_one() {
    let mut batch = small();
    batch.new = batch.old.clone();
    let objective = PolicyGradient::Rloo(Rloo { clip: ClipRange::symmetric(0.2) });
    let (tally, gradients) = batch.run(&objective);
    assert_eq!(objective.metrics(&tally)[&PolicyMetric::FarthestRatio], 0.0);
    // The mean of -A, and its derivative: that of A log p.
    close(tally.loss, 0.5 / 3.0, 1e-12, "loss");
    all_close(&gradients[1].log_probs, &[2.0 / 3.0; 2], 1e-12, "gradient");
}

#[test]
fn values_that_the_clip_holds_have_no_slope() {
    let ppo = Ppo { clip: ClipRange::symmetric(0.2), value_clip: 0.25, value_weight: 0.5 };
    let objective = PolicyGradient::Ppo(ppo);
    // Moved away from the return: not held. Moved toward it, beyond the clip: held. Inside: free. The
    // fourth is a tie of both.
    let batch = Batch {
        old: vec![vec![-1.0; 3]],
        new: vec![vec![-1.1, -0.8, -1.0]],
        token_advantages: vec![vec![1.0, -1.0, 2.0]],
        values: vec![vec![0.0, 0.0, 0.0, 0.0]],
        returns: vec![vec![-1.0, 2.0, 0.05, 0.625]],
        new_values: vec![vec![0.5, 0.5, 0.1, 1.0]],
        ..Batch::default()
    };
    let (tally, gradients) = batch.run(&objective);
    let share = 0.5 / 4.0;
    let want = [1.5 * share, 0.0, 0.05 * share, 0.5 * 0.375 * share];
    all_close(&gradients[0].values, &want, 1e-12, "slopes");
    close(objective.metrics(&tally)[&PolicyMetric::ValueClipFraction], 0.25, 1e-12, "held");
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    let ppo = PolicyGradient::Ppo(Ppo {
        clip: ClipRange::symmetric(0.2),
        value_clip: 0.2,
        value_weight: 0.1,
    });
    let batch = Batch { values: vec![vec![0.0; 2]], returns: vec![vec![0.0; 2]], ..small() };
    let totals = Totals::default();
    for (log_probs, values, expected) in [
        (&[-1.0][..], &[][..], "an answer of 2 tokens comes with 1 log-probabilities, not 2"),
        (&[-1.0, -1.0], &[0.0], "an answer of 2 tokens comes with 1 values, not 2 or 3"),
        (
            &[-1.0, -1.0],
            &[0.0; 3],
            "an answer of 2 tokens comes with 2 values when it was sampled, not 3",
        ),
    ] {
        let now = Now { log_probs, entropies: &[], values };
        let error = ppo.answer(totals, &batch.taken(0), &now, &mut Tally::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let grpo = PolicyGradient::Grpo(Grpo {
        loss: GrpoLoss::Dapo,
        clip: ClipRange::symmetric(0.2),
        beta: 0.1,
        correct_kl: true,
        max_new_tokens: 8,
    });
    let bare = Batch { reference: Vec::new(), ..small() };
    let now = Now { log_probs: &bare.new[0], entropies: &[], values: &[] };
    let error = grpo.answer(totals, &bare.taken(0), &now, &mut Tally::default()).unwrap_err();
    assert!(error.to_string().contains("0 log-probabilities of the reference, not 2"), "{error}");
}
