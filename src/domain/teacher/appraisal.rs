//! What held-out human pairs say about a teacher: its temperature, calibration and certificate.

use super::folds::margin_scale;
use super::lesson::{Evidence, Lesson};
use crate::domain::metrics::calibration::{CalibrationReport, fit_temperature};
use crate::domain::preference::PairFacts;
use crate::domain::preference::PairId;
use crate::domain::selection::risk::{Certificate, HeldOutPair, certify};
use crate::domain::selection::{Policy, Ranking, Rule};
use crate::domain::spec::CalibrationName;

/// What held-out human pairs say about a teacher.
#[derive(Debug, Clone, PartialEq)]
pub struct Appraisal {
    /// What margins are divided by before they become probabilities.
    pub temperature: f64,
    /// How well calibrated the probabilities are; `None` without held-out pairs.
    pub report: Option<CalibrationReport>,
    /// Which share of the pool has few wrong labels, where the rule asks.
    pub certificate: Option<Certificate>,
    /// The held-out pairs with their ranks among the pool: validation pairs, then seed pairs.
    pub held_out: Vec<HeldOutPair>,
    /// Root mean square of the teacher's margins over the pool.
    pub scale: f64,
}

impl Appraisal {
    /// Appraises a teacher. `facts` looks up what is known of a pair's texts.
    pub fn of(
        lesson: &Lesson,
        evidence: &Evidence<'_>,
        policy: &Policy,
        calibration: CalibrationName,
        facts: impl Fn(PairId) -> PairFacts,
    ) -> Self {
        let pool_facts: Vec<PairFacts> =
            lesson.scores.iter().map(|score| facts(score.pair)).collect();
        let ranking = Ranking::new(&lesson.scores, &pool_facts, policy.longer_strata);
        let held_out = lesson.held_out(evidence, &ranking, facts);
        let temperature = match calibration {
            CalibrationName::None => 1.0,
            CalibrationName::Temperature => fit_temperature(&lesson.margins),
        };
        let certificate = match policy.rule {
            Rule::Risk { target, .. } => Some(certify(&held_out, target)),
            _ => None,
        };
        Self {
            temperature,
            report: CalibrationReport::of(&lesson.margins, temperature),
            certificate,
            held_out,
            scale: margin_scale(&lesson.scores),
        }
    }

    /// Returns the seed pairs, which stand after `n_validation` others, in units of the teacher's
    /// scale; `None` where all margins of the pool are 0.
    #[must_use]
    pub fn seed_pairs(&self, n_validation: usize) -> Option<Vec<HeldOutPair>> {
        let unscaled =
            |pair: &HeldOutPair| HeldOutPair { margin: pair.margin / self.scale, ..*pair };
        (self.scale > 0.0).then(|| self.held_out.iter().skip(n_validation).map(unscaled).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pseudo_label::PairScore;
    use crate::domain::selection::risk::RiskTarget;
    use crate::domain::spec::{Amount, RewardOffset, TeacherName};

    fn policy(rule: Rule) -> Policy {
        Policy { rule, relabel: true, reward_offset: RewardOffset::None, longer_strata: false }
    }

    /// Appraises a model with margins of 2 on pool pairs, right on `n_right` of 80 validation pairs.
    fn appraised(n_right: usize, rule: Rule, calibration: CalibrationName) -> Appraisal {
        let ids = |range: std::ops::Range<u32>| -> Vec<PairId> { range.map(PairId).collect() };
        let (pool, validation) = (ids(0..4), ids(100..180));
        let margins: Vec<f32> = (0..80).map(|i| if i < n_right { 4.0 } else { -4.0 }).collect();
        let evidence = Evidence {
            round: 1,
            rng_seed: 3,
            teacher: TeacherName::Model,
            n_folds: 0,
            pool: &pool,
            validation: &validation,
            margins: &margins,
            folds: None,
            teacher_before: None,
            pool_before: &[],
        };
        let score = |pair: &PairId| PairScore { pair: *pair, reward_a: 2.0, reward_b: 0.0 };
        let lesson = Lesson::new(pool.iter().map(score).collect(), &evidence);
        Appraisal::of(&lesson, &evidence, &policy(rule), calibration, |_| PairFacts::default())
    }

    #[test]
    fn a_temperature_is_fitted_only_where_it_is_asked_for() {
        let plain = appraised(60, Rule::All, CalibrationName::None);
        assert_eq!((plain.temperature, plain.scale), (1.0, 2.0));
        let cooled = appraised(60, Rule::All, CalibrationName::Temperature);
        // Right three times in four: 4 / T = logit(.75) = ln 3.
        assert!((4.0 / cooled.temperature - 3.0_f64.ln()).abs() < 0.02, "{}", cooled.temperature);
        assert!(cooled.report.unwrap().ece_after < plain.report.unwrap().ece_after);
    }

    #[test]
    fn only_risk_asks_for_a_certificate() {
        let gate = Amount::Count(1);
        let risk = Rule::Risk { target: RiskTarget { max_error: 0.2, certainty: 0.9 }, gate };
        for (n_right, rule, expected) in [
            (80, risk, Some(true)),
            (60, risk, Some(false)),
            (80, Rule::TopShare { share: 0.5, gate }, None),
            (80, Rule::All, None),
        ] {
            let certificate = appraised(n_right, rule, CalibrationName::None).certificate;
            assert_eq!(certificate.map(|it| it.is_certified), expected, "{n_right} {rule:?}");
        }
    }

    #[test]
    fn seed_pairs_come_back_in_units_of_the_scale() {
        let mut appraisal = appraised(80, Rule::All, CalibrationName::None);
        appraisal.held_out.push(HeldOutPair { margin: -3.0, rank: 0.5 });
        let expected = HeldOutPair { margin: -1.5, rank: 0.5 };
        assert_eq!(appraisal.seed_pairs(80), Some(vec![expected]));
        appraisal.scale = 0.0;
        assert_eq!(appraisal.seed_pairs(80), None);
    }
}
