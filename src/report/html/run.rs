//! The page of one run.

use std::fmt::Write as _;

use crate::analysis::{ComparedRun, Comparison};
use crate::domain::event::SelectionSummary;
use crate::domain::metrics::Evaluation;
use crate::domain::preference::Side;
use crate::domain::told;
use crate::domain::verdict::Verdict;
use crate::report::curve::{CurveAxis, CurveMetric, curve, round_starts};
use crate::report::listing::verdicts::agreement_line;
use crate::report::run::{status, timestamp};
use crate::report::words::{duration, setting_value, share};
use crate::store::best_round;
use crate::store::rows::{RoundRow, SampledPair};

use super::chart::{Range, Series, curves, histogram, marked_curves, sign};
use super::element::{NONE, card, count, line, maybe, percent, table, text};
use super::parts::{RunPart, figures, p_value, test_reliability};

/// Columns of a histogram.
const N_COLUMNS: usize = 50;

/// Everything about a run.
pub fn page(comparison: &Comparison, run: &ComparedRun, part: &RunPart) -> String {
    let row = &run.row;
    let mut out = format!("<h1>{}</h1>\n", line(&row.name));
    out.push_str(&lead(run, part));
    out.push_str(&cards(run, part));
    out.push_str("<h2>Round by round</h2>\n");
    let _ = writeln!(
        out,
        "<ul class=\"legend\"><li>{}test accuracy</li><li>{}validation accuracy</li>\
         <li>{}pseudo-label precision</li><li>{}coverage of the pool</li></ul>",
        sign(0),
        sign(1),
        sign(2),
        sign(3)
    );
    out.push_str(&round_charts(run));
    out.push_str(&rounds_table(&run.rounds));
    out.push_str(&confidence(run));
    out.push_str(&audit(run, part));
    out.push_str(&samples(&part.samples));
    out.push_str(&settings(comparison));
    out
}

/// What the run is, in a line.
pub fn lead(run: &ComparedRun, part: &RunPart) -> String {
    let row = &run.row;
    let times = [timestamp(row.created_at_ms), row.finished_at_ms.and_then(timestamp)];
    let mut parts = vec![
        format!("run {}", row.id),
        format!("arm {}", row.arm),
        format!("random seed {}", row.rng_seed),
        status(row).to_owned(),
    ];
    parts.extend(part.detail.model.clone());
    parts.push(format!("data {}", row.facts.source));
    parts.extend(times[0].as_ref().map(|time| format!("begun {}", minutes(time))));
    let note = &row.annotation.note;
    let note = if note.is_empty() { String::new() } else { format!("<p>{}</p>", text(note)) };
    format!("<p class=\"lead\">{}</p>\n{note}", line(&parts.join(" · ")))
}

/// `2026-01-31 12:30 UTC` of an ISO 8601 time.
fn minutes(time: &str) -> String {
    format!("{} UTC", time.get(..16).unwrap_or(time).replace('T', " "))
}

fn interval(evaluation: &Evaluation) -> String {
    format!("[{}, {}]", percent(evaluation.ci_low), percent(evaluation.ci_high))
}

fn cards(run: &ComparedRun, part: &RunPart) -> String {
    let mut out = String::from("<div class=\"cards\">");
    if let Some(round) = run.compared_round()
        && let Some(test) = &round.test
    {
        let what = format!("test accuracy, round {}", round.round);
        let detail = format!("{} of {} pairs", interval(test), count(test.n));
        out.push_str(&card(&format!("{} %", percent(test.accuracy)), &what, &detail));
    }
    if let Some(change) = &part.change {
        let points = |share: f64| format!("{:+.1}", 100.0 * share);
        let interval = change.interval;
        let detail = format!(
            "[{}, {}], paired; McNemar p {}",
            points(interval.low),
            points(interval.high),
            p_value(change.p_value)
        );
        let what = "points since round 0, the seed set alone";
        out.push_str(&card(&points(change.difference), what, &detail));
    }
    if let Some(best) = best_round(&run.rounds) {
        out.push_str(&card(&format!("round {best}"), "best by validation accuracy", ""));
    }
    if let Some(sizes) = &part.detail.sizes {
        let labels = sizes.n_seed_set + sizes.n_validation;
        let detail = format!("{} pool pairs without", count(sizes.n_unlabeled_pool));
        out.push_str(&card(&count(labels), "human labels", &detail));
    }
    if let Some(selection) = run.selection_round().and_then(|round| round.selection.as_ref()) {
        let precision = maybe(selection.pseudo_label_precision, |it| format!("{} %", percent(it)));
        let by_origin: Vec<String> = (selection.by_origin.iter().flat_map(|it| it.parts()))
            .map(|(name, of)| {
                (name, maybe(of.pseudo_label_precision, |it| format!("{} %", percent(it))))
            })
            .map(|(name, precision)| format!(", {name} {precision}"))
            .collect();
        let n_selected = count(selection.n_selected);
        let detail = format!("of {n_selected} in the latest selection{}", by_origin.concat());
        out.push_str(&card(&precision, "pseudo-labels right", &detail));
    }
    out + "</div>\n"
}

