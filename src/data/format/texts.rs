//! Makes the texts of a pair from the prompt and the answers of a record.
//!
//! If any part is a list of messages, or the record is an instruction with replies, the pair
//! becomes a conversation with the contents of the file; its flat texts are for people and for
//! models without a chat template. Texts that continue each other, and flat dialogues, stay as they
//! are.

use std::borrow::Cow;

use super::messages;
use crate::data::drop_reason::DropReason;
use crate::data::error::RecordError;
use crate::data::json::{Json, wrong_type};
use crate::domain::text::conversation::{
    ASSISTANT_ROLE, FlatPair, Message, SYSTEM_ROLE, TextForm, USER_ROLE,
};
use crate::domain::text::dialogue;
use crate::domain::text::dialogue::ASSISTANT;

/// A prompt or an answer as a record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Said<'r> {
    Text(Cow<'r, str>),
    Messages(Vec<Message>),
}

impl<'r> Said<'r> {
    pub(in super::super) const NOTHING: Self = Self::Text(Cow::Borrowed(""));

    pub(super) fn of(text: &'r str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A text, a list of messages, or one message.
    pub(in super::super) fn read(field: &str, value: &'r Json<'_>) -> Result<Self, RecordError> {
        match value {
            Json::Text(text) => Ok(Self::Text(Cow::Borrowed(text))),
            Json::List(list) => messages::read(field, list).map(Self::Messages),
            one if messages::is_message(one) => {
                Ok(Self::Messages(vec![messages::message(field, one)?]))
            }
            other => Err(wrong_type(field, other, "a text or a list of messages")),
        }
    }

    /// The text, or all that is said, for comparing answers.
    pub(super) fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Messages(messages) => {
                Cow::Owned(FlatPair::of(messages, [&[], &[]], String::new()).prompt)
            }
        }
    }

    fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Messages(messages) => messages.is_empty(),
        }
    }

    /// Whether a chat template writes it: a text that one has written already is none.
    pub(in super::super) fn is_conversation(&self) -> bool {
        match self {
            Self::Messages(_) => true,
            Self::Text(text) => !is_rendered(text),
        }
    }

    /// As a prompt of messages.
    pub(in super::super) fn into_prompt(self) -> Vec<Message> {
        match self {
            Self::Messages(messages) => messages,
            Self::Text(text) if text.trim().is_empty() => Vec::new(),
            Self::Text(text) if is_dialogue(&text) => {
                let mut turns = dialogue::messages(&text, "");
                // The empty turn at the end of a prompt only announces the answer.
                turns.pop();
                turns
            }
            Self::Text(text) => vec![Message::new(USER_ROLE, &text)],
        }
    }

    fn into_answer(self) -> Vec<Message> {
        match self {
            Self::Messages(messages) => messages,
            Self::Text(text) => vec![Message::new(ASSISTANT_ROLE, &text)],
        }
    }
}

/// Whether a prompt is a flat dialogue that an answer follows.
pub(in super::super) fn is_dialogue(prompt: &str) -> bool {
    prompt.trim_end().ends_with(ASSISTANT)
        || prompt.starts_with(dialogue::HUMAN)
        || prompt.starts_with(ASSISTANT)
}

/// Beginnings of prompts that a chat template has already rendered.
const RENDERED: [&str; 9] = [
    "<|im_start|>",
    "<|start_header_id|>",
    "<start_of_turn>",
    "<|start_of_role|>",
    "<|START_OF_TURN_TOKEN|>",
    "<\u{ff5c}User\u{ff5c}>",
    "<|system|>",
    "<|user|>",
    "[INST]",
];
/// Marks of the beginning of a text, which may stand before.
const BEGINNINGS: [&str; 5] = [
    "<s>",
    "<bos>",
    "<|begin_of_text|>",
    "<BOS_TOKEN>",
    "<\u{ff5c}begin\u{2581}of\u{2581}sentence\u{ff5c}>",
];

/// Whether a prompt was rendered by a chat template, so that another one must not be applied to it.
fn is_rendered(prompt: &str) -> bool {
    let mut start = prompt.trim_start();
    if let Some(rest) = BEGINNINGS.iter().find_map(|mark| start.strip_prefix(mark)) {
        start = rest.trim_start();
    }
    RENDERED.iter().any(|mark| start.starts_with(mark))
}

/// The texts of a pair and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Texts {
    pub(in super::super) prompt: String,
    pub(in super::super) chosen: String,
    pub(in super::super) rejected: String,
    pub(in super::super) form: TextForm,
    /// Whether the prompts of the two dialogues differed, so that their common prefix became the
    /// prompt.
    pub(in super::super) fallback: bool,
}

/// What a reader of one layout returns besides the pairs it pushes.
pub(super) type Read = Result<(), RecordError>;

/// The texts, or why there is no pair.
pub(in super::super) type Found = Result<Texts, DropReason>;

