//! What the policy screen shows: the steps and evaluations of a run, what was seen of them, and the
//! answers of one place in it.

use std::collections::BTreeMap;

use crate::analysis::judging::{GameTexts, PeopleVerdict, games_of, judged_step, people_verdicts};
use crate::domain::policy::judging::{Matchup, Said, is_left, order_key};
use crate::domain::run::RunId;
use crate::domain::text::clean::{clean_line, clean_text};
use crate::store::judging::Opponent;
use crate::store::policy::{
    PolicyEvaluationRow, PolicyOutcomeRow, PolicySignRow, PolicyStepRow, Rollout, RolloutsOf,
};
use crate::store::{Store, StoreError};

use super::clean::shortened;

/// Which answers are wanted; `None` follows the newest step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers(pub Option<RolloutsOf>);

/// Whose games a person judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgingInterest {
    pub matchup: Matchup,
    pub reviewer: String,
}

/// The games of a matchup.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgingData {
    pub matchup: Matchup,
    /// In the order in which this person sees them.
    pub games: Vec<ShownGame>,
}

/// One game as a person sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownGame {
    pub texts: GameTexts,
    /// Whether the policy's answer stands on the left.
    pub is_left: bool,
    /// What this person said of it.
    pub said: Option<Said>,
}

/// A policy run as far as it has come.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyData {
    /// Its steps, in order; the last one can be under way.
    pub steps: Vec<PolicyStepRow>,
    pub evaluations: Vec<PolicyEvaluationRow>,
    pub signs: Vec<PolicySignRow>,
    pub outcome: PolicyOutcomeRow,
    /// The answers asked for, where there are any.
    pub shown: Option<ShownAnswers>,
    /// What people said of its answers, blind; read where answers are.
    pub people: Vec<PeopleVerdict>,
    /// Other policies that were asked prompts of the same source; read where answers are.
    pub opponents: Vec<Opponent>,
    /// What is judged, where something is.
    pub judging: Option<JudgingData>,
}

/// The answers of one place, and those to be read beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownAnswers {
    pub of: RolloutsOf,
    pub rollouts: Vec<Rollout>,
    /// The reference's answers to the same prompts; empty for a step, whose prompts it never sees.
    pub reference: Vec<Rollout>,
    /// The answers of the evaluation before, and the steps that were taken then.
    pub earlier: Option<(u32, Vec<Rollout>)>,
}

impl PolicyData {
    /// Reads a policy run; its answers only where a screen shows them.
    pub fn read(
        store: &Store,
        run: &RunId,
        answers: Option<Answers>,
        judging: Option<&JudgingInterest>,
    ) -> Result<Self, StoreError> {
        let mut data = Self {
            steps: store.policy_steps(run)?,
            evaluations: store.policy_evaluations(run)?,
            signs: store.policy_signs(run)?,
            outcome: store.policy_outcome(run)?,
            shown: None,
            people: Vec::new(),
            opponents: Vec::new(),
            judging: None,
        };
        for sign in &mut data.signs {
            sign.message = clean_line(&sign.message);
        }
        if let Some(verdict) = &mut data.outcome.verdict {
            verdict.judge = clean_line(&verdict.judge);
        }
        let Some(Answers(asked)) = answers else { return Ok(data) };
        data.people = people_verdicts(store, run)?.into_iter().map(clean_verdict).collect();
        data.opponents = store.opponents(run)?;
        for opponent in &mut data.opponents {
            opponent.name = clean_line(&opponent.name);
        }
        data.judging = judging.map(|interest| read_games(store, run, interest)).transpose()?;
        // What a resumed run takes again is not there for a while.
        let asked = asked.filter(|of| data.has(*of));
        if let Some(of) = asked.or_else(|| data.newest()) {
            data.shown = Some(data.read_answers(store, run, of)?);
        }
        Ok(data)
    }

    fn read_answers(
        &self,
        store: &Store,
        run: &RunId,
        of: RolloutsOf,
    ) -> Result<ShownAnswers, StoreError> {
        let read = |of| -> Result<Vec<Rollout>, StoreError> {
            Ok(store.rollouts(run, of)?.into_iter().map(clean_rollout).collect())
        };
        let rollouts = read(of)?;
        let (mut reference, mut earlier) = (Vec::new(), None);
        if let RolloutsOf::Evaluation(step) = of {
            let before = self.evaluations.iter().rev().find(|it| it.step < step);
            if let Some(before) = before {
                reference = read(RolloutsOf::Evaluation(0))?;
                if before.step > 0 {
                    earlier = Some((before.step, read(RolloutsOf::Evaluation(before.step))?));
                }
            }
        }
        Ok(ShownAnswers { of, rollouts, reference, earlier })
    }

    /// Steps whose answers can be read, in order.
    pub fn readable_steps(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.steps.iter().filter(|step| step.has_rollouts).map(|step| step.step)
    }

    /// The newest step whose answers can be read; of a policy that samples nothing to learn from, the newest
    /// evaluation.
    pub fn newest(&self) -> Option<RolloutsOf> {
        let step = self.readable_steps().next_back().map(RolloutsOf::Step);
        step.or_else(|| self.evaluations.last().map(|it| RolloutsOf::Evaluation(it.step)))
    }

