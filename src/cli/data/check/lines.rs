//! A report as lines for people.

use crate::data::{CheckReport, Finding, TokenReport};
use crate::domain::stats::wilson_interval;
use crate::domain::text::words;

/// Validation pairs from which on their accuracy tells one model from another, in part.
const VALIDATION_ENOUGH: u64 = 50;

/// How little the validation pairs tell, where they are few.
fn few_line(n: u64) -> Option<String> {
    let half = wilson_interval(n / 2, n)?.half_width();
    (n < VALIDATION_ENOUGH).then(|| {
        format!(
            "note           {n} validation pairs tell an accuracy within {:.0} points: a larger \
             `data.seed_labels` gives more of them",
            half * 100.0
        )
    })
}

/// The numbers of a report, its notes and its findings.
pub fn report(report: &CheckReport, has_test: bool, ascii: bool) -> Vec<String> {
    let mut lines = vec![
        format!("source         {} ({})", report.source, report.format),
        format!("pairs          {}", words::count(report.n_pairs)),
        format!("groups         {}", words::count(report.n_groups)),
    ];
    if let Some(splits) = report.splits {
        let own = if has_test { "test source" } else { "test" };
        lines.push(format!(
            "split          seed set {}, validation {}, unlabeled pool {}, {own} {}",
            words::count(splits.seed_set),
            words::count(splits.validation),
            words::count(splits.unlabeled_pool),
            words::count(splits.test)
        ));
        lines.extend(few_line(splits.validation));
    }
    let lengths = [
        ("prompt", report.prompt_chars),
        ("chosen", report.chosen_chars),
        ("rejected", report.rejected_chars),
    ];
    lines.extend(lengths.map(|(name, l)| {
        let (median, p95, max) = (words::count(l.median), words::count(l.p95), words::count(l.max));
        format!(
            "{name:<13}  {:.0} characters (median {median}, 95th percentile {p95}, longest {max})",
            l.mean
        )
    }));
    lines.extend(bias_line(report));
    lines.extend(script_line(report));
    if let Some(tokens) = &report.tokens {
        token_lines(tokens, ascii, &mut lines);
    }
    note_lines(report, &mut lines);
    finding_lines(report, &mut lines);
    lines
}

fn bias_line(report: &CheckReport) -> Option<String> {
    let bias = report.length_bias;
    (bias.n_longer + bias.n_shorter > 0).then(|| {
        format!(
            "length bias    the longer answer is chosen in {} [{:.1}, {:.1}] of {} pairs of unequal length",
            words::percent(bias.share),
            bias.ci_low * 100.0,
            bias.ci_high * 100.0,
            words::count(bias.n_longer + bias.n_shorter)
        )
    })
}

fn script_line(report: &CheckReport) -> Option<String> {
    /// Scripts that are listed; `…` stands for the others.
    const SHOWN: usize = 6;
    let shown = report.scripts.iter().take(SHOWN);
    let shown: Vec<String> =
        shown.map(|s| format!("{} {}", s.script, words::percent(s.share))).collect();
    let more = if report.scripts.len() > SHOWN { ", …" } else { "" };
    (!shown.is_empty()).then(|| format!("scripts        {}{more}", shown.join(", ")))
}

fn token_lines(tokens: &TokenReport, ascii: bool, lines: &mut Vec<String>) {
    /// Columns of the longest bar of a histogram.
    const BAR_COLUMNS: f64 = 40.0;
    let l = tokens.lengths;
    lines.push(format!(
        "tokens         {:.0} (median {}, 95th percentile {}, longest {}); at {} tokens, the limit of {}, \
         {} pairs lose text, {} of an answer",
        l.mean,
        words::count(l.median),
        words::count(l.p95),
        words::count(l.max),
        words::count(tokens.max_tokens),
        tokens.model,
        words::count(tokens.n_truncated),
        words::count(tokens.n_answers_truncated)
    ));
    let most = tokens.histogram.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let mark = if ascii { "#" } else { "█" };
    for (below, n) in &tokens.histogram {
        let columns = (*n as f64 / most as f64 * BAR_COLUMNS).ceil() as usize;
        let (below, shown) = (words::count(*below), words::count(*n));
        lines.push(format!("  below {below:>7}  {shown:>9}  {}", mark.repeat(columns)));
    }
}

fn note_lines(report: &CheckReport, lines: &mut Vec<String>) {
    let left_out = report.splits.map_or(0, |splits| splits.left_out);
    let notes = [
        (report.n_repeated_prompts, "repeat an earlier prompt"),
        (report.n_fallback, "have dialogues that differ before the last answer"),
        (report.n_label_noise, "carry recorded label noise"),
        (report.n_margins, "carry a margin, which is not used"),
        (left_out, "stand in the test source too, and a run leaves them out of training"),
    ];
    let notes = notes.into_iter().filter(|(n, _)| *n > 0);
    lines.extend(notes.map(|(n, what)| format!("note           {} pairs {what}", words::count(n))));
    if report.leakage.n_not_compared > 0 {
        let n = words::count(report.leakage.n_not_compared);
        lines.push(format!("note           {n} prompts are not compared across splits"));
    }
    lines.extend(report.dropped.iter().map(|drop| {
        let at: Vec<String> = drop.first_records.iter().map(ToString::to_string).collect();
        let more = if drop.n > at.len() as u64 { ", …" } else { "" };
        format!(
            "left out       {} pairs: {} (record {}{more})",
            words::count(drop.n),
            drop.reason,
            at.join(", ")
        )
    }));
}

fn finding_lines(report: &CheckReport, lines: &mut Vec<String>) {
    for finding in &report.findings {
        let word = if finding.is_over { "warning" } else { "finding" };
        let Finding { n, of, share, what, consequence, .. } = finding;
        lines.push(format!(
            "{word:<13}  {} of {} ({}) {what}",
            words::count(*n),
            words::count(*of),
            words::percent(*share),
        ));
        if !finding.examples.is_empty() {
            let more = if *n > finding.examples.len() as u64 { ", …" } else { "" };
            let named: Vec<String> = finding
                .examples
                .iter()
                .map(|example| match &example.earlier {
                    Some(earlier) => format!("record {} as {earlier}", example.record),
                    None => format!("record {}", example.record),
                })
                .collect();
            lines.push(format!("  where        {}{more}", named.join(", ")));
        }
        if !consequence.is_empty() {
            lines.push(format!("  then         {consequence}"));
        }
    }
    lines.extend(report.leakage.examples.iter().map(|example| {
        let of = |file: &str| {
            if file.is_empty() { String::new() } else { format!(" of `{file}`") }
        };
        format!(
            "  near         record {}{} of the test part is {:.2} similar to record {}{}",
            example.test_record,
            of(&example.test_file),
            example.similarity,
            example.train_record,
            of(&example.train_file)
        )
    }));
}
