//! Made-up policies for the tests of this module.

use crate::analysis::judging::{GameTexts, verdict_of};
use crate::domain::policy::best_of::{Measured, Point};
use crate::domain::policy::judging::{Matchup, Said};
use crate::domain::policy::metric::{Metrics, PolicyMetric as M};
use crate::domain::policy::record::{PolicyEvaluation, PolicyVerdict, RolloutAnswer};
use crate::domain::policy::sign::Sign;
use crate::domain::policy::win::{Share, WinRate};
use crate::domain::preference::PairId;
use crate::domain::run::{Liveness, RunKind, RunStatus, StopReason};
use crate::domain::stats::Interval;
use crate::spec::form;
use crate::store::judging::JudgedGame;
use crate::store::policy::{
    PolicyEvaluationRow, PolicyOutcomeRow, PolicySignRow, PolicyStepRow, Rollout, RolloutsOf,
};
use crate::store::rows::RunRow;

use super::fixtures::{finished_data, row, running_data};
use crate::tui::feed::data::RunData;
use crate::tui::feed::policy::{JudgingData, PolicyData, ShownAnswers, ShownGame};

const QUESTIONS: [&str; 4] = [
    "How do I get a wine stain out of a cotton shirt?",
    "What is 7 x 8?",
    "Name a river in France.",
    "Why is the sky blue?",
];

fn policy_row(status: RunStatus, liveness: Liveness) -> RunRow {
    let mut row = row(21, "ser-rloo-embedded-s1", status, liveness);
    row.kind = RunKind::Policy;
    (row.round, row.rounds_max) = (24, 40);
    row
}

fn of(mut data: RunData, row: RunRow, policy: PolicyData) -> RunData {
    let sets = ["policy.objective=rloo", "policy.reward=rkk85684", "policy.gold=oracle"];
    let sets = sets.map(str::to_owned);
    data.spec = form::check(None, &[], &sets).ok();
    data.detail.row = row;
    (data.rounds, data.loss, data.sampled) = (Vec::new(), Vec::new(), Vec::new());
    data.policy = Some(policy);
    data
}

fn measured(mean: f64, half: f64) -> Measured {
    Measured { mean, interval: Some(Interval { low: mean - half, high: mean + half }) }
}

fn answer(text: &str, reward: f64, gold: f64, n_tokens: u32) -> RolloutAnswer {
    RolloutAnswer {
        text: text.to_owned(),
        n_tokens,
        has_end: n_tokens < 32,
        reward: Some(reward),
        gold: Some(gold),
        advantage: Some(reward - 1.0),
        divergence: Some(0.04 * reward),
        is_vetoed: false,
    }
}

fn rollout(at: usize, answers: Vec<RolloutAnswer>) -> Rollout {
    Rollout {
        pair: PairId(100 + at as u32),
        prompt: format!("Human: {}\n\nAssistant:", QUESTIONS[at]),
        vetoed: vec![false; answers.len()],
        answers,
        is_prompt_vetoed: false,
    }
}

/// The answers that a step learned from.
pub fn of_step(step: u32) -> ShownAnswers {
    let rollouts = (0..QUESTIONS.len()).map(|at| {
        let answers = (0..4).map(|i| {
            let reward = 0.4 + 0.3 * f64::from(i) * (at as f64 + 1.0) - 0.2 * at as f64;
            let text = format!(
                "Blot it first, then rinse with {} cold water.",
                "plenty of ".repeat(i as usize)
            );
            answer(&text, reward, 0.7 - 0.1 * f64::from(i), 11 + 7 * i)
        });
        rollout(at, answers.collect())
    });
    let rollouts = rollouts.collect();
    ShownAnswers { of: RolloutsOf::Step(step), rollouts, reference: Vec::new(), earlier: None }
}

/// The answers to held-out prompts after so many steps.
pub fn of_evaluation(step: u32) -> ShownAnswers {
    let answers = |text: &str, reward| -> Vec<Rollout> {
        (0..QUESTIONS.len()).map(|at| rollout(at, vec![answer(text, reward, 0.55, 14)])).collect()
    };
    ShownAnswers {
        of: RolloutsOf::Evaluation(step),
        rollouts: answers("Cover the stain with salt first, then rinse it from the back.", 1.4),
        reference: answers("Cover it with salt, then rinse it.", 0.6),
        earlier: Some((step - 10, answers("Cover the stain with salt, then rinse it.", 1.1))),
    }
}

