//! What people say of a policy's answers, beside what the judge of the run says of the same ones.

use std::collections::BTreeMap;

use crate::domain::policy::judging::{Matchup, Said};
use crate::domain::policy::record::RolloutAnswer;
use crate::domain::policy::win::{Comparison, Game, WinRate};
use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::store::judging::JudgedGame;
use crate::store::policy::{PolicyEvaluationRow, PolicyOutcomeRow, Rollout, RolloutsOf};
use crate::store::{Store, StoreError};

/// Two answers to one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct GameTexts {
    pub pair: PairId,
    pub prompt: String,
    /// The policy's.
    pub own: RolloutAnswer,
    /// The reference's, or the other policy's.
    pub other: RolloutAnswer,
}

impl GameTexts {
    /// Whether there is nothing to choose between: such a game is a tie that nobody need be asked about.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.own.text.trim() == self.other.text.trim()
    }

    /// How the game stands by the scores of the judge; `None` where one has none.
    #[must_use]
    pub fn by_gold(&self) -> Option<Game> {
        // Scores that are equal are a tie; any other difference is one.
        Some(Game::of(self.own.gold?, self.other.gold?, 0.0))
    }

    /// The game with this end.
    #[must_use]
    pub fn ended(&self, game: Game) -> Comparison {
        let length_difference = f64::from(self.own.n_tokens) - f64::from(self.other.n_tokens);
        Comparison { prompt: u64::from(self.pair.0), game, length_difference }
    }
}

/// What people made of one matchup.
#[derive(Debug, Clone, PartialEq)]
pub struct PeopleVerdict {
    pub matchup: Matchup,
    /// The name of the other policy; `None` is the reference.
    pub other: Option<String>,
    /// How many games each person judged or skipped.
    pub by_reviewer: BTreeMap<String, u64>,
    /// Prompts that both answered.
    pub n_prompts: u64,
    /// Games that somebody left out.
    pub n_skipped: u64,
    /// The games that count, each person's by itself.
    pub games: Vec<Comparison>,
    /// How the policy fares; `None` where nobody said anything that counts.
    pub win_rate: Option<WinRate>,
    /// The same prompts by the judge of the run.
    pub gold: Option<WinRate>,
    /// Of the games in which neither people nor judge saw a tie: in how many both named the same answer,
    /// and how many they are.
    pub agreement: [u64; 2],
}

/// The step whose weights a policy has: that of its last evaluation, unless it went back to an earlier one.
#[must_use]
pub fn judged_step(evaluations: &[PolicyEvaluationRow], outcome: &PolicyOutcomeRow) -> u32 {
    outcome.restored_to.or(evaluations.last().map(|it| it.step)).unwrap_or(0)
}

/// The games of a matchup in the order of the evaluation: prompts that both answered, with the same text
/// under the same number.
///
/// # Errors
/// When there is no such run, or its answers cannot be read.
pub fn games_of(
    store: &Store,
    run: &RunId,
    matchup: &Matchup,
) -> Result<Vec<GameTexts>, StoreError> {
    let own = store.rollouts(run, RolloutsOf::Evaluation(matchup.step))?;
    let other = matchup.other.as_ref().unwrap_or(run);
    let other = store.rollouts(other, RolloutsOf::Evaluation(matchup.other_step))?;
    let others: BTreeMap<u32, Rollout> = other.into_iter().map(|it| (it.pair.0, it)).collect();
    let game = |own: Rollout| {
        let other = others.get(&own.pair.0).filter(|other| other.prompt == own.prompt)?;
        let [own_answer, other_answer] = [own.answers.first()?, other.answers.first()?];
        Some(GameTexts {
            pair: own.pair,
            own: own_answer.clone(),
            other: other_answer.clone(),
            prompt: own.prompt,
        })
    };
    Ok(own.into_iter().filter_map(game).collect())
}

/// What people said of a policy, matchup by matchup.
///
/// # Errors
/// When there is no such run, or its answers cannot be read.
pub fn people_verdicts(store: &Store, run: &RunId) -> Result<Vec<PeopleVerdict>, StoreError> {
    let mut by_matchup: BTreeMap<Matchup, Vec<JudgedGame>> = BTreeMap::new();
    for judged in store.judged_games(run)? {
        by_matchup.entry(judged.matchup.clone()).or_default().push(judged);
    }
    let mut found = Vec::with_capacity(by_matchup.len());
    for (matchup, judged) in by_matchup {
        let other = matchup.other.as_ref().map(|it| store.run(it)).transpose()?;
        let games = games_of(store, run, &matchup)?;
        found.push(verdict_of(matchup, other.map(|it| it.row.name), &games, &judged));
    }
    Ok(found)
}

