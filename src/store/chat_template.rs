//! The chat template that a run's model reads with, as its worker has reported it.

use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::{Store, keys};
use crate::domain::event::RunEvent;
use crate::domain::run::RunId;
use crate::domain::spec::ChatTemplateRecord;

impl Store {
    /// The template with its text; `None` when prompt and answer are read as they stand, or the model
    /// has not been opened yet.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn chat_template(&self, run: &RunId) -> Result<Option<ChatTemplateRecord>, StoreError> {
        let body: Option<String> = self.read(|connection| {
            let key = keys::run(connection, run)?;
            // The tag of the event comes first in its JSON.
            let sql = r#"SELECT body FROM events
                         WHERE run = ?1 AND body LIKE '{"event":"model_opened"%'
                         ORDER BY seq LIMIT 1"#;
            let row = connection.prepare_cached(sql)?.query_row([key], |row| row.get(0));
            Ok(row.optional()?)
        })?;
        let Some(body) = body else { return Ok(None) };
        match serde_json::from_str(&body) {
            Ok(RunEvent::ModelOpened { chat_template, .. }) => Ok(chat_template),
            Ok(_) => Ok(None),
            Err(source) => {
                Err(StoreError::Json { what: format!("the model event of `{run}`"), source })
            }
        }
    }
}
