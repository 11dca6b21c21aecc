//! The results of the paper on its own data, shown beside the results measured here.
//!
//! Huang et al., *Self-Evolved Reward Learning for LLMs*, ICLR 2025 (arXiv 2411.00418). The figures are
//! test accuracies at the end of each loop, **read off the published figure** (the project page's
//! `experiment.png`) by hand, to about 0.3 points; the paper prints no table of them, no intervals and
//! a single run each.

/// Where the figures come from, for a line under a table.
pub const SOURCE: &str =
    "read off the paper's figure, to about 0.3 points; single runs, no intervals are given";

/// One panel of the figure: a model on a data set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperRow {
    /// Data set.
    pub data: &'static str,
    /// Model.
    pub model: &'static str,
    /// Test accuracy in percent with 15 % of the labels, then after loops 1, 2 and 3.
    pub rounds: [f64; 4],
    /// Test accuracy in percent with every label.
    pub full: f64,
}

impl PaperRow {
    /// Share of the way from the seed set to every label after the last loop.
    #[must_use]
    pub fn gap_closed(&self) -> f64 {
        let [seed, .., last] = self.rounds;
        (last - seed) / (self.full - seed)
    }
}

const HH: &str = "HH-RLHF";
const ULTRAFEEDBACK: &str = "UltraFeedback";
const SUMMARIZE: &str = "Summarize";

/// Every panel.
pub const ROWS: [PaperRow; 9] = [
    row(HH, "Llama-3 8B", [57.0, 61.2, 64.6, 68.6], 70.5),
    row(HH, "Mistral 7B", [56.0, 61.6, 64.1, 68.1], 68.0),
    row(HH, "Llama-2 13B", [59.3, 65.9, 68.3, 70.2], 71.1),
    row(ULTRAFEEDBACK, "Llama-3 8B", [63.4, 65.1, 66.9, 74.5], 73.9),
    row(ULTRAFEEDBACK, "Mistral 7B", [61.5, 67.6, 68.0, 70.0], 71.4),
    row(ULTRAFEEDBACK, "Llama-2 13B", [66.5, 71.0, 68.6, 73.1], 74.6),
    row(SUMMARIZE, "Llama-3 8B", [58.4, 63.0, 65.3, 68.4], 70.3),
    row(SUMMARIZE, "Mistral 7B", [55.9, 60.2, 62.5, 62.7], 64.1),
    row(SUMMARIZE, "Llama-2 13B", [62.9, 68.2, 68.1, 70.0], 71.0),
];

const fn row(data: &'static str, model: &'static str, rounds: [f64; 4], full: f64) -> PaperRow {
    PaperRow { data, model, rounds, full }
}

/// The panels for the data set that a source's name contains; empty for data that the paper does
/// not have.
#[must_use]
pub fn rows_for(source: &str) -> Vec<PaperRow> {
    let source = source.to_lowercase();
    let is_like = |words: &[&str]| words.iter().any(|word| source.contains(word));
    let data = if is_like(&["ultrafeedback", "ultra-feedback"]) {
        ULTRAFEEDBACK
    } else if is_like(&["summarize", "summarise", "tldr"]) {
        SUMMARIZE
    } else if is_like(&["hh-rlhf", "helpful", "harmless", "red-team"]) {
        HH
    } else {
        return Vec::new();
    };
    ROWS.into_iter().filter(|row| row.data == data).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panels_have_the_means_they_were_read_off_with() {
        // Means over the panels that were noted when the figure was read.
        let mean = |value: fn(&PaperRow) -> f64| ROWS.iter().map(value).sum::<f64>() / 9.0;
        assert!((mean(|row| row.rounds[3] - row.rounds[0]) - 9.4).abs() < 0.1);
        assert!((mean(|row| row.rounds[1] - row.rounds[0]) - 4.8).abs() < 0.1);
        assert!((mean(|row| row.rounds[3] - row.full) + 1.03).abs() < 0.05);
        assert!((mean(PaperRow::gap_closed) - 0.90).abs() < 0.02);
    }

    #[test]
    fn data_is_known_by_its_name() {
        let names = |source: &str| rows_for(source).len();
        assert_eq!(names("data/hh-rlhf/helpful-base/train.jsonl.gz"), 3);
        assert_eq!(rows_for("ultrafeedback_binarized")[0].data, ULTRAFEEDBACK);
        assert_eq!(names("embedded"), 0);
        assert_eq!(names("ukpconvarg1.jsonl"), 0);
    }
}
