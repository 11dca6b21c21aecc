//! Which columns of a Parquet file are read, and what their values mean beyond their types.

use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::Type;
use serde_json::Value;

/// Bytes a row above which a column without text (embeddings, token ids) is not read.
const MAX_BYTES_A_ROW: u64 = 1024;

/// What the values of a column mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// What their type says.
    Plain,
    /// JSON, written as text.
    Json,
    /// Classes by number: the names of a `ClassLabel` of `datasets`.
    Names(Vec<String>),
    /// A list whose elements mean something.
    List(Box<Meaning>),
    /// A struct whose fields mean something.
    Fields(Vec<Meaning>),
}

/// The columns of a file.
pub(super) struct Columns {
    /// The schema of those that are read, where some are not.
    pub(super) projection: Option<Type>,
    /// One for each column that is read.
    pub(super) meanings: Vec<Meaning>,
    /// The others, and what they are.
    pub(super) left: Vec<(String, &'static str)>,
}

/// Decides by the schema.
pub(super) fn choose(metadata: &ParquetMetaData, named: &[&str]) -> Result<Columns, ParquetError> {
    let file = metadata.file_metadata();
    let root = file.schema_descr().root_schema();
    let features = features(metadata);
    let (mut read, mut meanings, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (index, field) in root.get_fields().iter().enumerate() {
        let name = field.name();
        if root.get_fields()[..index].iter().any(|before| before.name() == name) {
            return Err(ParquetError::General(format!("two columns are named `{name}`")));
        }
        let is_named = named.iter().any(|wanted| {
            *wanted == name || wanted.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
        });
        let what = unreadable(field).or_else(|| {
            let is_left = !is_named && bytes_a_row(metadata, name) > MAX_BYTES_A_ROW;
            if is_media(field) && !is_named {
                Some("images or sounds")
            } else if is_left && !has_text(field) {
                Some("long lists of numbers")
            } else {
                None
            }
        });
        if let Some(what) = what {
            left.push((name.to_owned(), what));
            continue;
        }
        meanings.push(meaning(field, features.as_ref().and_then(|all| all.get(name))));
        read.push(field.clone());
    }
    if read.is_empty() {
        return Err(ParquetError::General("no column of a type that is read".into()));
    }
    let projection = if left.is_empty() {
        None
    } else {
        Some(Type::group_type_builder(root.name()).with_fields(read).build()?)
    };
    Ok(Columns { projection, meanings, left })
}

/// What `datasets` says about its columns, in the metadata of the file.
fn features(metadata: &ParquetMetaData) -> Option<Value> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    let text = entries.iter().find(|entry| entry.key == "huggingface")?.value.as_ref()?;
    let mut value: Value = serde_json::from_str(text).ok()?;
    Some(value.get_mut("info")?.get_mut("features")?.take())
}

/// What the values of a type mean; `feature` is what `datasets` says about them.
fn meaning(field: &Type, feature: Option<&Value>) -> Meaning {
    let kind = feature.and_then(|feature| feature.get("_type")).and_then(Value::as_str);
    if field.is_primitive() {
        let info = field.get_basic_info();
        let is_json = info.converted_type() == ConvertedType::JSON
            || info.logical_type_ref() == Some(&LogicalType::Json)
            || kind == Some("Json");
        let names = feature.and_then(|feature| feature.get("names")).and_then(Value::as_array);
        return match names {
            _ if is_json => Meaning::Json,
            Some(names) if kind == Some("ClassLabel") => {
                Meaning::Names(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            }
            _ => Meaning::Plain,
        };
    }
    if let Some(element) = element(field) {
        let inner = feature.and_then(|feature| feature.get("feature").or_else(|| feature.get(0)));
        return match meaning(element, inner) {
            Meaning::Plain => Meaning::Plain,
            inner => Meaning::List(Box::new(inner)),
        };
    }
    if is_map(field) {
        return Meaning::Plain;
    }
    let inner = |field: &std::sync::Arc<Type>| {
        meaning(field, feature.and_then(|feature| feature.get(field.name())))
    };
    let fields: Vec<Meaning> = field.get_fields().iter().map(inner).collect();
    if fields.iter().all(|field| *field == Meaning::Plain) {
        Meaning::Plain
    } else {
        Meaning::Fields(fields)
    }
}

/// What the elements of a list of three levels are.
fn element(list: &Type) -> Option<&Type> {
    if list.get_basic_info().converted_type() != ConvertedType::LIST {
        return None;
    }
    let repeated = list.get_fields().first()?;
    if repeated.is_primitive() || repeated.get_fields().len() != 1 {
        return Some(repeated);
    }
    repeated.get_fields().first().map(AsRef::as_ref)
}

fn is_map(field: &Type) -> bool {
    let converted = field.get_basic_info().converted_type();
    matches!(converted, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE)
}

/// The part of a type at which the record API would panic; `None` where it can read the type.
fn unreadable(field: &Type) -> Option<&'static str> {
    const BROKEN: &str = "of a type that is broken";
    let info = field.get_basic_info();
    if field.is_primitive() {
        let is_interval = info.converted_type() == ConvertedType::INTERVAL;
        return is_interval.then_some("spans of time (INTERVAL)");
    }
    let fields = field.get_fields();
    let is_list = info.converted_type() == ConvertedType::LIST;
    let is_broken = fields.is_empty()
        || (is_list || is_map(field)) && {
            let inner = fields[0].get_basic_info();
            let is_repeated = inner.has_repetition() && inner.repetition() == Repetition::REPEATED;
            fields.len() != 1 || !is_repeated
        }
        || is_map(field)
            && (fields[0].is_primitive() || !(1..=2).contains(&fields[0].get_fields().len()));
    if is_broken {
        return Some(BROKEN);
    }
    fields.iter().find_map(|inner| unreadable(inner))
}

/// Whether something in a column may be text.
fn has_text(field: &Type) -> bool {
    if field.is_primitive() {
        return field.get_physical_type() == parquet::basic::Type::BYTE_ARRAY;
    }
    field.get_fields().iter().any(|inner| has_text(inner))
}

/// Whether a column is one of images or sounds as `datasets` keeps them: bytes and their path.
fn is_media(field: &Type) -> bool {
    if field.is_primitive() {
        return false;
    }
    let fields = field.get_fields();
    let [first, second] = fields else { return fields.iter().any(|inner| is_media(inner)) };
    let is_bytes = first.is_primitive()
        && first.get_physical_type() == parquet::basic::Type::BYTE_ARRAY
        && first.get_basic_info().converted_type() == ConvertedType::NONE;
    is_bytes && first.name() == "bytes" && second.name() == "path"
        || fields.iter().any(|inner| is_media(inner))
}

/// How much a column holds for each row of the file, uncompressed.
fn bytes_a_row(metadata: &ParquetMetaData, name: &str) -> u64 {
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let of_name = columns
        .filter(|column| column.column_path().parts().first().is_some_and(|first| first == name));
    let bytes: i64 = of_name.map(|column| column.uncompressed_size().max(0)).sum();
    let n_rows = metadata.file_metadata().num_rows().max(1);
    (bytes / n_rows).max(0) as u64
}
