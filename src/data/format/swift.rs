//! ms-swift's preference sets: a conversation in `messages` that ends with the better answer, and the
//! other one as `rejected_response` (a text) or `rejected_messages` (a whole conversation).

use super::messages;
use super::texts::{Found, Read, Said, Texts};
use crate::data::json::{Json, list, optional_text};
use crate::domain::text::conversation::{Message, SYSTEM_ROLE};

/// Whether a record is one of these.
pub(super) fn fits(record: &Json<'_>) -> bool {
    record.get("messages").as_list().is_some()
        && (record.has("rejected_response") || record.has("rejected_messages"))
}

pub(super) fn read(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let mut whole = messages::read("messages", list(record, "messages")?)?;
    let globals = super::trl::globals(record)?;
    let system = optional_text(record, "system")?;
    if !system.is_empty() {
        whole.insert(0, Message::new(SYSTEM_ROLE, system));
    }
    if record.has("rejected_messages") {
        let other = messages::read("rejected_messages", list(record, "rejected_messages")?)?;
        let answers = [whole, other].map(Said::Messages);
        out.push(Texts::conversation(Said::NOTHING, answers, &globals));
        return Ok(());
    }
    let rejected = Said::read("rejected_response", record.get("rejected_response"))?;
    let chosen = Said::Messages(whole.pop().into_iter().collect());
    out.push(Texts::conversation(Said::Messages(whole), [chosen, rejected], &globals));
    Ok(())
}