impl Texts {
    /// Texts as they stand.
    pub(super) fn flat(prompt: &str, chosen: &str, rejected: &str, form: TextForm) -> Self {
        let [prompt, chosen, rejected] = [prompt, chosen, rejected].map(str::to_owned);
        Self { prompt, chosen, rejected, form, fallback: false }
    }

    /// A prompt that the answers continue as they stand.
    pub(in super::super) fn continued(prompt: &str, chosen: &str, rejected: &str) -> Self {
        let form = match prompt {
            "" => TextForm::Whole,
            rendered if is_rendered(rendered) => TextForm::Whole,
            dialogue if is_dialogue(dialogue) => TextForm::Dialogue,
            _ => TextForm::Plain,
        };
        Self::flat(prompt, chosen, rejected, form)
    }

    /// An instruction and two replies; without an instruction the texts as they stand.
    pub(in super::super) fn replies(
        prompt: &Said<'_>,
        chosen: &Said<'_>,
        rejected: &Said<'_>,
    ) -> Found {
        match (prompt, chosen, rejected) {
            (Said::Text(prompt), Said::Text(chosen), Said::Text(rejected)) => {
                Ok(if prompt.trim().is_empty() {
                    Self::flat("", chosen, rejected, TextForm::Whole)
                } else if is_rendered(prompt) || is_dialogue(prompt) {
                    Self::continued(prompt, chosen, rejected)
                } else {
                    let said = |role, text: &str| [Message::new(role, text)];
                    let answers = [chosen, rejected].map(|text| said(ASSISTANT_ROLE, text));
                    Self::written(&said(USER_ROLE, prompt), [&answers[0], &answers[1]], "")
                })
            }
            _ => Self::conversation(prompt.clone(), [chosen.clone(), rejected.clone()], ""),
        }
    }

