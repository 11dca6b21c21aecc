//! Axolotl's preference layout: `system` (optional), `input`, `chosen`, `rejected`, all texts.

use super::{Found, Read, Texts, optional_text, text};
use crate::data::json::Json;

pub(super) fn read(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let input = text(record, "input")?;
    let system = optional_text(record, "system")?.trim();
    let mut texts = Texts::dialogue(input, text(record, "chosen")?, text(record, "rejected")?);
    texts.prompt.insert_str(0, system);
    out.push(texts.usable());
    Ok(())
}