fn series(run: &ComparedRun, metric: CurveMetric, style: usize) -> Series {
    Series { points: curve(run, metric, CurveAxis::Round), style }
}

/// Draws validation and test accuracy by round.
pub fn accuracy_chart(run: &ComparedRun) -> Option<String> {
    let accuracy = [
        series(run, CurveMetric::ValidationAccuracy, 1),
        series(run, CurveMetric::TestAccuracy, 0),
    ];
    curves("Accuracy", "round", &accuracy, Range::Shares)
}

/// Draws how many pseudo-labels are right and how many pairs are kept, by round.
pub fn label_chart(run: &ComparedRun) -> Option<String> {
    let labels = [series(run, CurveMetric::Precision, 2), series(run, CurveMetric::Coverage, 3)];
    curves("Pseudo-labels", "round", &labels, Range::AllShares)
}

/// Draws the training loss by optimizer step, with a mark where each later round begins.
pub fn loss_chart(run: &ComparedRun) -> Option<String> {
    let starts = round_starts(&run.rounds, &run.loss).into_iter();
    let marks: Vec<_> =
        starts.map(|(round, step)| (step as f64, format!("round {round}"))).collect();
    let loss = [series(run, CurveMetric::Loss, 4)];
    marked_curves("Training loss", "optimizer step", &loss, Range::Values, &marks)
}

fn round_charts(run: &ComparedRun) -> String {
    figures(&[
        (
            accuracy_chart(run),
            "With 95 % Wilson intervals. Rounds share their test pairs, so that a difference may be sure \
             where intervals overlap.",
        ),
        (
            label_chart(run),
            "Share of the selected labels that agree with the hidden human ones, and share of the \
             pool that was selected.",
        ),
        (loss_chart(run), "Mean of each bucket of steps, with its smallest and largest value."),
        (test_reliability(run), RELIABILITY),
    ])
}

const RELIABILITY: &str = "Each disc is a bin of test pairs, its area their number; on the dashed line \
    a confidence of .8 is right four times in five.";

fn rounds_table(rounds: &[RoundRow]) -> String {
    let columns = [
        ("round", true),
        ("status", false),
        ("trained on", true),
        ("selected", true),
        ("coverage %", true),
        ("right %", true),
        ("validation %", true),
        ("test % [95 %]", true),
        ("ECE", true),
        ("time", true),
    ];
    let row = |round: &RoundRow| {
        let selection = round.selection.as_ref();
        let of =
            |field: fn(&SelectionSummary) -> Option<f64>| maybe(selection.and_then(field), percent);
        vec![
            round.round.to_string(),
            maybe(
                selection.and_then(|it| told::learning_status(it.learning_status)),
                str::to_owned,
            ),
            maybe(round.n_train_pairs, count),
            maybe(selection.map(|it| it.n_selected), count),
            of(|it| it.coverage),
            of(|it| it.pseudo_label_precision),
            maybe(round.validation.as_ref(), |it| percent(it.accuracy)),
            maybe(round.test.as_ref(), |it| format!("{} {}", percent(it.accuracy), interval(it))),
            maybe(round.test.as_ref(), |it| share(it.ece)),
            maybe(round.wall_ms, |ms| duration(ms as f64 / 1000.0)),
        ]
    };
    table(&columns, &rounds.iter().map(row).collect::<Vec<_>>())
}

fn confidence(run: &ComparedRun) -> String {
    let rounds: Vec<(u32, &SelectionSummary)> = run
        .rounds
        .iter()
        .filter_map(|round| Some((round.round, round.selection.as_ref()?)))
        .collect();
    if rounds.is_empty() {
        return String::new();
    }
    let charts: Vec<(Option<String>, &str)> = rounds
        .iter()
        .map(|(round, selection)| {
            let title = format!(
                "Round {round}: {} of {} selected",
                count(selection.n_selected),
                count(selection.n_scored)
            );
            let all = selection.histogram.columns(N_COLUMNS);
            let selected = selection.selected_histogram.columns(N_COLUMNS);
            (histogram(&title, &all, &selected), "")
        })
        .collect();
    format!(
        "<h2>Confidence</h2>\n<p>How sure the model was of the label of each pool pair: all pairs in \
         gray, those it selected in color.</p>\n{}",
        figures(&charts)
    )
}

