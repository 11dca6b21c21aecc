//! Why a command cannot act on the launch screen.

use super::FormRow;
use super::command::LaunchCommand;
use crate::tui::shell::keymap::command::Command;
use crate::tui::shell::model::{Model, READ_ONLY};

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let Command::Launch(command) = command else { return None };
    if model.launch.is_waiting {
        return Some("the spec of that run is still being read".to_owned());
    }
    let starts = matches!(command, LaunchCommand::Start | LaunchCommand::DryRun);
    if starts && model.is_read_only {
        return Some(READ_ONLY.to_owned());
    }
    let is_policy = matches!(&model.launch.checked, Some(Ok(spec)) if spec.policy.is_some());
    if command == LaunchCommand::DryRun && is_policy {
        let why = "a dry run has a home of its own, without the run that rewards a policy";
        return Some(format!("{why} · fewer `policy.steps` try one"));
    }
    let needs_spec = starts || matches!(command, LaunchCommand::Editor | LaunchCommand::SavePreset);
    if needs_spec {
        return model.launch.problem();
    }
    let row = model.launch.rows.get(model.launch.cursor)?;
    match command {
        LaunchCommand::Reset => {
            (!row.is_changed()).then(|| format!("{} is as it was", row.label()))
        }
        LaunchCommand::ResetAll => {
            let is_changed = model.launch.rows.iter().any(FormRow::is_changed);
            (!is_changed).then(|| "nothing was changed".to_owned())
        }
        LaunchCommand::Edit
        | LaunchCommand::Next
        | LaunchCommand::Previous
        | LaunchCommand::Start
        | LaunchCommand::DryRun
        | LaunchCommand::Editor
        | LaunchCommand::SavePreset
        | LaunchCommand::Template
        | LaunchCommand::Find
        | LaunchCommand::FindNext => None,
    }
}