    /// The step whose weights the policy has, or had last.
    pub fn judged_step(&self) -> u32 {
        judged_step(&self.evaluations, &self.outcome)
    }

    /// Whether there are answers of this place.
    pub fn has(&self, of: RolloutsOf) -> bool {
        match of {
            RolloutsOf::Step(step) => self.readable_steps().any(|it| it == step),
            RolloutsOf::Evaluation(step) => self.evaluations.iter().any(|it| it.step == step),
        }
    }
}

/// The games of a matchup in the order in which a person sees them, with what they have said.
fn read_games(
    store: &Store,
    run: &RunId,
    interest: &JudgingInterest,
) -> Result<JudgingData, StoreError> {
    let JudgingInterest { matchup, reviewer } = interest;
    let judged = store.judged_games(run)?;
    let mine = judged.iter().filter(|it| it.matchup == *matchup && it.reviewer == *reviewer);
    let said: BTreeMap<u32, Said> = mine.map(|it| (it.pair.0, it.said)).collect();
    let mut games = games_of(store, run, matchup)?;
    games.sort_by_key(|it| order_key(run, matchup, reviewer, it.pair));
    let shown = |mut texts: GameTexts| {
        for text in [&mut texts.prompt, &mut texts.own.text, &mut texts.other.text] {
            *text = clean_text(&shortened(text));
        }
        let is_left = is_left(run, matchup, reviewer, texts.pair);
        ShownGame { is_left, said: said.get(&texts.pair.0).copied(), texts }
    };
    Ok(JudgingData { matchup: matchup.clone(), games: games.into_iter().map(shown).collect() })
}

fn clean_verdict(mut verdict: PeopleVerdict) -> PeopleVerdict {
    verdict.other = verdict.other.as_deref().map(clean_line);
    let people = std::mem::take(&mut verdict.by_reviewer).into_iter();
    verdict.by_reviewer = people.map(|(name, n)| (clean_line(&name), n)).collect();
    verdict
}

/// Answers whose texts are safe to show.
pub fn clean_rollout(mut rollout: Rollout) -> Rollout {
    rollout.prompt = clean_text(&shortened(&rollout.prompt));
    for answer in &mut rollout.answers {
        answer.text = clean_text(&shortened(&answer.text));
    }
    rollout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::RunEvent;
    use crate::domain::policy::best_of::Measured;
    use crate::domain::policy::metric::{Metrics, PolicyMetric};
    use crate::domain::policy::record::{PolicyEvaluation, RolloutAnswer, RolloutPrompt};
    use crate::store::testing;

    fn prompts(text: &str) -> Vec<RolloutPrompt> {
        let answer = RolloutAnswer { text: text.to_owned(), ..RolloutAnswer::default() };
        vec![RolloutPrompt { pair: 3, answers: vec![answer] }]
    }

    fn evaluated(step: u32) -> RunEvent {
        let evaluation = PolicyEvaluation {
            n_prompts: 1,
            proxy: None,
            gold: None,
            divergence: None,
            length: Measured { mean: 2.0, interval: None },
            clipped_ratio: 0.0,
            n_without_reward: 0,
            n_without_gold: 0,
        };
        RunEvent::PolicyEvaluated { step, evaluation, prompts: prompts(&format!("after {step}")) }
    }

    #[test]
    fn the_newest_step_is_followed_and_evaluations_bring_what_came_before() {
        let mut fixture = testing::store();
        let run = fixture.run("policy");
        let attempt = fixture.begin(&run);
        let step = |step| RunEvent::RolloutsSampled { step, prompts: prompts("\x1b[2Jred") };
        let metrics = Metrics::from([(PolicyMetric::Reward, 0.5)]);
        let taken = RunEvent::PolicyStepTaken { step: 1, metrics, elapsed_ms: 4 };
        let events = vec![evaluated(0), step(1), taken, evaluated(1), step(2), evaluated(2)];
        fixture.apply(&run, attempt, events);
        let read = |answers| PolicyData::read(&fixture.store, &run, answers, None).unwrap();
        assert_eq!(read(None).shown, None);
        let shown = read(Some(Answers(None))).shown.unwrap();
        assert_eq!(shown.of, RolloutsOf::Step(2));
        assert!(shown.reference.is_empty());
        assert_eq!(shown.rollouts[0].answers[0].text, "⟨ESC⟩[2Jred");
        let shown = read(Some(Answers(Some(RolloutsOf::Evaluation(2))))).shown.unwrap();
        assert_eq!(shown.reference[0].answers[0].text, "after 0");
        let (step, earlier) = shown.earlier.unwrap();
        assert_eq!((step, earlier[0].answers[0].text.as_str()), (1, "after 1"));
        let gone = read(Some(Answers(Some(RolloutsOf::Step(9))))).shown.unwrap();
        assert_eq!(gone.of, RolloutsOf::Step(2), "what is not there is the newest");
    }
}