fn policy(n_steps: u32) -> PolicyData {
    let step = |step: u32| {
        let x = f64::from(step);
        let metrics = Metrics::from([
            (M::Reward, 0.6 + 0.03 * x + 0.05 * (x * 1.7).sin()),
            (M::GoldMean, 0.5 + 0.012 * x - 0.0005 * x * x),
            (M::ObjectiveKl, 0.01 * x),
            (M::Entropy, 1.4 - 0.02 * x),
            (M::MeanLength, 11.0 + 0.6 * x),
            (M::ClippedRatio, 0.01 * x),
        ]);
        PolicyStepRow { step, metrics, elapsed_ms: 9_000, has_rollouts: true }
    };
    let evaluation = |step: u32| {
        let x = f64::from(step);
        let evaluation = PolicyEvaluation {
            n_prompts: 64,
            proxy: Some(measured(0.6 + 0.03 * x, 0.12)),
            gold: Some(measured(0.5 + 0.012 * x - 0.0005 * x * x, 0.05)),
            divergence: Some(measured(0.012 * x, 0.01)),
            length: measured(11.0 + 0.6 * x, 1.0),
            clipped_ratio: 0.01 * x,
            n_without_reward: 0,
            n_without_gold: 0,
        };
        PolicyEvaluationRow { step, evaluation }
    };
    let best_of = |n: usize| Point {
        n,
        kl: crate::domain::policy::best_of::divergence(n),
        proxy: measured(0.6 + 0.4 * (n as f64).ln(), 0.1),
        gold: Some(measured(0.5 + 0.05 * (n as f64).ln(), 0.05)),
        gold_gain: None,
        win_rate: None,
        at_equal_length: None,
    };
    PolicyData {
        steps: (1..=n_steps).map(step).collect(),
        evaluations: (0..=n_steps / 10).map(|i| evaluation(i * 10)).collect(),
        signs: vec![PolicySignRow {
            sign: Sign::LengthUp,
            first_step: 17,
            last_step: n_steps,
            message:
                "answers grew from 11.6 to 23.0 tokens and the reward by 0.48, but gold by 0.02 \
                      (-0.03 to 0.07)"
                    .to_owned(),
        }],
        outcome: PolicyOutcomeRow {
            best_of: [1, 2, 4, 8, 16, 32, 64].map(best_of).to_vec(),
            ..PolicyOutcomeRow::default()
        },
        shown: Some(of_step(n_steps)),
        people: Vec::new(),
        opponents: Vec::new(),
        judging: None,
    }
}

/// A policy at work.
pub fn policy_at_work() -> RunData {
    of(running_data(), policy_row(RunStatus::Running, Liveness::Alive), policy(24))
}

/// A policy that waits at the gate of its newest step.
pub fn policy_at_gate() -> RunData {
    let mut data = policy_at_work();
    let before = running_data().detail.row.progress.unwrap();
    let row = &mut data.detail.row;
    (row.status, row.liveness) = (RunStatus::Paused, Liveness::Alive);
    let step = crate::domain::phase::Phase::Review;
    row.progress = Some(Box::new(crate::store::rows::ProgressRow { step, round: 24, ..*before }));
    data
}

/// A policy that was judged, after gold had fallen.
pub fn policy_finished() -> RunData {
    let mut row = policy_row(RunStatus::Finished, Liveness::NotExpected);
    row.stop_reason = Some(StopReason::GoldDropped);
    row.round = 30;
    let share =
        |share: f64| Share { share, interval: Interval { low: share - 0.1, high: share + 0.1 } };
    let mut policy = policy(30);
    policy.outcome.restored_to = Some(10);
    policy.outcome.verdict = Some(PolicyVerdict {
        step: 10,
        judge: "oracle".to_owned(),
        win_rate: WinRate {
            n_prompts: 64,
            n_games: 64,
            win: share(0.5),
            tie: share(0.2),
            loss: share(0.3),
            rate: share(0.6),
            p_value: 0.04,
        },
        at_equal_length: None,
    });
    policy.shown = Some(of_evaluation(30));
    of(finished_data(), row, policy)
}

/// The games of a finished policy against its reference, as many judged as `said` has.
pub fn policy_judged(said: &[Said]) -> RunData {
    let mut data = policy_finished();
    let matchup = Matchup { step: 10, other: None, other_step: 0 };
    let texts = |at: usize| GameTexts {
        pair: PairId(100 + at as u32),
        prompt: format!("Human: {}\n\nAssistant:", QUESTIONS[at]),
        own: answer("Cover the stain with salt first, then rinse it from the back.", 1.4, 0.55, 14),
        other: answer(
            if at == 1 {
                "Cover the stain with salt first, then rinse it from the back."
            } else {
                "Rinse it."
            },
            0.6,
            0.4,
            3,
        ),
    };
    let game = |at: usize| ShownGame {
        texts: texts(at),
        is_left: at.is_multiple_of(3),
        said: said.get(at).copied(),
    };
    let games: Vec<ShownGame> = (0..QUESTIONS.len()).map(game).collect();
    let judged: Vec<JudgedGame> = games
        .iter()
        .filter_map(|game| {
            Some(JudgedGame {
                matchup: matchup.clone(),
                pair: game.texts.pair,
                said: game.said?,
                is_left: game.is_left,
                reviewer: "anna".to_owned(),
            })
        })
        .collect();
    let texts: Vec<GameTexts> = games.iter().map(|game| game.texts.clone()).collect();
    let policy = data.policy.as_mut().unwrap();
    if !judged.is_empty() {
        policy.people = vec![verdict_of(matchup.clone(), None, &texts, &judged)];
    }
    policy.judging = Some(JudgingData { matchup, games });
    data
}
