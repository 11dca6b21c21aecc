//! Where the prompt of a pair of whole dialogues ends.
//!
//! HH-RLHF stores `chosen` and `rejected` as whole dialogues without a prompt field. The prompt is
//! the text up to and including the last `\n\nAssistant:` when that text is the same in both. In
//! about one row of 500 it is not (an answer that itself contains a turn, or histories that
//! diverged); then the prompt is the longest common prefix, cut back to the end of a word so that
//! neither answer starts inside one.

use crate::domain::text::dialogue::ASSISTANT;

/// Where two dialogues part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// Length of the prompt in bytes, the same in both texts.
    pub(super) prompt_bytes: usize,
    /// Whether the last assistant turns had different prompts, so that the common prefix was used.
    pub(super) fallback: bool,
}

/// Splits two whole dialogues. `None` when they share no assistant turn, so that the answers are
/// not answers to the same prompt.
pub(super) fn split_dialogues(chosen: &str, rejected: &str) -> Option<Split> {
    let end = |text: &str| last_marker(text).map(|at| at + ASSISTANT.len());
    let (a, b) = (end(chosen)?, end(rejected)?);
    if a == b && chosen.as_bytes()[..a] == rejected.as_bytes()[..a] {
        return Some(Split { prompt_bytes: a, fallback: false });
    }
    let prompt_bytes = common_words(chosen, rejected);
    chosen[..prompt_bytes].contains(ASSISTANT).then_some(Split { prompt_bytes, fallback: true })
}

/// Where the last [`ASSISTANT`] begins: `text.rfind(ASSISTANT)`, which takes a third of the time of
/// reading HH-RLHF, by its line ends.
fn last_marker(text: &str) -> Option<usize> {
    let mut line_ends = memchr::memrchr_iter(b'\n', text.as_bytes());
    line_ends.find(|at| text[*at..].starts_with(ASSISTANT))
}

/// Length of the longest common prefix that ends where a word ends in both texts (or at 0). White
/// space after it belongs to the answers.
pub(super) fn common_words(a: &str, b: &str) -> usize {
    let mut end = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    while !a.is_char_boundary(end) {
        end -= 1;
    }
    let inside = |text: &str| {
        !text[..end].ends_with(':')
            && text[end..].chars().next().is_some_and(|c| !c.is_whitespace())
    };
    if inside(a) || inside(b) {
        let Some(space) = a[..end].rfind(char::is_whitespace) else { return 0 };
        end = space;
    }
    a[..end].trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt<'a>(chosen: &'a str, rejected: &str) -> Option<(&'a str, bool)> {
        split_dialogues(chosen, rejected).map(|s| (&chosen[..s.prompt_bytes], s.fallback))
    }

    #[test]
    fn the_last_assistant_turn_ends_the_prompt() {
        let history = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:";
        let (x, y) = (format!("{history} yes"), format!("{history} yes indeed"));
        assert_eq!(prompt(&x, &y), Some((history, false)));
    }

    #[test]
    fn different_histories_fall_back_to_the_common_words() {
        let x = "\n\nHuman: q\n\nAssistant: I can\n\nHuman: go on\n\nAssistant: ok";
        let y = "\n\nHuman: q\n\nAssistant: In the sea";
        assert_eq!(prompt(x, y), Some(("\n\nHuman: q\n\nAssistant:", true)));
        let x = "\n\nHuman: q\n\nAssistant: Sure! Here is the link\n\nAssistant: x";
        let y = "\n\nHuman: q\n\nAssistant: Sure! Here is their list";
        assert_eq!(prompt(x, y), Some(("\n\nHuman: q\n\nAssistant: Sure! Here is", true)));
        // One answer is the start of the other.
        let x = "\n\nHuman: q\n\nAssistant: one";
        let y = "\n\nHuman: q\n\nAssistant: one\n\nHuman: r\n\nAssistant: two";
        assert_eq!(prompt(x, y), Some(("\n\nHuman: q\n\nAssistant: one", true)));
    }

    #[test]
    fn answers_to_different_questions_are_no_pair() {
        assert_eq!(prompt("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: c\n\nAssistant: b"), None);
        assert_eq!(prompt("no turn", "no turn at all"), None);
    }

    #[test]
    fn the_last_marker_is_found_wherever_it_stands() {
        for text in [
            "",
            "\n\nAssistant",
            ASSISTANT,
            "é\n\n\nAssistant: \n\nAssistant:\n\nAssistant",
            "\nAssistant:",
        ] {
            assert_eq!(last_marker(text), text.rfind(ASSISTANT), "{text:?}");
        }
    }

    #[test]
    fn prefixes_respect_characters_of_several_bytes() {
        // `é` and `è` share their first byte.
        assert_eq!(common_words("un é", "un è"), 2);
        assert_eq!(common_words("é", "è"), 0);
    }
}
