//! `RewardBench` 2 as it is scored: a prompt with all its right and wrong answers, not pairs of them.

use super::answer::Answer;
use super::error::{DataError, RecordError};
use super::format::reward_bench;
use super::json::Json;
use super::rows::Rows;
use super::sample::Sample;
use super::source::Source;

/// A prompt with its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BestOfPrompt {
    /// `id`; empty when there is none.
    pub id: String,
    /// `subset`; empty when there is none.
    pub subset: String,
    /// The right answers; never empty.
    pub chosen: Vec<Answer>,
    /// The wrong ones; never empty.
    pub rejected: Vec<Answer>,
}

/// Iterator over the prompts of one file, whatever kind of file it is. After an error it is at its
/// end.
pub struct BestOfReader {
    rows: Rows,
    path: String,
    is_over: bool,
}

impl BestOfReader {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is missing, empty or wrongly compressed.
    pub fn open(source: &Source) -> Result<Self, DataError> {
        Ok(Self { rows: Rows::open(source)?, path: source.to_string(), is_over: false })
    }

    /// The prompts of several files, one after the other; with a limit above 0 a random sample of so
    /// many, for which they are counted first.
    ///
    /// # Errors
    /// As [`BestOfReader::open`], and with a limit at the first broken record.
    pub fn sampled(
        sources: &[Source],
        limit: u64,
        rng_seed: u64,
    ) -> Result<impl Iterator<Item = Result<BestOfPrompt, DataError>>, DataError> {
        let all = || -> Result<_, DataError> {
            let readers: Vec<Self> = sources.iter().map(Self::open).collect::<Result<_, _>>()?;
            Ok(readers.into_iter().flatten())
        };
        let n_prompts = match limit {
            0 => 0,
            _ => all()?.try_fold(0, |n, prompt| prompt.map(|_| n + 1))?,
        };
        let mut sample = Sample::of(n_prompts, limit, rng_seed, 0);
        Ok(all()?.filter(move |prompt| prompt.is_err() || sample.takes()))
    }

    fn read(&mut self) -> Result<Option<BestOfPrompt>, DataError> {
        let Self { rows, path, .. } = self;
        let Some((at, record)) = rows.next()? else { return Ok(None) };
        let wrong = |error| DataError::Record { path: path.clone(), at, error };
        best_of(&record).map(Some).map_err(wrong)
    }
}

/// One record of the benchmark.
fn best_of(record: &Json<'_>) -> Result<BestOfPrompt, RecordError> {
    let prompt = reward_bench::prompt(record)?;
    let read = |field: &str| match reward_bench::answers(record, field)? {
        none if none.is_empty() => {
            let (field, expected) = (field.to_owned(), "at least one".to_owned());
            Err(RecordError::WrongCount { field, found: 0, expected })
        }
        answers => answers.iter().map(|it| Answer::to(&prompt, it)).collect::<Result<_, _>>(),
    };
    let label = |key: &str| record.get(key).to_label().unwrap_or_default().into_owned();
    let (chosen, rejected) = (read("chosen")?, read("rejected")?);
    Ok(BestOfPrompt { id: label("id"), subset: label("subset"), chosen, rejected })
}

impl Iterator for BestOfReader {
    type Item = Result<BestOfPrompt, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let prompt = self.read().transpose();
        self.is_over = !matches!(prompt, Some(Ok(_)));
        prompt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<BestOfPrompt>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        std::fs::write(&path, text).unwrap();
        let all: Result<Vec<_>, _> =
            BestOfReader::open(&Source::from(path.as_path())).unwrap().collect();
        all.map_err(|error: DataError| {
            error.to_string().rsplit_once("x.jsonl`: ").unwrap().1.to_owned()
        })
    }

    #[test]
    fn all_answers_of_a_prompt_stay_together() {
        let found = read(
            r#"{"id":"ref:1","subset":"Ties","prompt":" a? ","chosen":["b "],"rejected":["c","d"]}
               {"id":7,"prompt":[{"role":"user","content":"e"}],"chosen":["f","g"],"rejected":["h"]}"#,
        )
        .unwrap();
        let texts = |answers: &[Answer]| -> Vec<[String; 2]> {
            answers.iter().map(|it| [it.prompt.clone(), it.text.clone()]).collect()
        };
        let asked = " a? ";
        assert_eq!((found[0].id.as_str(), found[0].subset.as_str()), ("ref:1", "Ties"));
        assert_eq!(texts(&found[0].chosen), [[asked, "b "]]);
        assert_eq!(texts(&found[0].rejected), [[asked, "c"], [asked, "d"]]);
        assert_eq!((found[1].id.as_str(), found[1].subset.as_str()), ("7", ""));
        assert_eq!(found[1].chosen[0].prompt, "e");
        assert_eq!(found[1].chosen.len(), 2);
    }

    #[test]
    fn what_is_wrong_with_a_prompt_is_said() {
        for (record, expected) in [
            (r#"{"prompt":"p"}"#, "line 1: no field `chosen`, only `prompt`"),
            (
                r#"{"prompt":"p","chosen":"c","rejected":["r"]}"#,
                "line 1: field `chosen` is `text c`, not a list",
            ),
            (
                r#"{"prompt":"p","chosen":[],"rejected":["r"]}"#,
                "line 1: field `chosen` has `0` entries, not at least one",
            ),
            (
                r#"{"prompt":"p","chosen":["c"],"rejected":["r",3]}"#,
                "line 1: field `rejected[1]` is `3`, not a text",
            ),
            (
                r#"{"prompt":5,"chosen":["c"],"rejected":["r"]}"#,
                "line 1: field `prompt` is `5`, not a text or a list of messages",
            ),
        ] {
            assert_eq!(read(record).unwrap_err(), expected);
        }
    }
}
