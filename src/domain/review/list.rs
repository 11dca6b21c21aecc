//! From columns and a filter to the rows of a list, in order.

use crate::domain::preference::{PairId, Side};
use crate::domain::spec::PoolSource;
use crate::domain::stats::bradley_terry::sigmoid;
use crate::domain::verdict::{Verdict, VerdictSet};

use super::columns::{PairFacts, RoundColumns, side_of};
use super::filter::{SampleFilter, Term, VerdictIs, Want};

/// In which order pairs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Order {
    /// The least confident first: where a person's decision matters most.
    #[default]
    LeastConfident,
    /// The most confident first.
    MostConfident,
    /// The largest change of probability since the round before first.
    Change,
    /// The longest answers first.
    Longest,
    /// As in the data set.
    Pair,
    /// The queue for measuring: a random sample of what was selected.
    Audit,
    /// The queue for improving: the most doubtful first.
    Teach,
}

impl Order {
    /// Every order, as the variants stand.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name on the command line and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The queue it is, if it is one.
    #[must_use]
    pub fn queue(self) -> Option<Queue> {
        match self {
            Self::Audit => Some(Queue::Audit),
            Self::Teach => Some(Queue::Teach),
            _ => None,
        }
    }
}

/// A list that a person works through from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Queue {
    Audit,
    Teach,
}

impl Queue {
    /// The name in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a filter needs besides the columns.
#[derive(Debug, Clone, Copy)]
pub struct ListContext<'a> {
    /// The decisions in force.
    pub verdicts: &'a VerdictSet,
    /// Lengths and slices; only needed where the filter or the order asks for them.
    pub facts: Option<&'a PairFacts>,
    /// The pairs that each search of the filter finds, ascending, in the order of
    /// [`SampleFilter::searches`].
    pub found: &'a [Vec<u32>],
    /// The confidence below which nothing is selected.
    pub floor: Option<f64>,
    /// The number of the first pair that is a policy's.
    pub first_generated: u32,
}

/// The rows that pass a filter, by ascending pair.
#[must_use]
pub fn filtered(
    columns: &RoundColumns,
    filter: &SampleFilter,
    context: ListContext<'_>,
) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..columns.len() as u32).collect();
    let mut searches = context.found.iter();
    for term in &filter.terms {
        let found = match term.want {
            Want::Text(_) | Want::Like(_) => searches.next().map_or(&[][..], Vec::as_slice),
            _ => &[],
        };
        retain(&mut rows, columns, term, found, context);
    }
    rows
}

/// The rows that pass a filter, in an order other than that of a queue (which orders by itself).
#[must_use]
pub fn rows(
    columns: &RoundColumns,
    filter: &SampleFilter,
    order: Order,
    context: ListContext<'_>,
) -> Vec<u32> {
    sorted(columns, filtered(columns, filter, context), order, context.facts)
}

fn retain(
    rows: &mut Vec<u32>,
    columns: &RoundColumns,
    term: &Term,
    found: &[u32],
    context: ListContext<'_>,
) {
    let keep = |holds: bool| holds != term.is_inverted;
    let margin = |row: u32| columns.margin(row as usize).abs();
    match &term.want {
        Want::Confidence(low, high) => {
            // The confidence grows with the margin: one comparison instead of an exponential.
            let (low, high) = (margin_of(*low), margin_of(*high));
            rows.retain(|row| keep((low..=high).contains(&margin(*row))));
        }
        Want::Near(distance) => match context.floor {
            Some(floor) => {
                let (low, high) = (margin_of(floor - distance), margin_of(floor + distance));
                rows.retain(|row| keep((low..=high).contains(&margin(*row))));
            }
            None => rows.clear(),
        },
        Want::Selected(wanted) => {
            rows.retain(|row| keep(columns.left_out[*row as usize].is_none() == *wanted));
        }
        Want::Why(reason) => {
            rows.retain(|row| keep(columns.left_out[*row as usize] == Some(*reason)));
        }
        Want::Flipped(wanted) => {
            rows.retain(|row| keep(columns.is_flipped(*row as usize) == *wanted));
        }
        Want::Verdict(wanted) => {
            let verdict = |row: u32| context.verdicts.get(PairId(columns.pairs[row as usize]));
            rows.retain(|row| keep(is_verdict(verdict(*row), *wanted)));
        }
        Want::Text(_) | Want::Like(_) => {
            rows.retain(|row| keep(found.binary_search(&columns.pairs[*row as usize]).is_ok()));
        }
        Want::From(wanted) => {
            let is_generated = |row: u32| columns.pairs[row as usize] >= context.first_generated;
            rows.retain(|row| keep(is_generated(*row) == (*wanted == PoolSource::Policy)));
        }
        Want::Length(..) | Want::Longer(_) | Want::Slice(_) => {
            let Some(facts) = context.facts else { return rows.clear() };
            retain_by_facts(rows, columns, term, facts);
        }
    }
}

fn retain_by_facts(rows: &mut Vec<u32>, columns: &RoundColumns, term: &Term, facts: &PairFacts) {
    let keep = |holds: bool| holds != term.is_inverted;
    let lengths = |row: u32| (facts.n_chars_a[row as usize], facts.n_chars_b[row as usize]);
    match &term.want {
        Want::Length(low, high) => rows.retain(|row| {
            let (a, b) = lengths(*row);
            keep((*low..=*high).contains(&a.saturating_add(b)))
        }),
        Want::Longer(wanted) => rows.retain(|row| {
            let (a, b) = lengths(*row);
            let is_longer = match side_of(columns.margin(*row as usize)) {
                Some(Side::A) => a > b,
                Some(Side::B) => b > a,
                None => false,
            };
            keep(is_longer == *wanted)
        }),
        Want::Slice(name) => {
            let name = name.to_lowercase();
            let holds: Vec<bool> = facts
                .slice_names
                .iter()
                .map(|slice| slice.to_lowercase().contains(&name))
                .collect();
            let holds = |row: u32| holds.get(facts.slices[row as usize] as usize) == Some(&true);
            rows.retain(|row| keep(holds(*row)));
        }
        _ => {}
    }
}

