//! The columns beside an event: numbers for every pair of a round.
//!
//! Two kinds of events hold numbers for each pair, too many for a line of JSON. They are stored
//! beside the line as one safetensors file, a format with readers in every language of machine
//! learning: eight bytes with the length of the header, the header (JSON: name, type and place of
//! each column), then the columns one after the other, little-endian, so that every bit of a float
//! survives.
//!
//! ```text
//! event            column      type  holds
//! selection_made   pair        U32   the scored pairs, ascending
//!                  reward_a    F32   reward of the first answer
//!                  reward_b    F32   reward of the second answer
//!                  left_out    U8    255 for a selected pair, else why it was left out:
//!                                    0 already_selected  1 vetoed           2 tie
//!                                    3 not_separated     4 delta_too_small  5 stopped
//!                                    6 below_threshold
//! evaluated        pair        U32   the evaluated pairs, ascending
//!                  margin      F32   reward of the chosen answer less that of the rejected one
//! ```
//!
//! An event of another kind has no columns.

use std::ops::Range;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorView};

use crate::domain::event::{PairMargin, RunEvent};
use crate::domain::preference::PairId;
use crate::domain::pseudo_label::PairScore;
use crate::domain::selection::{LeftOut, ScoredPair};

/// The bytes before the header, which hold its length.
pub(in crate::store) const N_LENGTH_BYTES: usize = 8;
/// Longest header that is accepted. A header of four columns has some 300 bytes.
const HEADER_MAX: u64 = 1 << 16;
/// The code of a selected pair.
const SELECTED: u8 = 255;

const PAIR: (&str, Dtype) = ("pair", Dtype::U32);
const REWARD_A: (&str, Dtype) = ("reward_a", Dtype::F32);
const REWARD_B: (&str, Dtype) = ("reward_b", Dtype::F32);
const LEFT_OUT: (&str, Dtype) = ("left_out", Dtype::U8);
const MARGIN: (&str, Dtype) = ("margin", Dtype::F32);

/// Columns that are not as this file says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenColumns(String);

impl BrokenColumns {
    pub(in crate::store) fn cut_off() -> Self {
        Self("they are cut off".to_owned())
    }
}

/// Where the columns of a file lie.
#[derive(Debug)]
pub(in crate::store) struct Header {
    metadata: Metadata,
    /// The place of the first byte behind the header.
    begin: usize,
}

/// The places of a selection's columns in their file.
#[derive(Debug)]
pub(in crate::store) struct ScorePlaces {
    pub(in crate::store) pairs: Range<usize>,
    pub(in crate::store) rewards_a: Range<usize>,
    pub(in crate::store) rewards_b: Range<usize>,
    pub(in crate::store) left_out: Range<usize>,
}

impl Header {
    /// The length of the header that the first bytes of a file announce.
    pub(in crate::store) fn length(prefix: &[u8]) -> Result<usize, BrokenColumns> {
        let bytes = prefix.first_chunk::<N_LENGTH_BYTES>();
        let length = bytes.map(|bytes| u64::from_le_bytes(*bytes));
        let fits = length.filter(|length| *length <= HEADER_MAX);
        fits.map(|length| length as usize)
            .ok_or_else(|| BrokenColumns("they begin with no length of a header".to_owned()))
    }

    /// Reads a header without the length before it.
    pub(in crate::store) fn parse(json: &[u8]) -> Result<Self, BrokenColumns> {
        let metadata = serde_json::from_slice(json)
            .map_err(|error| BrokenColumns(format!("their header cannot be read ({error})")))?;
        Ok(Self { metadata, begin: N_LENGTH_BYTES + json.len() })
    }

    /// Reads the header of a whole file.
    fn of(bytes: &[u8]) -> Result<Self, BrokenColumns> {
        let end = N_LENGTH_BYTES + Self::length(bytes)?;
        let json = bytes.get(N_LENGTH_BYTES..end);
        let header = Self::parse(json.ok_or_else(BrokenColumns::cut_off)?)?;
        let expected = header.begin + header.metadata.data_len();
        if bytes.len() != expected {
            let found = bytes.len();
            return Err(BrokenColumns(format!("they have {found} bytes in place of {expected}")));
        }
        Ok(header)
    }

    fn place(&self, (name, dtype): (&str, Dtype)) -> Result<Range<usize>, BrokenColumns> {
        let info = self.metadata.info(name);
        let info = info.ok_or_else(|| BrokenColumns(format!("the column `{name}` is missing")))?;
        if info.dtype != dtype || info.shape.len() != 1 {
            let (found, shape) = (info.dtype, &info.shape);
            return Err(BrokenColumns(format!(
                "the column `{name}` is {found} of shape {shape:?} in place of a list of {dtype}"
            )));
        }
        Ok(self.begin + info.data_offsets.0..self.begin + info.data_offsets.1)
    }

