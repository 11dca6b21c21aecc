//! `ser data show` and `ser data remove`: the pairs of a data set, and deleting one.

use serde::Serialize;

use super::data_source::ReadArgs;
use crate::cli::print::{print_json, print_line, print_text};
use crate::cli::{CliError, CliResult, Context};
use crate::data::{BadPairPolicy, MixtureReader, SourceItem};
use crate::domain::preference::{PairId, PreferencePair};
use crate::domain::source::data_files::Part;
use crate::domain::spec::SourcePart;
use crate::domain::text::clean::{clean_line, clean_text};
use crate::domain::text::words;
use crate::launch::{by_name, import};
use crate::store::rows::DatasetRow;
use crate::store::{Access, Store, StoreError};

use super::pairs::Marks;

/// Arguments of `ser data show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The id of an imported data set (`ser data list`), or a file, folder or other source
    #[arg(value_name = "DATASET")]
    dataset: String,
    #[command(flatten)]
    read: ReadArgs,
    /// How many pairs, from the first; 0 shows all
    #[arg(long, default_value_t = 5, value_name = "N")]
    limit: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of `ser data remove`.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// Ids of data sets, as `ser data list` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
}

/// A pair as it is stored and trained on.
#[derive(Debug, Serialize)]
struct PairDocument {
    /// Its number in the data set, from 0, as `ser samples` names it.
    pair: u64,
    prompt: String,
    chosen: String,
    rejected: String,
    group: String,
    slice: String,
    reading: &'static str,
}

impl PairDocument {
    fn of(pair: u64, it: PreferencePair) -> Self {
        let PreferencePair { prompt, chosen, rejected, form, group, slice, .. } = it;
        let reading = form.reading();
        Self { pair, prompt, chosen, rejected, group, slice, reading }
    }
}

/// Shows pairs.
///
/// # Errors
/// When there is no such data set, or the source cannot be read.
pub fn show(context: &Context, args: &ShowArgs) -> CliResult {
    let pairs = match imported(context, &args.dataset)? {
        Some((store, dataset)) => of_store(&store, &dataset, args.limit)?,
        None => of_source(context, args)?,
    };
    if args.json {
        return print_json(&pairs);
    }
    let [better, worse] = Marks::Judged.words(context.ascii);
    for it in &pairs {
        let slice = if it.slice.is_empty() { String::new() } else { format!(", {}", it.slice) };
        print_line(&clean_line(&format!("pair {} ({}{slice})", it.pair, it.reading)))?;
        let parts = [("prompt", &it.prompt), (better, &it.chosen), (worse, &it.rejected)];
        for (label, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
            let text = clean_text(text.trim_matches('\n'));
            let indented = text.replace('\n', "\n         ");
            print_text(&format!("  {label:<6} {indented}\n"))?;
        }
    }
    Ok(())
}

/// The imported data set of an id; nothing where the text is a source.
fn imported(context: &Context, name: &str) -> CliResult<Option<(Store, DatasetRow)>> {
    let Ok(id) = name.parse::<i64>() else { return Ok(None) };
    if std::path::Path::new(name).exists() {
        return Ok(None);
    }
    let unknown = || CliError::from(StoreError::UnknownDataset { dataset: id });
    let store = match Store::open(&context.home, Access::ReadOnly) {
        Err(StoreError::Missing { .. }) => return Err(unknown()),
        store => store?,
    };
    let found = store.datasets()?.into_iter().find(|row| row.id == id);
    found.map(|row| Some((store, row))).ok_or_else(unknown)
}

fn of_store(store: &Store, dataset: &DatasetRow, limit: u64) -> CliResult<Vec<PairDocument>> {
    let n = if limit == 0 { dataset.n_pairs } else { limit.min(dataset.n_pairs) };
    let ids: Vec<PairId> = (0..n).map(|id| PairId(id as u32)).collect();
    let pairs = store.preference_pairs(dataset.id, &ids)?;
    Ok((0..).zip(pairs).map(|(id, pair)| PairDocument::of(id, pair)).collect())
}

fn of_source(context: &Context, args: &ShowArgs) -> CliResult<Vec<PairDocument>> {
    let columns = args.read.columns()?;
    let settings = args.read.settings(&columns, "prompt").read(BadPairPolicy::Drop)?;
    let source = [SourcePart::whole(args.dataset.as_str())];
    let files = by_name::parts(context.place(), &source, Part::Train)?.files;
    let parts = import::find_parts(context.place(), &files, &settings)?;
    let n = if args.limit == 0 { usize::MAX } else { args.limit as usize };
    let pairs = MixtureReader::new(parts, settings).filter_map(|item| match item {
        Ok(SourceItem::Pair(found)) => Some(Ok(found.pair)),
        Ok(SourceItem::Dropped { .. }) => None,
        Err(error) => Some(Err(error)),
    });
    let pairs: Vec<PreferencePair> = pairs.take(n).collect::<Result<_, _>>()?;
    Ok((0..).zip(pairs).map(|(id, pair)| PairDocument::of(id, pair)).collect())
}

/// Removes data sets that no run uses.
///
/// # Errors
/// When there is no such data set, or runs use it; those before it are gone then.
pub fn remove(context: &Context, args: &RemoveArgs) -> CliResult {
    let mut store = context.store_to_write("data remove")?;
    for id in &args.ids {
        let row = store.datasets()?.into_iter().find(|row| row.id == *id);
        store.delete_dataset(*id)?;
        if let Some(DatasetRow { n_pairs, source, .. }) = row {
            let n = words::count(n_pairs);
            print_line(&clean_line(&format!("removed data set {id}: {n} pairs of `{source}`")))?;
        }
    }
    Ok(())
}
