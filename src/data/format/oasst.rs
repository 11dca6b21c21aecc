//! Open Assistant's conversation trees: every message of a person with its ranked replies.

use super::ranking;
use super::texts::{Found, Read, Said};
use crate::data::json::{Json, list, missing, text};
use crate::domain::text::conversation::{ASSISTANT_ROLE, Message, USER_ROLE};

/// Replies below replies that are read; real trees are a dozen deep.
const DEPTH_MAX: usize = 64;

/// Whether a record is a tree.
pub(super) fn fits(record: &Json<'_>) -> bool {
    let root = record.get("prompt");
    root.get("replies").as_list().is_some() && root.get("text").as_text().is_some()
}

/// Whether a record is one message of a tree that was taken apart.
pub(super) fn is_message_row(record: &Json<'_>) -> bool {
    ["message_id", "role", "text"].iter().all(|key| record.has(key))
        && ["parent_id", "message_tree_id"].iter().any(|key| record.has(key))
}

pub(super) fn read(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let first = record.get("prompt");
    if first.is_null() {
        return Err(missing(record, "prompt"));
    }
    walk(first, &mut Vec::new(), cap, out)
}

/// Pairs the replies to this message, and goes down into those that have replies themselves.
fn walk(node: &Json<'_>, before: &mut Vec<Message>, cap: usize, out: &mut Vec<Found>) -> Read {
    let role = if before.len().is_multiple_of(2) { USER_ROLE } else { ASSISTANT_ROLE };
    before.push(Message::new(role, text(node, "text")?));
    let replies = if node.has("replies") { list(node, "replies")? } else { &[] };
    if role == USER_ROLE && replies.len() > 1 {
        let answers = replies.iter().map(|reply| text(reply, "text").map(Said::of));
        let answers = answers.collect::<Result<Vec<_>, _>>()?;
        // Rank 0 is the best; a reply that was not ranked can be compared with none.
        let scores: Vec<Option<f64>> =
            replies.iter().map(|reply| reply.get("rank").as_number().map(|rank| -rank)).collect();
        ranking::by_score(&Said::Messages(before.clone()), &answers, &scores, cap, out);
    }
    if before.len() < DEPTH_MAX {
        replies.iter().try_for_each(|reply| walk(reply, before, cap, out))?;
    }
    before.pop();
    Ok(())
}