    /// The places of a selection's columns.
    pub(in crate::store) fn scores(&self) -> Result<ScorePlaces, BrokenColumns> {
        let places = ScorePlaces {
            pairs: self.place(PAIR)?,
            rewards_a: self.place(REWARD_A)?,
            rewards_b: self.place(REWARD_B)?,
            left_out: self.place(LEFT_OUT)?,
        };
        let n_bytes = places.pairs.len();
        let is_even = places.rewards_a.len() == n_bytes
            && places.rewards_b.len() == n_bytes
            && places.left_out.len() * 4 == n_bytes;
        is_even.then_some(places).ok_or_else(uneven)
    }

    /// The places of pairs and margins of an evaluation.
    fn margins(&self) -> Result<[Range<usize>; 2], BrokenColumns> {
        let places = [self.place(PAIR)?, self.place(MARGIN)?];
        (places[0].len() == places[1].len()).then_some(places).ok_or_else(uneven)
    }
}

fn uneven() -> BrokenColumns {
    BrokenColumns("they differ in length".to_owned())
}

/// The columns of an event as one file; `None` for the kinds that have none. Pairs are brought into
/// ascending order.
pub(in crate::store) fn encode(event: &RunEvent) -> Result<Option<Vec<u8>>, BrokenColumns> {
    if let RunEvent::SelectionMade { pairs, .. } = event {
        let mut sorted: Vec<&ScoredPair> = pairs.iter().collect();
        sorted.sort_by_key(|scored| scored.score.pair);
        let left_out = |scored: &&ScoredPair| scored.left_out.map_or(SELECTED, code);
        return file(&[
            (PAIR, words(&sorted, |scored| scored.score.pair.0.to_le_bytes())),
            (REWARD_A, words(&sorted, |scored| scored.score.reward_a.to_le_bytes())),
            (REWARD_B, words(&sorted, |scored| scored.score.reward_b.to_le_bytes())),
            (LEFT_OUT, sorted.iter().map(left_out).collect()),
        ]);
    }
    if let RunEvent::Evaluated { margins, .. } = event {
        let mut sorted: Vec<&PairMargin> = margins.iter().collect();
        sorted.sort_by_key(|margin| margin.pair);
        return file(&[
            (PAIR, words(&sorted, |margin| margin.pair.0.to_le_bytes())),
            (MARGIN, words(&sorted, |margin| margin.margin.to_le_bytes())),
        ]);
    }
    Ok(None)
}

fn words<T>(rows: &[&T], word: impl Fn(&T) -> [u8; 4]) -> Vec<u8> {
    rows.iter().flat_map(|row| word(row)).collect()
}

