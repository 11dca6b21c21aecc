//! Axolotl's preference layout: `system` (optional), `input`, `chosen`, `rejected`, all texts.

use super::texts::{Found, Read, Said, Texts};
use crate::data::json::{Json, optional_text, text};
use crate::domain::text::conversation::{Message, SYSTEM_ROLE, USER_ROLE};

pub(super) fn read(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let input = text(record, "input")?;
    let answers = ["chosen", "rejected"].map(|key| text(record, key).map(Said::of));
    let [chosen, rejected] = answers;
    let prompt = match optional_text(record, "system")? {
        "" => Said::of(input),
        system => {
            Said::Messages(vec![Message::new(SYSTEM_ROLE, system), Message::new(USER_ROLE, input)])
        }
    };
    out.push(Texts::replies(&prompt, &chosen?, &rejected?));
    Ok(())
}
