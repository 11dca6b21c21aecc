//! Tests of the texts, on a comparison made by hand.

use super::json::SCHEMA;
use super::*;
use crate::analysis;
use crate::analysis::{Comparison, ComparisonCache, ComparisonQuery, N_RUNS_MAX, RoundChoice};
use crate::domain::metrics::Evaluation;
use crate::domain::policy::judging::{Matchup, Said};
use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::store::judging::NewVerdict;
use crate::store::rows::RoundRow;
use crate::store::testing;

fn round(round: u32, n_right: usize) -> RoundRow {
    let margins: Vec<f64> = (0..10).map(|i| if i < n_right { 1.0 } else { -1.0 }).collect();
    RoundRow {
        round,
        selection: None,
        n_train_pairs: Some(100),
        n_steps: Some(10),
        validation: None,
        test: Evaluation::from_margins(&margins),
        wall_ms: Some(2_000),
        n_tokens: Some(5),
        weights_digest: None,
        n_labels_spent: None,
    }
}

/// Two untrained runs of the store with rounds put into them.
fn comparison() -> Comparison {
    let mut fixture = testing::store();
    let runs = vec![fixture.run("a|b"), fixture.run("c, \"d\" <e>")];
    assert!(runs.len() <= N_RUNS_MAX);
    let query = ComparisonQuery { runs, base: 0, rounds: RoundChoice::Last, n_loss_points: 0 };
    let mut found =
        analysis::compare(&fixture.store, &query, &mut ComparisonCache::default()).unwrap();
    for (run, n_right) in found.runs.iter_mut().zip([5, 7]) {
        run.rounds = vec![round(0, n_right), round(1, n_right + 1)];
        run.round = Some(1);
    }
    found.metrics[0].values = vec![Some(0.6), Some(0.8)];
    found
}

#[test]
fn curves_lie_along_three_axes() {
    let found = comparison();
    let xs = |axis| {
        let points = curve(&found.runs[0], CurveMetric::TestAccuracy, axis);
        points.iter().map(|point| point.x).collect::<Vec<_>>()
    };
    assert_eq!(xs(CurveAxis::Round), [0.0, 1.0]);
    assert_eq!(xs(CurveAxis::WallTime), [2.0, 4.0]);
    assert_eq!(xs(CurveAxis::Labels), [100.0, 200.0]);
    let mut open = found.runs[0].clone();
    open.rounds[1].wall_ms = None;
    let points = curve(&open, CurveMetric::TestAccuracy, CurveAxis::WallTime);
    assert_eq!(points.len(), 1, "a round that goes on has no end yet");
    assert!(curve(&open, CurveMetric::Coverage, CurveAxis::Round).is_empty());
}

