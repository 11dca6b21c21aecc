//! The guess itself: reads the first records of a file and tries columns on them.

use super::fields::{Kind, Profile, Profiles};
use super::judges::{self, is_used};
use super::{Proposal, ShownPair};
use crate::data::format::{self, DatasetFormat, Texts};
use crate::data::rows::Rows;
use crate::data::settings::ReadSettings;
use crate::data::source::Source;
use crate::data::suggestion;
use crate::domain::spec::{ColumnsSpec, FIRST_IS_BETTER, Names};

/// Records that are looked at.
const N_RECORDS: u64 = 1_000;
/// Pairs that are shown.
const N_PAIRS: usize = 2;
/// Records in which pairs to show are sought.
const N_SEARCHED: usize = 100;
/// Characters of a text from which on it may be an answer whose column has no usual name: more than a
/// first name or a code has.
const ANSWER_CHARS: u64 = 10;
/// Characters of a text from which on it may be a prompt whose column has no usual name.
const PROMPT_CHARS: u64 = 25;

/// Guesses columns for a file, keeping what the settings name already. Nothing where no fields look like
/// two answers, or the file cannot be read as far as that.
pub(in crate::data) fn propose(source: &Source, settings: &ReadSettings) -> Option<Proposal> {
    let mut rows = Rows::open_with(source, &settings.named_columns()).ok()?;
    let mut profiles = Profiles::default();
    let mut is_part = false;
    while let Some((_, record)) = rows.next().ok()? {
        is_part = profiles.n_records == N_RECORDS;
        if is_part {
            break;
        }
        profiles.add(&record);
    }
    let mut columns = settings.columns.clone();
    let is_verdict = name_answers(&profiles, &mut columns)?;
    name_prompt(&profiles, &mut columns);
    let n_answers = n_answers(&profiles, &columns);
    let judge = judges::find(&profiles, &mut columns, n_answers, is_verdict);
    let unused = profiles.fields.iter().filter(|field| !is_used(&field.name, &columns));
    let pairs = pairs(source, settings, &columns).unwrap_or_default();
    Some(Proposal {
        unused: unused.map(Profile::told).collect(),
        n_records: profiles.n_records,
        columns,
        judge,
        is_part,
        pairs,
    })
}

/// Names the columns of the answers, where they are not named yet; whether their names say which is
/// better.
fn name_answers(profiles: &Profiles, columns: &mut ColumnsSpec) -> Option<bool> {
    if !columns.a.is_empty() {
        let names = [columns.a.list(), columns.b.list()].concat();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let found = suggestion::answers(&names);
        return Some(found.is_some_and(|(a, _, is_verdict)| is_verdict && columns.a.list() == [a]));
    }
    let may_be =
        |field: &&Profile| matches!(field.kind, Some(Kind::Text | Kind::Texts | Kind::Messages));
    let names = |kind: Option<Kind>| -> Vec<String> {
        let fields = profiles.fields.iter().filter(may_be);
        fields.filter(|field| field.kind == kind).map(|field| field.name.clone()).collect()
    };
    let kinds = [Kind::Text, Kind::Texts, Kind::Messages].map(|kind| names(Some(kind)));
    if let Some(several) = kinds.iter().find_map(|names| suggestion::series(names)) {
        columns.a = Names::Many(several);
        return Some(false);
    }
    let (a, b, is_verdict) =
        kinds.iter().find_map(|names| suggestion::answers(names)).or_else(|| {
            let texts = profiles.fields.iter().filter(|field| field.kind == Some(Kind::Text));
            let long = texts.filter(|field| field.mean_chars() >= ANSWER_CHARS);
            let names: Vec<&str> = long.map(|field| field.name.as_str()).collect();
            suggestion::alike(&names).map(|(a, b)| (a, b, false))
        })?;
    columns.a = Names::One(a.to_owned());
    columns.b = Names::One(b.to_owned());
    Some(is_verdict)
}

fn n_answers(profiles: &Profiles, columns: &ColumnsSpec) -> usize {
    let named = [columns.a.list(), columns.b.list()].concat();
    match named.as_slice() {
        [only] => {
            let lengths = profiles.get(only).and_then(|field| field.list_lengths);
            lengths.filter(|(low, high)| low == high).map_or(0, |(n, _)| n)
        }
        several => several.len(),
    }
}

fn name_prompt(profiles: &Profiles, columns: &mut ColumnsSpec) {
    if !columns.prompt.is_empty() {
        return;
    }
    let free: Vec<&Profile> = profiles
        .fields
        .iter()
        .filter(|field| matches!(field.kind, Some(Kind::Text | Kind::Messages)))
        .filter(|field| !is_used(&field.name, columns))
        .collect();
    let names: Vec<String> = free.iter().map(|field| field.name.clone()).collect();
    let first = columns.a.list().first().map_or("", |name| *name).to_owned();
    if let Some(found) = suggestion::prompt(&names, &first) {
        found.clone_into(&mut columns.prompt);
        // Alpaca's two fields are one question; a template needs a value in every record.
        let is_whole = |name: &str| profiles.get(name).is_some_and(|it| it.n == profiles.n_records);
        let is_beside = names.iter().any(|name| name == "input");
        if found == "instruction" && is_beside && is_whole("instruction") && is_whole("input") {
            "{instruction}\n{input}".clone_into(&mut columns.prompt);
        }
        return;
    }
    let mut long = free.iter().filter(|field| field.mean_chars() >= PROMPT_CHARS);
    if let (Some(only), None) = (long.next(), long.next()) {
        columns.prompt.clone_from(&only.name);
    }
}

/// The first pairs of a file as some columns read them; of answers without a judge the first counts as
/// the better one, which is for showing alone.
fn pairs(
    source: &Source,
    settings: &ReadSettings,
    columns: &ColumnsSpec,
) -> Option<Vec<ShownPair>> {
    let mut columns = columns.clone();
    if columns.has_no_judge() {
        columns.label = Names::One(FIRST_IS_BETTER.to_owned());
    }
    let settings = ReadSettings { columns, ..settings.clone() };
    first_pairs(source, DatasetFormat::Columns, &settings)
}

/// The first pairs of a file; nothing where one of its first records is broken.
pub(in crate::data) fn first_pairs(
    source: &Source,
    format: DatasetFormat,
    settings: &ReadSettings,
) -> Option<Vec<ShownPair>> {
    let mut rows = Rows::open_with(source, &settings.named_columns()).ok()?;
    let (mut shown, mut found) = (Vec::new(), Vec::new());
    for _ in 0..N_SEARCHED {
        let Some((at, record)) = rows.next().ok()? else { break };
        found.clear();
        format::read(&record, format, settings, &mut found).ok()?;
        let usable = found.drain(..).filter_map(|it| it.and_then(Texts::usable).ok());
        // One of each record shows more than two of the first.
        for Texts { prompt, chosen, rejected, .. } in usable.take(1) {
            shown.push(ShownPair { record: at.number, prompt, chosen, rejected });
        }
        if shown.len() == N_PAIRS {
            break;
        }
    }
    Some(shown)
}

/// What the fields of the first records hold.
pub(in crate::data) fn first_fields(source: &Source, settings: &ReadSettings) -> Option<Profiles> {
    let mut rows = Rows::open_with(source, &settings.named_columns()).ok()?;
    let mut profiles = Profiles::default();
    while profiles.n_records < N_RECORDS {
        let Some((_, record)) = rows.next().ok()? else { break };
        profiles.add(&record);
    }
    Some(profiles)
}
