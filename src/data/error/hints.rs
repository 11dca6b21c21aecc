//! What a person can do about a record that is wrong.

use super::RecordError;
use crate::data::suggestion;

impl RecordError {
    /// What to do about it, as a sentence.
    #[must_use]
    pub fn hint(&self) -> String {
        if let Some(hint) = self.hint_with_names() {
            return hint;
        }
        match self {
            Self::BrokenJson { fault, .. } => fault.hint(),
            Self::RepeatedKey { .. } => "keep one of the two: a key that stands twice has no one value",
            Self::PythonRepr { .. } => {
                "written by pandas' `to_csv` as Python's repr: write JSON lines, \
                 `df.to_json(path, orient='records', lines=True)`"
            }
            Self::NoMessages { .. } => "write a JSON list of {\"role\", \"content\"} in every cell",
            Self::Truncated { .. } => {
                "the data set viewer cuts long cells: download the data set's files"
            }
            Self::ValueCount { .. } => "repair that row: one value a column",
            Self::NotAnObject { excerpt } if excerpt.trim_start().starts_with('[') => {
                "a list has no names for its values: write objects, in pandas \
                 `df.to_json(path, orient='records', lines=True)`"
            }
            Self::NotAnObject { .. } => "write one JSON object a line, or an array of objects",
            Self::CellCount { .. } => {
                "repair that row: a text with the separator, a quote or a line end stands in double quotes"
            }
            Self::CellNotUtf8 { .. } => "convert the file with `iconv -f LATIN1 -t UTF-8`",
            Self::MissingField { field, .. } if field == "chosen" || field == "rejected" => {
                "a pair needs `chosen` and `rejected`, and `prompt` unless both repeat it"
            }
            Self::MissingField { field, .. } if field.contains(',') => {
                "a prompt of several columns is a text with their names in braces: \
                 `--column 'prompt={instruction} {input}'`"
            }
            Self::MissingField { .. } => {
                "write it, or name one of the fields that are there: `--column` for prompts, answers \
                 and labels, `--group` for groups"
            },
            Self::Null { .. } => "remove that record, or write a value",
            Self::WrongType { found, .. } if found == "long lists of numbers" => {
                "a column of numbers that is read only when `--column` or the spec names it"
            }
            Self::WrongType { found, .. } if found.contains("JSON") || found.contains("bytes") => {
                "write that column as text"
            }
            Self::WrongType { expected, .. } if !expected.contains("text") => {
                "repair or remove that record"
            }
            Self::WrongType { .. } => {
                "use a text, or a list of {\"role\", \"content\"}; the same kind in both answers"
            }
            Self::UnknownRole { .. } => {
                "name roles `system`, `user`, `assistant` or `tool`, as chat templates do"
            }
            Self::EmptyConversation { .. } => "give at least one message",
            Self::NoContent { .. } => "give every message a `content`, or tool calls",
            layout => layout.layout_hint(),
        }
        .into()
    }

    /// A hint that names columns of the record.
    fn hint_with_names(&self) -> Option<String> {
        Some(match self {
            Self::UnknownLayout { available } => {
                let columns = suggestion::columns(available)?;
                format!("name the columns, such as `{columns}` (`data.columns` in a spec)")
            }
            Self::MissingField { field, available } if field == "chosen" || field == "rejected" => {
                format!("name the columns, such as `{}`", suggestion::columns(available)?)
            }
            Self::Unordered { field } => format!(
                "write `data.format = \"ranked\"` (`--format ranked`) if the first answer is the best \
                 one, else name their scores: `--column a={field} --column score=\u{2026}`"
            ),
            Self::AnswersByName { better, worse } => format!(
                "name the columns: `--column a={better} --column b={worse} --column label=chosen`, and \
                 `--column prompt=\u{2026}`"
            ),
            _ => return None,
        })
    }

    /// The hint for records whose fields are correct but do not say enough.
    fn layout_hint(&self) -> &'static str {
        match self {
            Self::NoAssistantTurn { .. } => {
                "read the file with `data.format = \"trl\"` if it holds no dialogues"
            }
            Self::WrongCount { .. } => "each answer needs its own entry",
            Self::UnknownLayout { .. } => {
                "a pair needs two answers in one record: name their columns (`data.columns.a`, `.b` and \
                 `.label` in a spec, `ser data check FILE --column a=… --column b=…`), or join the \
                 records that belong together"
            }
            Self::UnknownLabel { .. } => {
                "say what labels mean: `--column 'values=FOR A,FOR B,TIE'` (in a spec \
                 `data.columns.values = [\"for a\", \"for b\", \"tie\"]`)"
            }
            Self::NoPair { .. } => "both answers must be answers to one prompt",
            Self::SeveralPairs { .. } => {
                "`ser eval` takes every pair of a record; here give `prompt` and `responses`"
            }
            Self::NothingToAnswer { .. } => {
                "give a `prompt`, a conversation as `messages`, or a `text` to be continued"
            }
            Self::NothingToScore { .. } => {
                "give `prompt` and `response`, whole conversations as `messages`, or a `text`"
            }
            Self::UnknownStrength { .. } => {
                "write `--column values=\">0,<0,0\"` (`data.columns.values = [\">0\", \"<0\", \"0\"]`) if \
                 numbers above 0 are for a, `values=\"<0,>0,0\"` if they are for b"
            }
            Self::TreeTakenApart => {
                "take the file of whole trees (`…_trees.jsonl`), in which messages hold their `replies`"
            }
            Self::LabelStudio => {
                "name them: `--column prompt=data.prompt --column a=data.answer1 --column b=data.answer2 \
                 --column label=annotations.0.result.0.value.selected`"
            }
            Self::SeveralAnswers { .. } => {
                "`--column prompt=prompt --column a=chosen --column b=rejected --column label=a` pairs the \
                 one with each of the others"
            }
            Self::Unpaired { .. } => {
                "pair good and bad answers to one prompt as `prompt`, `chosen` and `rejected`; `ser score` \
                 takes single answers and conversations"
            }
            Self::LabelOrColumn => "give that column another name, or name the label's own column",
            _ => "repair or remove that record",
        }
    }

    /// Whether the fields of a record are of no known layout, so that columns may be named instead.
    pub(in crate::data) fn is_of_the_layout(&self) -> bool {
        matches!(
            self,
            Self::UnknownLayout { .. }
                | Self::MissingField { .. }
                | Self::Unpaired { .. }
                | Self::Unordered { .. }
        )
    }
}
