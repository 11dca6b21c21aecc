//! What the screen says about a pair, a decision and an estimate.

use crate::domain::preference::Side;
use crate::domain::review::{Order, PrecisionEstimate};
use crate::domain::selection::LeftOut;
use crate::domain::stats::bradley_terry::sigmoid;
use crate::domain::verdict::Verdict;
use crate::store::{PairOpinions, SampleLine};

use crate::tui::feed::samples::Find;
use crate::tui::kit::text::{count, share};
use crate::tui::kit::words;

/// The order of the list.
pub fn order(order: Order) -> &'static str {
    match order {
        Order::LeastConfident => "least confident first",
        Order::MostConfident => "most confident first",
        Order::Change => "most changed first",
        Order::Longest => "longest first",
        Order::Pair => "as in the data",
        Order::Audit => "audit queue",
        Order::Teach => "teach queue",
    }
}

/// `▲.06` or `▼.31`; `=` where it is less than what is printed.
pub fn change(change: Option<f64>) -> String {
    change.map_or_else(String::new, |change| {
        let size = share(Some(change.abs()), 2);
        if size == share(Some(0.0), 2) {
            return "=".to_owned();
        }
        let arrow = if change < 0.0 { '▼' } else { '▲' };
        format!("{arrow}{size}")
    })
}

/// What a person should know of a line beside its numbers.
pub fn flags(line: &SampleLine) -> String {
    let mut flags: Vec<String> = Vec::new();
    flags.extend(line.reason.clone());
    flags.extend(line.origin.is_some().then(|| "policy".to_owned()));
    if line.is_flipped {
        flags.push("turned".to_owned());
    }
    if line.margin == 0.0 {
        flags.push("tie".to_owned());
    }
    let (short, long) = (line.n_chars.0.min(line.n_chars.1), line.n_chars.0.max(line.n_chars.1));
    if long > 40 && short * 3 < long {
        flags.push("length".to_owned());
    }
    flags.join(" · ")
}

/// `A` or `B`, or `=` for a tie.
pub fn side(margin: f64) -> &'static str {
    if margin > 0.0 {
        "A"
    } else if margin < 0.0 {
        "B"
    } else {
        "="
    }
}

/// The letter of a side.
pub fn letter(side: Side) -> &'static str {
    match side {
        Side::A => "A",
        Side::B => "B",
    }
}

/// Why the pair is selected or not, in words.
pub fn why(pair: &PairOpinions, floor: Option<f64>) -> String {
    let is_sure = floor.is_some_and(|floor| confidence(pair) >= floor);
    let confidence = share(Some(confidence(pair)), 3);
    let floor = floor.map(|floor| share(Some(floor), 3));
    let needed = match floor {
        None => String::new(),
        // The least confidence of all that were selected is that of one stratum; the other one asks
        // for more.
        Some(floor) if is_sure && pair.sample.left_out == Some(LeftOut::BelowThreshold) => {
            format!(", more needed among pairs like it by length ({floor} among the others)")
        }
        Some(floor) => format!(", at least {floor} needed"),
    };
    let fate = pair.sample.left_out.map_or("selected", words::left_out);
    format!("{fate} · confidence {confidence}{needed}")
}

/// The confidence of the pair in the round shown.
pub fn confidence(pair: &PairOpinions) -> f64 {
    let margin = f64::from(pair.sample.reward_a) - f64::from(pair.sample.reward_b);
    sigmoid(margin.abs())
}

/// What happened to the preference over the rounds.
pub fn history(pair: &PairOpinions, floor: Option<f64>) -> String {
    if pair.rounds.len() < 2 {
        return "scored once".to_owned();
    }
    let n_turns =
        pair.rounds.windows(2).filter(|two| (two[0].margin > 0.0) != (two[1].margin > 0.0)).count();
    let turned = match n_turns {
        0 => "never turned".to_owned(),
        1 => "turned once".to_owned(),
        n => format!("turned {n} times"),
    };
    let above = |margin: f64| floor.is_some_and(|floor| sigmoid(margin.abs()) >= floor);
    let crossed = pair.rounds.iter().find(|opinion| above(opinion.margin));
    match crossed {
        Some(opinion) => format!("{turned} · sure enough from round {}", opinion.round),
        None => turned,
    }
}

/// What other runs think, the newest first.
pub fn others(pair: &PairOpinions) -> String {
    if pair.others.is_empty() {
        return "no other run has scored this pair".to_owned();
    }
    let mine = side(f64::from(pair.sample.reward_a) - f64::from(pair.sample.reward_b));
    let n_same = pair.others.iter().filter(|other| side(other.margin) == mine).count();
    let words: Vec<String> = pair
        .others
        .iter()
        .map(|other| {
            let confidence = share(Some(sigmoid(other.margin.abs())), 2);
            let kept = if other.is_selected { "" } else { ", left out" };
            format!("{} says {} ({confidence}{kept})", other.name, side(other.margin))
        })
        .collect();
    let n = pair.others.len();
    format!("{n_same} of {n} other runs agree: {}", words.join(" · "))
}

/// The decision in force, whose it is, and what it does.
pub fn decision(pair: &PairOpinions, me: &str, is_queue: bool) -> String {
    let Some(verdict) = &pair.verdict else {
        let keys = if is_queue {
            "1 left · 2 right · 0 neither · x never"
        } else {
            "x leave it out · f turn it around · a right"
        };
        return format!("you: – · {keys}");
    };
    let effect = match verdict.verdict {
        Verdict::Veto => "vetoed: out of every training from here on".to_owned(),
        Verdict::Keep => format!("kept: {}looked at and right", better(verdict.preferred)),
        Verdict::Flip => format!("flipped: {}not what the model says", better(verdict.preferred)),
        Verdict::Undo => "undecided".to_owned(),
    };
    let who = match verdict.reviewer.as_deref() {
        Some(name) if name != me => name,
        _ => "you",
    };
    let mut text = format!("{who}: {effect}");
    for more in [&verdict.reason, &verdict.comment].into_iter().flatten() {
        text.push_str(" · ");
        text.push_str(more);
    }
    text
}

fn better(side: Option<Side>) -> &'static str {
    match side {
        Some(Side::A) => "A is better, ",
        Some(Side::B) => "B is better, ",
        None => "",
    }
}

/// `14 audited: precision .93 [.69, .99]`
pub fn estimate(estimate: Option<&PrecisionEstimate>) -> String {
    estimate.map_or_else(
        || "no audit yet".to_owned(),
        |estimate| {
            let PrecisionEstimate { n_reviewed, precision, interval, .. } = estimate;
            format!(
                "{} audited: precision {} [{}, {}]",
                count(*n_reviewed),
                share(Some(*precision), 3),
                share(Some(interval.low), 3),
                share(Some(interval.high), 3)
            )
        },
    )
}

/// What was looked for and is not there.
pub fn not_found(find: Option<Find>, round: u32) -> Option<String> {
    Some(match find? {
        Find::Pair(pair) => format!("pair {pair} is not in this list of round {round}"),
        Find::OpenFrom(_) => "every pair from here on is decided".to_owned(),
        Find::OpenBefore(_) => "every pair before this one is decided".to_owned(),
        Find::Undecided => return None,
    })
}
