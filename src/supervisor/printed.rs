//! What the command line prints about a home, for a screen that shows the same: the two never tell
//! different stories.

use std::process::{Command, Stdio};

use super::{Local, Supervisor, SupervisorError};

impl Supervisor {
    /// What `ser ARGS` prints about this home. Nothing is changed by it.
    ///
    /// # Errors
    /// With the command's own sentence and hint when it fails.
    pub fn output(&self, args: &[String]) -> Result<String, SupervisorError> {
        let program = Local::default().program()?;
        let output = Command::new(&program)
            .args(args)
            .args(["--read-only", "--home"])
            .arg(self.home.root())
            .stdin(Stdio::null())
            .output()
            .map_err(|source| SupervisorError::Start { program, source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let (message, hint) = split_error(&String::from_utf8_lossy(&output.stderr));
        Err(SupervisorError::Printed { message, hint })
    }
}

/// The message and the `hint:` line of a failed command.
fn split_error(text: &str) -> (String, Option<String>) {
    let mut message = Vec::new();
    let mut hint = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("hint:") {
            Some(rest) => hint = Some(rest.trim().to_owned()),
            None => message.push(line.strip_prefix("error:").unwrap_or(line).trim()),
        }
    }
    (message.join(" "), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_commands_sentence_and_hint_come_apart() {
        let (message, hint) = split_error("error: `x` is unknown\nhint: use `y`\n");
        assert_eq!(message, "`x` is unknown");
        assert_eq!(hint.as_deref(), Some("use `y`"));
        assert_eq!(split_error(""), (String::new(), None));
    }
}
