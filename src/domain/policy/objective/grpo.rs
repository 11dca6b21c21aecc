//! GRPO (Shao et al. 2024) as TRL 1.16 has it, with three ways to weigh the tokens.

use serde::{Deserialize, Serialize};

use super::answer::{Gradient, Now, Taken, Totals};
use super::surrogate::{ClipRange, surrogate};
use super::tally::Tally;
use crate::domain::policy::kl::Estimator;

/// What the sum over tokens is divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum GrpoLoss {
    /// The number of tokens of the batch: every token weighs the same (Yu et al. 2025, "DAPO").
    #[default]
    Dapo,
    /// The number of tokens of its answer, then the number of answers: tokens of long answers weigh
    /// less, so that a bad answer costs less the longer it is.
    Grpo,
    /// The longest length an answer may have, times the number of answers (Liu et al. 2025).
    DrGrpo,
}

/// The settings of GRPO's loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpo {
    pub loss: GrpoLoss,
    pub clip: ClipRange,
    /// Weight of the divergence from the reference ([`Estimator::K3`]) in the loss.
    pub beta: f64,
    /// Whether the divergence at a token is multiplied by the ratio to the policy that sampled it, so
    /// that it is that of the present policy (DeepSeek-AI 2025, "DeepSeek-V3.2", section 3.1; TRL's
    /// `use_bias_correction_kl`). At the first update of a step it changes the gradient alone.
    pub correct_kl: bool,
    /// Longest length of an answer in tokens; read by [`GrpoLoss::DrGrpo`] alone.
    pub max_new_tokens: u32,
}

impl Grpo {
    /// What a token of this answer is multiplied by.
    fn share(&self, totals: Totals, taken: &Taken<'_>) -> f64 {
        let n_answers = totals.n_answers.max(1) as f64;
        1.0 / match self.loss {
            GrpoLoss::Dapo => totals.n_tokens.max(1) as f64,
            GrpoLoss::Grpo => taken.n_counted().max(1) as f64 * n_answers,
            GrpoLoss::DrGrpo => f64::from(self.max_new_tokens.max(1)) * n_answers,
        }
    }

    /// The sum over tokens of `-min(r A, clip(r) A) + beta r k3` (`beta k3` uncorrected), each times its
    /// share.
    pub(super) fn answer(
        &self,
        totals: Totals,
        taken: &Taken<'_>,
        now: &Now<'_>,
        tally: &mut Tally,
    ) -> Gradient {
        let share = self.share(totals, taken);
        let mut log_probs = vec![0.0; taken.old.len()];
        let mut flags = Vec::with_capacity(log_probs.len());
        for token in (0..log_probs.len()).filter(|token| taken.counts(*token)) {
            let new = now.log_probs[token];
            let at = surrogate(new - taken.old[token], taken.advantage.at(token), self.clip);
            let (mut loss, mut slope) = (-at.value, -at.slope);
            if self.beta != 0.0 {
                let to_reference = new - taken.reference[token];
                let mut divergence = Estimator::K3.at(to_reference);
                let mut by_new = Estimator::K3.slope(to_reference);
                if self.correct_kl {
                    by_new = at.ratio * (by_new + divergence);
                    divergence *= at.ratio;
                }
                loss += self.beta * divergence;
                slope += self.beta * by_new;
                tally.divergence(divergence);
            }
            tally.loss += loss * share;
            log_probs[token] = slope * share;
            flags.push((at.is_low, at.is_high));
        }
        tally.clipped(flags);
        Gradient { log_probs, values: Vec::new() }
    }
}