fn audit(run: &ComparedRun, part: &RunPart) -> String {
    let mut out = String::from("<h2>What people found</h2>\n");
    let Some(round) = run.selection_round() else {
        return out + "<p>No round has selected pseudo-labels yet.</p>\n";
    };
    match part.audit {
        Some(found) => {
            let _ = writeln!(
                out,
                "<p>Of {} pseudo-labels of round {}, {} were read from a random sample; {} were \
                 right: <b>{} %</b> [{}, {}] (95 % Wilson interval for a finite population).</p>",
                count(found.n_selected),
                round.round,
                count(found.n_reviewed),
                count(found.n_right),
                percent(found.precision),
                percent(found.interval.low),
                percent(found.interval.high)
            );
        }
        None => {
            let _ = writeln!(
                out,
                "<p>Nobody has audited the pseudo-labels of round {} (<code>ser samples {} --queue \
                 audit</code>).</p>",
                round.round,
                line(run.row.id.as_str())
            );
        }
    }
    out.push_str(&decisions(part));
    if let Some(selection) = round.selection.as_ref().filter(|it| !it.left_out.is_empty()) {
        let rows: Vec<Vec<String>> = selection
            .left_out
            .iter()
            .map(|(reason, n)| {
                vec![told::left_out(*reason).trim_start_matches("left out: ").to_owned(), count(n)]
            })
            .collect();
        out.push_str("<h3>Why pairs were left out</h3>\n");
        out.push_str(&table(&[("reason", false), ("pairs", true)], &rows));
    }
    out
}

/// What is decided at present, and how far the reviewers agree who decided it.
fn decisions(part: &RunPart) -> String {
    let n = [Verdict::Keep, Verdict::Flip, Verdict::Veto].map(|it| part.verdicts.count(it) as u64);
    if n.iter().all(|n| *n == 0) {
        return String::new();
    }
    let [kept, flipped, vetoed] = n.map(count);
    let names: Vec<&str> =
        part.panel.reviewers().map(|(name, _)| name).filter(|name| !name.is_empty()).collect();
    let by = if names.is_empty() { String::new() } else { format!(", by {}", names.join(", ")) };
    let mut out = format!(
        "<p>In force: {kept} labels kept, {flipped} flipped, {vetoed} pairs vetoed{}.</p>\n",
        line(&by)
    );
    for agreement in part.panel.agreements() {
        let _ = writeln!(out, "<p>{}.</p>", line(&agreement_line(&agreement)));
    }
    let n_disputed = part.panel.disputed().len();
    if n_disputed > 0 {
        let _ = writeln!(
            out,
            "<p>They differ about {}; the newest decision holds (<code>ser verdicts {}</code>).</p>",
            count(n_disputed as u64),
            line(part.detail.row.id.as_str())
        );
    }
    out
}

fn samples(samples: &[SampledPair]) -> String {
    let Some(first) = samples.first() else { return String::new() };
    let mut out = format!(
        "<h2>Sampled pairs</h2>\n<p>{} pairs of round {}, drawn at random, with the answer that the \
         model prefers. The human label is not shown.</p>\n",
        samples.len(),
        first.round
    );
    for sample in samples {
        out.push_str(&article(sample));
    }
    out
}

fn article(sample: &SampledPair) -> String {
    let margin = f64::from(sample.reward_a) - f64::from(sample.reward_b);
    let probability = crate::domain::stats::bradley_terry::preference_probability(margin.abs());
    let preferred = if margin >= 0.0 { Side::A } else { Side::B };
    let kept = match sample.left_out {
        None => "selected".to_owned(),
        Some(reason) => told::left_out(reason).to_owned(),
    };
    let verdict = sample
        .verdict
        .map_or_else(String::new, |verdict| format!(" · verdict: {}", verdict.name()));
    let answer = |side: Side, response: &str, reward: f32| {
        let (class, mark) = if side == preferred { (" chosen", " ✓") } else { ("", "") };
        let name = if side == Side::A { "A" } else { "B" };
        format!(
            "<div class=\"text{class}\"><b>{name}{mark}</b> <span class=\"soft\">reward {reward:.2}</span>\n{}</div>",
            text(response.trim())
        )
    };
    format!(
        "<article><header>pair {} · confidence {} · {}{verdict}</header>\n<div class=\"text\">{}</div>\n\
         <div class=\"answers\">{}{}</div></article>\n",
        sample.pair,
        share(probability),
        line(&kept),
        text(sample.prompt.trim()),
        answer(Side::A, &sample.response_a, sample.reward_a),
        answer(Side::B, &sample.response_b, sample.reward_b)
    )
}

/// Every setting of the run.
pub fn settings(comparison: &Comparison) -> String {
    let rows: Vec<Vec<String>> = comparison
        .settings
        .iter()
        .map(|row| {
            let value = row.values.first().and_then(Option::as_deref);
            vec![row.key.clone(), if value.is_none() { NONE.into() } else { setting_value(value) }]
        })
        .collect();
    let table = table(&[("key", false), ("value", false)], &rows);
    format!(
        "<h2>Settings</h2>\n<details><summary>All {} settings</summary>\n{table}</details>\n",
        rows.len()
    )
}