#[test]
fn a_loss_curve_lies_between_the_ends_of_its_rounds() {
    let mut run = comparison().runs.swap_remove(0);
    let point = |global_step, round| crate::store::LossPoint {
        global_step,
        round,
        loss: 0.5,
        min: 0.4,
        max: 0.6,
    };
    run.loss = vec![point(5, 0), point(10, 0), point(15, 1), point(20, 1)];
    let xs = |axis| {
        let points = curve(&run, CurveMetric::Loss, axis);
        points.iter().map(|point| point.x).collect::<Vec<_>>()
    };
    assert_eq!(xs(CurveAxis::Round), [5.0, 10.0, 15.0, 20.0]);
    assert_eq!(xs(CurveAxis::WallTime), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(xs(CurveAxis::Labels), [50.0, 100.0, 150.0, 200.0]);
}

#[test]
fn rounds_begin_where_the_steps_before_them_end() {
    let point =
        |round| crate::store::LossPoint { global_step: 0, round, loss: 0.5, min: 0.4, max: 0.6 };
    let mut rounds = vec![round(0, 5), round(1, 6), round(2, 7)];
    assert_eq!(round_starts(&rounds, &[]), [(1, 10), (2, 20)]);
    rounds[2].n_steps = None;
    assert_eq!(round_starts(&rounds, &[point(1)]), [(1, 10)], "round 2 has not begun");
    assert_eq!(round_starts(&rounds, &[point(2)]), [(1, 10), (2, 20)], "round 2 is at work");
    // A run that was given its first round takes no step in it.
    rounds[0].n_steps = Some(0);
    assert_eq!(round_starts(&rounds, &[point(2)]), [(2, 10)]);
}

#[test]
fn curves_that_are_one_are_drawn_once() {
    let mut found = comparison();
    found.runs[1].rounds = found.runs[0].rounds.clone();
    let svg = comparison_svg(&found, CurveMetric::TestAccuracy, CurveAxis::Round);
    assert_eq!(svg.matches("<polyline").count(), 1);
    assert!(svg.contains("A a|b (base) = B c, &quot;d&quot; &lt;e&gt;"), "{svg}");
    let page = html::report_html(&found, &[], None, "now");
    assert!(page.contains("A a|b (base) = B c"), "one line of the legend");
}

#[test]
fn a_png_shows_what_the_svg_shows() {
    use resvg::tiny_skia::Pixmap;
    let svg = comparison_svg(&comparison(), CurveMetric::TestAccuracy, CurveAxis::Round);
    let drawn = ImageForm::Png.file(svg.clone()).unwrap();
    let pixmap = Pixmap::decode_png(&drawn).unwrap();
    let size = format!("width=\"{}\" height=\"{}\"", pixmap.width(), pixmap.height());
    assert!(svg.contains(&size), "{size}");
    // The title, an axis label and the second line of the legend, each in its own box.
    let is_dark = |x, y| pixmap.pixel(x, y).is_some_and(|it| it.red() < 140);
    for (what, columns, rows) in [
        ("title", 100..300, 8..40),
        ("left label", 20..90, 50..530),
        ("axis name", 1_000..1_100, 560..600),
        ("legend", 186..400, 640..664),
    ] {
        let n_dark = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
        let n_dark = n_dark.filter(|(x, y)| is_dark(*x, *y)).count();
        assert!(n_dark > 80, "{what}: {n_dark} dark pixels");
    }
    assert_eq!(ImageForm::Svg.file(svg.clone()).unwrap(), svg.into_bytes());
}

#[test]
fn csv_and_markdown_escape_their_separators() {
    let found = comparison();
    let csv = comparison_csv(&found);
    let head = csv.lines().next().unwrap();
    assert!(csv.contains("\"c, \"\"d\"\" <e>\""), "{csv}");
    assert!(csv.lines().all(|line| !line.is_empty()));
    assert_eq!(csv.lines().nth(1).unwrap().matches(',').count(), head.matches(',').count());
    let markdown = comparison_markdown(&found);
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(lines[0], "| field | A a\\|b (base) | B c, \"d\" <e> |");
    assert_eq!(lines[2], "| test accuracy | .6000 | .8000 |");
    assert!(markdown.contains("No run shares test pairs with the base"));
}

#[test]
fn the_svg_is_closed_and_escaped() {
    let svg = comparison_svg(&comparison(), CurveMetric::TestAccuracy, CurveAxis::Round);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<polyline").count(), 2);
    assert!(svg.contains("&lt;e&gt;") && !svg.contains("<e>"));
    assert!(svg.contains("#0072b2") && !svg.contains("var("), "colors are written out");
    assert!(svg.contains(">round<"), "the axis has a name");
    let empty = comparison_svg(&comparison(), CurveMetric::Loss, CurveAxis::Labels);
    assert!(!empty.contains("NaN") && !empty.contains("inf"));
    assert!(empty.contains("no round has a value yet"));
}

#[test]
fn the_json_has_the_promised_keys() {
    let found = comparison();
    let document = ComparisonDocument::new(&found, None, &[None, None], false);
    let json = serde_json::to_value(&document).unwrap();
    for key in ["schema", "base", "rounds", "runs", "spec_diff", "metrics", "disagreements"] {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert_eq!(json["schema"], SCHEMA);
    assert_eq!(json["runs"][1]["curve"][1]["wall_s"], 4.0);
    assert_eq!(json["metrics"][0]["values"][1], 0.8);
    assert!(json["metrics"][0]["differences"][0].is_null());
}

#[test]
fn the_page_of_a_policy_has_its_numbers_and_answers() {
    let mut fixture = crate::store::testing::store();
    let runs = [fixture.policy("rloo & <co>", 0.2), fixture.policy("dpo", 0.1)];
    let [first, _] = &runs;
    let matchup = Matchup { step: 10, other: None, other_step: 0 };
    let verdict = NewVerdict { pair: PairId(3), said: Some(Said::Win), is_left: true };
    fixture.store.judge_games(first, &matchup, "<anna>", &[verdict]).unwrap();
    let of =
        |runs: &[RunId]| report_of(&fixture.store, runs.to_vec(), RoundChoice::Last, 3).unwrap();
    let page = of(&runs[..1]);
    for wanted in [
        "<h1>rloo &amp; &lt;co&gt;</h1>",
        "answer 10 to &lt;b&gt;3&lt;/b&gt;",
        "answer 0 to &lt;b&gt;3&lt;/b&gt;",
        "Evaluations on held-out prompts",
        "Signs of trouble",
        "wins 100.0 % (",
        "by &lt;anna&gt;, blind, over 1 of 8 prompts",
        "policy.objective",
    ] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    assert!(!page.contains("<b>3</b>") && !page.contains("<co>") && !page.contains("<anna>"));
    assert_eq!(page.matches("<article>").count(), 8);
    assert!(!page.contains("Round by round") && !page.contains("Sampled pairs"));
    insta::assert_snapshot!("page_of_a_policy", body(&page));
    assert!(!page.contains("NaN") && !page.contains("inf "));
    let both = of(&runs);
    assert!(both.contains("How often the row wins against the column") && both.contains("2 dpo"));
}

/// What stands between head and settings: no id and no time.
fn body(page: &str) -> &str {
    let (from, to) = (page.find("<div class=\"cards\">").unwrap(), page.find("<details>").unwrap());
    &page[from..to]
}
