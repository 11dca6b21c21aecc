//! Tables in JSON that cannot be read record by record.

/// Tables that are written column by column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByColumn {
    /// Column, row, value: `to_json(orient="columns")`, the default of pandas.
    Columns,
    /// Row, column, value: `to_json(orient="index")`.
    Index,
    /// One list a column: `to_dict()` of `datasets`.
    Lists,
}

impl ByColumn {
    pub(in crate::data) fn words(self) -> &'static str {
        match self {
            Self::Columns => "of columns, as pandas' `to_json` writes it without `orient`",
            Self::Index => "of numbered rows, as pandas' `to_json(orient='index')` writes it",
            Self::Lists => "with one list a column, not a list of records",
        }
    }

    pub(in crate::data) fn hint(self, path: &str) -> String {
        let frame = match self {
            Self::Columns | Self::Lists => "DataFrame(json.load(open(PATH)))",
            Self::Index => "DataFrame.from_dict(json.load(open(PATH)), orient='index')",
        };
        let frame = frame.replace("PATH", &format!("'{path}'"));
        format!(
            "python -c \"import json, pandas as pd; pd.{frame}.to_json('pairs.jsonl', \
             orient='records', lines=True)\""
        )
    }
}