fn file<const N: usize>(
    columns: &[((&'static str, Dtype), Vec<u8>); N],
) -> Result<Option<Vec<u8>>, BrokenColumns> {
    let refused = |error: safetensors::SafeTensorError| BrokenColumns(error.to_string());
    let views = columns.iter().map(|((name, dtype), bytes)| {
        let n = bytes.len() * 8 / dtype.bitsize();
        TensorView::new(*dtype, vec![n], bytes).map(|view| (*name, view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    safetensors::serialize(views, None).map(Some).map_err(refused)
}

/// Refuses columns that do not belong to the kind of an event, without reading their values.
pub(in crate::store) fn check(
    event: &RunEvent,
    columns: Option<&[u8]>,
) -> Result<(), BrokenColumns> {
    let is_selection = matches!(event, RunEvent::SelectionMade { .. });
    let has_columns = is_selection || matches!(event, RunEvent::Evaluated { .. });
    match columns {
        None if has_columns => Err(BrokenColumns("they are missing".to_owned())),
        None => Ok(()),
        Some(_) if !has_columns => Err(BrokenColumns("its kind has none".to_owned())),
        Some(bytes) if is_selection => Header::of(bytes)?.scores().map(|_| ()),
        Some(bytes) => Header::of(bytes)?.margins().map(|_| ()),
    }
}

/// The scored pairs of a selection's columns, by ascending pair.
pub(in crate::store) fn scores(bytes: &[u8]) -> Result<Vec<ScoredPair>, BrokenColumns> {
    let ScorePlaces { pairs, rewards_a, rewards_b, left_out } = Header::of(bytes)?.scores()?;
    let reasons = reasons(&bytes[left_out])?;
    let rewards = floats(&bytes[rewards_a]).zip(floats(&bytes[rewards_b]));
    let rows = ids(&bytes[pairs]).zip(rewards).zip(reasons);
    Ok(rows
        .map(|((pair, (reward_a, reward_b)), left_out)| ScoredPair {
            score: PairScore { pair, reward_a, reward_b },
            left_out,
        })
        .collect())
}

/// The margins of an evaluation's columns, by ascending pair.
pub(in crate::store) fn margins(bytes: &[u8]) -> Result<Vec<PairMargin>, BrokenColumns> {
    let [pairs, margins] = Header::of(bytes)?.margins()?;
    let rows = ids(&bytes[pairs]).zip(floats(&bytes[margins]));
    Ok(rows.map(|(pair, margin)| PairMargin { pair, margin }).collect())
}

/// The pairs of a column.
pub(in crate::store) fn ids(bytes: &[u8]) -> impl Iterator<Item = PairId> {
    bytes.as_chunks::<4>().0.iter().map(|word| PairId(u32::from_le_bytes(*word)))
}

/// The floats of a column.
pub(in crate::store) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word))
}

/// The reasons of a column of codes; `None` for a selected pair.
pub(in crate::store) fn reasons(codes: &[u8]) -> Result<Vec<Option<LeftOut>>, BrokenColumns> {
    let mut by_code = [None; 256];
    for &reason in LeftOut::ALL {
        by_code[usize::from(code(reason))] = Some(reason);
    }
    let reason = |stored: &u8| match by_code[usize::from(*stored)] {
        None if *stored != SELECTED => {
            Err(BrokenColumns(format!("{stored} is no code of a reason to leave a pair out")))
        }
        found => Ok(found),
    };
    codes.iter().map(reason).collect()
}

/// The code of a reason to leave a pair out. A code must never be reused for another reason,
/// because stored columns contain it.
fn code(reason: LeftOut) -> u8 {
    match reason {
        LeftOut::AlreadySelected => 0,
        LeftOut::Vetoed => 1,
        LeftOut::Tie => 2,
        LeftOut::NotSeparated => 3,
        LeftOut::DeltaTooSmall => 4,
        LeftOut::Stopped => 5,
        LeftOut::BelowThreshold => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metrics::{Evaluation, Split};
    use crate::store::events::tests::lines::attach;
    use crate::store::testing;

    fn evaluated(margins: &[(u32, f32)]) -> RunEvent {
        let pair =
            |(pair, margin): &(u32, f32)| PairMargin { pair: PairId(*pair), margin: *margin };
        RunEvent::Evaluated {
            round: 1,
            split: Split::Test,
            evaluation: Evaluation::from_margins(&[1.0]).unwrap(),
            margins: margins.iter().map(pair).collect(),
        }
    }

    /// The event as its line and columns give it back.
    fn back(event: &RunEvent) -> RunEvent {
        let line = serde_json::to_string(event).unwrap();
        let mut read = serde_json::from_str(&line).unwrap();
        attach(&mut read, encode(event).unwrap().as_deref()).unwrap();
        read
    }

    #[test]
    fn every_bit_of_a_column_comes_back() {
        let odd = [f32::MIN_POSITIVE / 2.0, -0.0, f32::INFINITY, 0.1 + 0.2, f32::MAX];
        let margins: Vec<(u32, f32)> = (7..).zip(odd).collect();
        assert_eq!(back(&evaluated(&margins)), evaluated(&margins));
        let RunEvent::Evaluated { margins, .. } = back(&evaluated(&[(1, f32::NAN)])) else {
            unreachable!()
        };
        assert_eq!(margins[0].margin.to_bits(), f32::NAN.to_bits());
        let RunEvent::SelectionMade { round, summary, mut pairs } = testing::selection_made(1, 9)
        else {
            unreachable!()
        };
        for (scored, &reason) in pairs.iter_mut().zip(LeftOut::ALL) {
            scored.left_out = Some(reason);
        }
        let event = RunEvent::SelectionMade { round, summary, pairs };
        assert_eq!(back(&event), event);
        assert_eq!(back(&evaluated(&[])), evaluated(&[]));
        assert_eq!(back(&RunEvent::Resumed), RunEvent::Resumed);
    }

    #[test]
    fn pairs_come_by_number() {
        assert_eq!(back(&evaluated(&[(9, 1.0), (2, 0.5)])), evaluated(&[(2, 0.5), (9, 1.0)]));
    }

    #[test]
    fn the_header_says_what_the_file_holds() {
        let bytes = encode(&testing::selection_made(1, 3)).unwrap().unwrap();
        let n = Header::length(&bytes).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
        assert_eq!(header["pair"]["dtype"], "U32");
        assert_eq!(header["left_out"]["shape"], serde_json::json!([3]));
        assert_eq!(bytes.len(), 8 + n + 3 * 13);
    }

    #[test]
    fn damage_is_named() {
        let selection = testing::selection_made(1, 3);
        let whole = encode(&selection).unwrap().unwrap();
        let margins = encode(&evaluated(&[(1, 1.0)])).unwrap().unwrap();
        let mut unknown = whole.clone();
        *unknown.last_mut().unwrap() = 77;
        for (columns, part) in [
            (None, "missing"),
            (Some(&whole[..whole.len() - 1]), "bytes in place of"),
            (Some(&whole[..40]), "cut off"),
            (Some(&b"short"[..]), "length of a header"),
            (Some(&margins[..]), "`reward_a` is missing"),
            (Some(&unknown[..]), "77 is no code"),
        ] {
            let error = attach(&mut selection.clone(), columns).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(check(&RunEvent::Resumed, Some(&whole)).is_err());
    }
}