    /// A pair of which at least one part is messages; `globals` is what a template is given beside
    /// them, as a JSON object.
    ///
    /// A prompt that both answers hold already, turn by turn, is not said twice. Without a prompt of
    /// its own a pair's prompt is what both answers begin with.
    pub(in super::super) fn conversation(
        prompt: Said<'_>,
        answers: [Said<'_>; 2],
        globals: &str,
    ) -> Found {
        let is_explicit = !prompt.is_blank();
        let mut prompt = prompt.into_prompt();
        let mut answers = answers.map(Said::into_answer);
        if answers.iter().any(Vec::is_empty) {
            return Err(DropReason::MissingAnswer);
        }
        let n_held = n_shared(&answers);
        // Instructions are not a question. Whether they stand alone or beside the question that the
        // answers repeat, they come before it.
        let is_system = |message: &Message| message.role == SYSTEM_ROLE;
        let (told, asked) = prompt.split_at(prompt.iter().take_while(|it| is_system(it)).count());
        let held = &answers[0][..n_held];
        if is_explicit && (asked.is_empty() || !told.is_empty() && ends_with(held, asked)) {
            for answer in answers.iter_mut().filter(|answer| !answer.first().is_some_and(is_system))
            {
                answer.splice(..0, told.iter().cloned());
            }
            return Self::conversation(Said::NOTHING, answers.map(Said::Messages), globals);
        }
        if is_explicit && !ends_with(&answers[0][..n_held], &prompt) {
            return Ok(Self::written(&prompt, [&answers[0], &answers[1]], globals));
        }
        let is_answer = |answer: &Vec<Message>| answer.iter().all(Message::is_assistant);
        if n_held == 0 && answers[0] != answers[1] && !answers.iter().all(is_answer) {
            return Err(DropReason::NoSharedPrompt);
        }
        prompt = answers[0][..n_held].to_vec();
        for answer in &mut answers {
            answer.drain(..n_held);
        }
        Ok(Self::written(&prompt, [&answers[0], &answers[1]], globals))
    }

    /// A conversation in flat texts.
    pub(super) fn written(prompt: &[Message], answers: [&[Message]; 2], globals: &str) -> Self {
        Self::of(FlatPair::of(prompt, answers, globals.to_owned()))
    }

    /// A written pair, of which the first answer is the chosen one.
    pub(super) fn of(pair: FlatPair) -> Self {
        let FlatPair { prompt, answers: [chosen, rejected], form } = pair;
        Self { prompt, chosen, rejected, form, fallback: false }
    }

    /// Refuses a pair that says nothing about preference.
    pub(in super::super) fn usable(self) -> Found {
        if self.chosen.trim().is_empty() && self.rejected.trim().is_empty() {
            Err(DropReason::EmptyResponses)
        } else if self.chosen == self.rejected && self.form == self.form.swapped() {
            Err(DropReason::IdenticalResponses)
        } else {
            Ok(self)
        }
    }
}

/// How many messages both answers begin with, leaving at least one to each.
fn n_shared([a, b]: &[Vec<Message>; 2]) -> usize {
    let n_equal = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    n_equal.min(a.len().saturating_sub(1)).min(b.len().saturating_sub(1))
}

/// Whether a conversation ends with these messages; the text of a prompt that is repeated beside it
/// may have lost the white space around it.
fn ends_with(conversation: &[Message], end: &[Message]) -> bool {
    let Some(start) = conversation.len().checked_sub(end.len()) else { return false };
    let is_same = |(a, b): (&Message, &Message)| {
        a == b || (a.role == b.role && a.text().trim() == b.text().trim() && b.fields.is_empty())
    };
    conversation[start..].iter().zip(end).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Message {
        Message::new(USER_ROLE, text)
    }

    fn model(text: &str) -> Message {
        Message::new(ASSISTANT_ROLE, text)
    }

    fn of(prompt: Said<'_>, a: Vec<Message>, b: Vec<Message>) -> Result<[String; 3], DropReason> {
        let answers = [Said::Messages(a), Said::Messages(b)];
        Texts::conversation(prompt, answers, "").map(|it| [it.prompt, it.chosen, it.rejected])
    }

    fn flat(prompt: &str, chosen: &str, rejected: &str) -> [String; 3] {
        [prompt, chosen, rejected].map(str::to_owned)
    }

    #[test]
    fn a_prompt_is_dropped_only_where_both_answers_hold_it() {
        let asked = "\n\nHuman: q\n\nAssistant:";
        let said = |text| Said::Text(Cow::Borrowed(text));
        let whole = |answer| vec![user("q"), model(answer)];
        assert_eq!(of(said("q "), whole("a"), whole("b")).unwrap(), flat("q", "a", "b"));
        assert_eq!(of(Said::NOTHING, whole("a"), whole("b")).unwrap(), flat("q", "a", "b"));
        // Not what they hold: it comes before.
        assert_eq!(
            of(said("Be brief."), whole("a"), whole("b")).unwrap(),
            flat(
                "\n\nHuman: Be brief.",
                "\n\nHuman: q\n\nAssistant: a",
                "\n\nHuman: q\n\nAssistant: b"
            )
        );
        // Instructions before the repeated question.
        let told = |answer| vec![Message::new("system", "s"), user("q"), model(answer)];
        assert_eq!(
            of(said("q"), told("a"), told("b")).unwrap(),
            flat(&format!("s{asked}"), " a", " b")
        );
        // Answers that hold a question of their own after it.
        let goes_on = vec![model("a"), user("r"), model("c")];
        assert_eq!(
            of(said("q"), goes_on, vec![model("b")]).unwrap(),
            flat(asked, " a\n\nHuman: r\n\nAssistant: c", " b")
        );
    }

    #[test]
    fn without_a_prompt_the_common_turns_are_one() {
        let a = vec![user("q"), model("x"), user("r"), model("a")];
        let mut b = a.clone();
        b[3] = model("b");
        let prompt = "\n\nHuman: q\n\nAssistant: x\n\nHuman: r\n\nAssistant:";
        assert_eq!(of(Said::NOTHING, a.clone(), b).unwrap(), flat(prompt, " a", " b"));
        let other = vec![user("other"), model("a")];
        assert_eq!(of(Said::NOTHING, a.clone(), other), Err(DropReason::NoSharedPrompt));
        // One answer is the other's beginning.
        let longer = [&a[..], &[user("s"), model("t")]].concat();
        assert_eq!(
            of(Said::NOTHING, a.clone(), longer).unwrap(),
            flat(prompt, " a", " a\n\nHuman: s\n\nAssistant: t")
        );
        assert_eq!(
            of(Said::NOTHING, vec![model("a")], vec![model("b")]).unwrap(),
            flat("", "\n\nAssistant: a", "\n\nAssistant: b")
        );
    }

    #[test]
    fn an_instruction_and_replies_are_a_conversation_and_stand_as_they_are() {
        let said = |text| Said::Text(Cow::Borrowed(text));
        let replies = |prompt, a, b| {
            let it = Texts::replies(&said(prompt), &said(a), &said(b)).unwrap();
            let messages = it.form.messages(&it.prompt, &it.chosen, 0);
            (it.prompt, it.chosen, messages)
        };
        let (prompt, chosen, messages) = replies("Say:\n\nAssistant: x", "  a\n", "b");
        assert_eq!((prompt.as_str(), chosen.as_str()), ("Say:\n\nAssistant: x", "  a\n"));
        assert_eq!(messages.unwrap(), [user("Say:\n\nAssistant: x"), model("  a\n")]);
        let (prompt, chosen, messages) = replies("\n\nHuman: q\n\nAssistant: ", "a ", "b");
        let as_given = ("\n\nHuman: q\n\nAssistant: ", "a ");
        assert_eq!((prompt.as_str(), chosen.as_str()), as_given);
        assert_eq!(messages.unwrap(), [user("q"), model("a")]);
        assert_eq!(replies("", "a", "b").2, None);
        assert_eq!(Texts::continued("q", " a", " b").form, TextForm::Plain);
        assert_eq!(Texts::continued("Human: q", " a", " b").form, TextForm::Plain);
        assert_eq!(Texts::continued("Human: q\n\nAssistant:", " a", " b").form, TextForm::Dialogue);
    }
}