/// Counts what was said of the games of a matchup.
#[must_use]
pub fn verdict_of(
    matchup: Matchup,
    other: Option<String>,
    games: &[GameTexts],
    judged: &[JudgedGame],
) -> PeopleVerdict {
    let mut by_reviewer: BTreeMap<String, u64> = BTreeMap::new();
    let (mut counted, mut by_gold) = (Vec::new(), BTreeMap::new());
    let (mut n_skipped, mut agreement) = (0, [0, 0]);
    for JudgedGame { pair, said, reviewer, .. } in judged {
        *by_reviewer.entry(reviewer.clone()).or_default() += 1;
        let Some(texts) = games.iter().find(|it| it.pair == *pair) else { continue };
        let Some(game) = said.game() else {
            n_skipped += u64::from(*said == Said::Skip);
            continue;
        };
        counted.push(texts.ended(game));
        let Some(gold) = texts.by_gold() else { continue };
        by_gold.insert(pair.0, texts.ended(gold));
        if game != Game::Tie && gold != Game::Tie {
            agreement[0] += u64::from(game == gold);
            agreement[1] += 1;
        }
    }
    PeopleVerdict {
        matchup,
        other,
        by_reviewer,
        n_prompts: games.len() as u64,
        n_skipped,
        win_rate: WinRate::of(&counted),
        gold: WinRate::of(&by_gold.into_values().collect::<Vec<_>>()),
        games: counted,
        agreement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn game(pair: u32, own: (&str, f64), other: (&str, f64)) -> GameTexts {
        let answer = |(text, gold): (&str, f64)| RolloutAnswer {
            text: text.to_owned(),
            n_tokens: text.len() as u32,
            gold: Some(gold),
            ..RolloutAnswer::default()
        };
        let (own, other) = (answer(own), answer(other));
        GameTexts { pair: PairId(pair), prompt: format!("prompt {pair}"), own, other }
    }

    #[test]
    fn people_are_counted_beside_the_judge_on_the_same_prompts() {
        let games = [
            game(1, ("good", 1.0), ("bad", 0.0)),
            game(2, ("long winded", 0.0), ("short", 1.0)),
            game(3, ("same", 0.5), (" same ", 0.5)),
            game(4, ("unseen", 1.0), ("unseen too", 0.0)),
            game(5, ("skipped", 1.0), ("skipped too", 0.0)),
        ];
        let matchup = Matchup { step: 9, other: None, other_step: 0 };
        let judged = |pair, said, reviewer: &str| JudgedGame {
            matchup: matchup.clone(),
            pair: PairId(pair),
            said,
            is_left: true,
            reviewer: reviewer.to_owned(),
        };
        let said = [
            judged(1, Said::Win, "anna"),
            judged(2, Said::Win, "anna"),
            judged(3, Said::Tie, "anna"),
            judged(5, Said::Skip, "anna"),
            judged(1, Said::Loss, "bob"),
            judged(99, Said::Win, "bob"),
        ];
        assert!(games[2].is_same() && !games[0].is_same());
        let found = verdict_of(matchup.clone(), None, &games, &said);
        assert_eq!((found.n_prompts, found.n_skipped), (5, 1));
        assert_eq!(found.by_reviewer, BTreeMap::from([("anna".into(), 4), ("bob".into(), 2)]));
        let rate = found.win_rate.unwrap();
        // Prompt 1 is half won, 2 won, 3 tied.
        assert_eq!((rate.n_prompts, rate.n_games), (3, 4));
        assert!((rate.rate.share - (0.5 + 1.0 + 0.5) / 3.0).abs() < 1e-12);
        let gold = found.gold.unwrap();
        assert_eq!((gold.n_prompts, gold.n_games), (3, 3));
        assert!((gold.rate.share - 0.5).abs() < 1e-12);
        assert_eq!(found.agreement, [1, 3], "of games 1 (anna), 2 and 1 (bob)");
        assert_eq!(found.games[1].length_difference, 6.0);
        assert!(verdict_of(matchup, None, &games, &[]).win_rate.is_none());
    }
}
