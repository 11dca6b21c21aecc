//! Single answers: what is to be scored where no pair is needed.

use super::error::RecordError;
use super::format::{self, DatasetFormat, Found, Said, Texts};
use super::json::{self, Json, PackedColumns};
use super::settings::ReadSettings;
use crate::domain::text::conversation::TextForm;

/// An answer with its prompt, as it would stand in a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Everything before the answer.
    pub prompt: String,
    pub text: String,
    /// How a chat template reads the texts; this answer is the first.
    pub form: TextForm,
}

/// The answers of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// One answer, or one whole conversation.
    One(Answer),
    /// The two answers of a pair, with the names their rewards get.
    Pair([&'static str; 2], [Answer; 2]),
    /// Several answers to one prompt.
    List(Vec<Answer>),
}

impl Answer {
    /// A reply to an instruction. An answer that consists of messages may contain its prompt.
    pub(super) fn to(prompt: &Said<'_>, answer: &Said<'_>) -> Result<Self, RecordError> {
        Self::of(Texts::replies(prompt, answer, answer))
    }

    /// A prompt and what follows it; of two plain texts the second continues the first as it
    /// stands.
    fn after(prompt: &Said<'_>, answer: &Said<'_>, globals: &str) -> Result<Self, RecordError> {
        Self::of(match (prompt, answer) {
            (Said::Text(prompt), Said::Text(answer)) => {
                Ok(Texts::continued(prompt, answer, answer))
            }
            _ => Texts::conversation(prompt.clone(), [answer.clone(), answer.clone()], globals),
        })
    }

    fn of(pair: Found) -> Result<Self, RecordError> {
        match pair {
            Ok(texts) => {
                let [answer, _] = Self::pair_of(texts);
                Ok(answer)
            }
            Err(reason) => Err(RecordError::NoPair { reason }),
        }
    }

    fn pair_of(texts: Texts) -> [Self; 2] {
        let Texts { prompt, chosen, rejected, form, .. } = texts;
        let swapped = form.swapped();
        [
            Self { prompt: prompt.clone(), text: chosen, form },
            Self { prompt, text: rejected, form: swapped },
        ]
    }
}

impl Answers {
    /// Reads one JSON object: `response` or `responses` to a prompt; a whole conversation as `messages`;
    /// a `text`, which is read as it stands; or a pair in any layout that [`super::open`] detects.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn read(line: &str) -> Result<Self, RecordError> {
        let mut record = Json::parse(line)?;
        PackedColumns::default().unpack(&mut record)?;
        let record = record;
        let globals = format::globals(&record)?;
        let has = |key: &str| record.has(key);
        let said = |key: &str| Said::read(key, record.get(key));
        if has("response") {
            let (prompt, answer) = (format::prompt(&record)?, said("response")?);
            return Answer::after(&prompt, &answer, &globals).map(Self::One);
        }
        if let Json::List(responses) = record.get("responses")
            && !record.has("scores")
        {
            return list(&record, responses, &globals);
        }
        if has("response_a") && has("response_b") {
            let prompt = format::prompt(&record)?;
            let answer = |key| Answer::after(&prompt, &said(key)?, &globals);
            return Ok(Self::Pair(["a", "b"], [answer("response_a")?, answer("response_b")?]));
        }
        let is_pair = has("chosen") || has("rejected");
        let whole = ["messages", "conversations", "conversation"].into_iter().find(|key| has(key));
        if let (false, Some(key)) = (is_pair, whole) {
            if record.get(key).as_list().is_some_and(<[_]>::is_empty) {
                return Err(RecordError::EmptyConversation { field: key.to_owned() });
            }
            return Answer::after(&Said::NOTHING, &said(key)?, &globals).map(Self::One);
        }
        if !is_pair && has("text") {
            return whole_text(&record).map(Self::One);
        }
        pair(&record)
    }
}

fn list(record: &Json<'_>, responses: &[Json<'_>], globals: &str) -> Result<Answers, RecordError> {
    if responses.is_empty() {
        let (field, expected) = ("responses".to_owned(), "at least one".to_owned());
        return Err(RecordError::WrongCount { field, found: 0, expected });
    }
    let prompt = format::prompt(record)?;
    let answer = |(i, response)| {
        let answer = Said::read(&format!("responses[{i}]"), response)?;
        Answer::after(&prompt, &answer, globals)
    };
    responses.iter().enumerate().map(answer).collect::<Result<_, _>>().map(Answers::List)
}

fn whole_text(record: &Json<'_>) -> Result<Answer, RecordError> {
    let text = json::text(record, "text")?.to_owned();
    Ok(Answer { prompt: String::new(), text, form: TextForm::Whole })
}

/// A record of one pair, whatever its layout.
fn pair(record: &Json<'_>) -> Result<Answers, RecordError> {
    let (settings, mut found) = (ReadSettings::default(), Vec::new());
    let nothing = || RecordError::NothingToScore { available: record.keys() };
    let layout = format::detect(record).map_err(|error| match error {
        RecordError::UnknownLayout { .. } => nothing(),
        other => other,
    })?;
    // A record with a prompt but no answers would be read as a pair without answers.
    if layout == DatasetFormat::Trl && !(record.has_key("chosen") || record.has_key("rejected")) {
        return Err(nothing());
    }
    format::read(record, layout, &settings, &mut found)?;
    match <[_; 1]>::try_from(found) {
        Ok([Ok(texts)]) => Ok(Answers::Pair(["chosen", "rejected"], Answer::pair_of(texts))),
        Ok([Err(reason)]) => Err(RecordError::NoPair { reason }),
        Err(several) => Err(RecordError::SeveralPairs { found: several.len() }),
    }
}
