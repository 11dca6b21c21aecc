//! Why a text is no JSON, and what to do about it.

/// What is broken about JSON, as far as its hint differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Ends inside.
    Cut,
    /// An object of which only the opening bracket stands on the line.
    Opened,
    /// Quotes and words as Python writes a `dict`.
    Python,
    /// A comma where nothing follows.
    Comma,
    /// Half of a character outside the basic plane.
    Surrogate,
    /// A line end or tab inside a text.
    Control,
    Other,
}

impl JsonFault {
    /// From what `serde_json` says about a text, and how many bytes of it were read.
    pub(super) fn of(detail: &str, text: &str, n_read: usize) -> Self {
        let here = text.get(n_read.saturating_sub(1)..).unwrap_or_default();
        let is_python = here.starts_with(['\'', 'N', 'T', 'F']);
        match detail {
            _ if detail.starts_with("EOF") && text.trim() == "{" => Self::Opened,
            _ if detail.starts_with("EOF") => Self::Cut,
            "trailing comma" => Self::Comma,
            "trailing characters" if here.trim() == "," => Self::Comma,
            _ if detail.contains("surrogate") => Self::Surrogate,
            "unexpected end of hex escape" => Self::Surrogate,
            _ if detail.starts_with("control character") => Self::Control,
            "key must be a string" | "expected value" if is_python => Self::Python,
            _ => Self::Other,
        }
    }

    pub(in crate::data) fn hint(self) -> &'static str {
        match self {
            Self::Cut => "the record ends too early: is the file whole?",
            Self::Opened => "write one JSON object a line, or all of them in one array",
            Self::Python => {
                "written by Python's `str` or `print`: write `json.dumps(record)` instead"
            }
            Self::Comma => "remove the comma behind the last value",
            Self::Surrogate => {
                "half of a surrogate pair is no character: write the text after \
                 `text.encode('utf-8', 'replace').decode()`"
            }
            Self::Control => "inside a text a line end is written `\\n` and a tab `\\t`",
            Self::Other => "repair or remove that record: one JSON object a line",
        }
    }
}
