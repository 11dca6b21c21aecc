//! UltraFeedback (Cui et al., 2023): an instruction and four completions with ratings.
//!
//! `completions[]` hold `response`, `annotations.{instruction_following, honesty, truthfulness,
//! helpfulness}.Rating` (texts, `"N/A"` among them), and in the copy on the Hub `overall_score` and
//! `fine-grained_score`. Pairs are made by the mean of the ratings, or by the overall score.

use super::ranking;
use super::texts::{Found, Read, Said};
use crate::data::drop_reason::DropReason;
use crate::data::json::{Json, list, text};

const ASPECTS: [&str; 4] = ["instruction_following", "honesty", "truthfulness", "helpfulness"];

/// By which number completions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The mean of the ratings that are numbers.
    MeanRating,
    /// `overall_score`.
    Overall,
}

/// Whether a record is one of UltraFeedback.
pub(super) fn fits(record: &Json<'_>) -> bool {
    let first = record.get("completions").as_list().and_then(<[_]>::first);
    record.get("instruction").as_text().is_some()
        && first.is_some_and(|completion| {
            completion.has("response")
                && ["annotations", "overall_score", "fine-grained_score"]
                    .iter()
                    .any(|key| completion.has(key))
        })
}

pub(super) fn read(record: &Json<'_>, by: By, cap: usize, out: &mut Vec<Found>) -> Read {
    let instruction = text(record, "instruction")?;
    let completions = list(record, "completions")?;
    let answers = completions
        .iter()
        .map(|completion| text(completion, "response").map(Said::of))
        .collect::<Result<Vec<_>, _>>()?;
    let scores: Vec<_> = completions.iter().map(|completion| score(completion, by)).collect();
    let order = |i: usize, j: usize| {
        let (a, b): (f64, f64) = (scores[i]?, scores[j]?);
        Ok(a.total_cmp(&b))
    };
    ranking::pair_up(&Said::of(instruction), &answers, cap, order, out);
    Ok(())
}

fn score(completion: &Json<'_>, by: By) -> Result<f64, DropReason> {
    let mean = mean_rating(completion);
    match by {
        By::MeanRating => mean.ok_or(DropReason::Unrated),
        By::Overall => {
            let overall = completion.get("overall_score").as_number().ok_or(DropReason::Unrated)?;
            // 2,628 completions of the copies before 29 December 2023 say 10 where 1 was meant
            // (UltraFeedback's own note; found by Argilla).
            if overall == 10.0 && mean.is_some_and(|mean| mean <= 2.0) {
                return Err(DropReason::SuspectScore);
            }
            Ok(overall)
        }
    }
}

fn mean_rating(completion: &Json<'_>) -> Option<f64> {
    let annotations = completion.get("annotations");
    let ratings: Vec<f64> = ASPECTS
        .iter()
        .filter_map(|aspect| annotations.get(aspect).get("Rating").as_number())
        .collect();
    if ratings.is_empty() {
        return completion.get("fine-grained_score").as_number();
    }
    Some(ratings.iter().sum::<f64>() / ratings.len() as f64)
}