fn is_verdict(verdict: Option<Verdict>, wanted: VerdictIs) -> bool {
    match wanted {
        VerdictIs::Any => verdict.is_some(),
        VerdictIs::None => verdict.is_none(),
        VerdictIs::Is(wanted) => verdict == Some(wanted),
    }
}

/// The margin at which a pair has this confidence: `logit(confidence)`, 0 at or below one half.
fn margin_of(confidence: f64) -> f32 {
    if confidence >= 1.0 {
        f32::INFINITY
    } else if confidence <= 0.5 {
        0.0
    } else {
        // The bound is rounded to `f32` as margins are, so that a typed `.9` includes a pair that
        // is shown as `.9`.
        ((confidence / (1.0 - confidence)).ln() as f32).max(0.0)
    }
}

/// Sorts rows by one key of 32 bits: key and row in one integer sort four times as fast as a
/// comparison that looks into the columns.
fn sorted(
    columns: &RoundColumns,
    rows: Vec<u32>,
    order: Order,
    facts: Option<&PairFacts>,
) -> Vec<u32> {
    // The bits of a non-negative float are ordered like the float.
    let key = |row: u32| -> u32 {
        let index = row as usize;
        match order {
            Order::LeastConfident => columns.margin(index).abs().to_bits(),
            Order::MostConfident => !columns.margin(index).abs().to_bits(),
            Order::Change => !(columns.change(index).map_or(0.0, |c| c.abs() as f32).to_bits()),
            Order::Longest => {
                !facts.map_or(0, |f| f.n_chars_a[index].saturating_add(f.n_chars_b[index]))
            }
            Order::Pair | Order::Audit | Order::Teach => 0,
        }
    };
    if matches!(order, Order::Pair | Order::Audit | Order::Teach) {
        return rows;
    }
    let mut keyed: Vec<u64> =
        rows.iter().map(|row| u64::from(key(*row)) << 32 | u64::from(*row)).collect();
    drop(rows);
    keyed.sort_unstable();
    keyed.into_iter().map(|keyed| keyed as u32).collect()
}

/// The confidence in a row.
#[must_use]
pub fn confidence(columns: &RoundColumns, row: usize) -> f64 {
    sigmoid(f64::from(columns.margin(row).abs()))
}

#[cfg(test)]
mod tests {
    use super::super::columns::tests::columns;
    use super::*;
    use crate::domain::selection::LeftOut;

    fn facts() -> PairFacts {
        PairFacts {
            n_chars_a: vec![10, 20, 30, 40, 5],
            n_chars_b: vec![5, 25, 30, 10, 5],
            slices: vec![0, 1, 0, 1, 0],
            slice_names: vec!["helpful-base".into(), "Harmless".into()],
        }
    }

    fn list(filter: &str, order: Order) -> Vec<u32> {
        let mut now = columns(&[0.1, -2.0, 3.0, -0.5, 0.0]);
        now.left_out[0] = Some(LeftOut::NotSeparated);
        now.left_out[4] = Some(LeftOut::Tie);
        now.margins_before = vec![-0.2, -2.0, f32::NAN, -0.4, 0.1];
        let mut verdicts = VerdictSet::default();
        verdicts.record(PairId(2), Verdict::Veto);
        verdicts.record(PairId(3), Verdict::Keep);
        let facts = facts();
        let context = ListContext {
            verdicts: &verdicts,
            facts: Some(&facts),
            found: &[vec![0, 2]],
            floor: Some(0.62),
            first_generated: 3,
        };
        rows(&now, &SampleFilter::parse(filter).unwrap(), order, context)
    }

    #[test]
    fn every_term_keeps_its_rows() {
        let cases: [(&str, &[u32]); 20] = [
            ("", &[0, 1, 2, 3, 4]),
            ("confidence>.6", &[1, 2, 3]),
            ("confidence:.6-.7", &[3]),
            ("!confidence>.6", &[0, 4]),
            ("confidence<.55", &[0, 4]),
            ("near:.02", &[3]),
            ("selected:yes", &[1, 2, 3]),
            ("why:tie", &[4]),
            ("flipped:yes", &[0]),
            ("flipped:no", &[1, 2, 3, 4]),
            ("verdict:any", &[2, 3]),
            ("verdict:none", &[0, 1, 4]),
            ("verdict:veto", &[2]),
            ("length>45", &[1, 2, 3]),
            ("longer:yes", &[0, 1]),
            ("slice:harm", &[1, 3]),
            ("from:policy", &[3, 4]),
            ("from:data wine", &[0, 2]),
            ("wine", &[0, 2]),
            ("selected:yes !wine", &[1, 3]),
        ];
        for (filter, expected) in cases {
            assert_eq!(list(filter, Order::Pair), expected, "{filter}");
        }
    }

    #[test]
    fn orders_sort_by_their_key() {
        assert_eq!(list("", Order::LeastConfident), [4, 0, 3, 1, 2]);
        assert_eq!(list("", Order::MostConfident), [2, 1, 3, 0, 4]);
        assert_eq!(list("", Order::Longest), [2, 3, 1, 0, 4]);
        assert_eq!(list("", Order::Change)[0], 0);
        assert_eq!(list("selected:yes", Order::LeastConfident), [3, 1, 2]);
    }
}
