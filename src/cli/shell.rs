//! `ser completions` and `ser man`: what the shell and the manual know about the commands.

pub mod complete;

use std::io::Write;
use std::path::PathBuf;

use clap_complete::Shell;

use super::{CliError, CliResult, arguments};
use crate::cli::print::print_line;

/// Arguments of `ser completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Arguments of `ser man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Where to write the pages; made if it is not there
    dir: PathBuf,
}

/// Each asks `ser complete` for the words that go on, so that runs, presets, arms and keys of a spec are
/// offered; where it knows none, files are.
const BASH: &str = r#"_ser() {
    local IFS=$'\n' line
    COMPREPLY=()
    while read -r line; do
        [[ -n "${line%%$'\t'*}" ]] && COMPREPLY+=("${line%%$'\t'*}")
    done < <(ser complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    # A key waits for its value.
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *= ]]; then compopt -o nospace; fi
}
complete -o bashdefault -o default -F _ser ser
"#;
const ZSH: &str = r#"#compdef ser
_ser() {
    local -a found
    local line
    for line in "${(@f)$(ser complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( $#found )); then _describe 'ser' found; else _files; fi
}
if [[ $funcstack[1] == _ser ]]; then _ser "$@"; else compdef _ser ser; fi
"#;
const FISH: &str = r"function __ser_complete
    set -l words (commandline -opc) (commandline -ct)
    ser complete -- $words[2..] 2>/dev/null
end
complete -c ser -a '(__ser_complete)'
";

/// Prints the completions.
///
/// # Errors
/// When they cannot be written.
pub fn completions(args: &CompletionsArgs) -> CliResult {
    let script = match args.shell {
        Shell::Bash => BASH.as_bytes().to_vec(),
        Shell::Zsh => ZSH.as_bytes().to_vec(),
        Shell::Fish => FISH.as_bytes().to_vec(),
        // The others know commands and options only.
        other => {
            let mut script = Vec::new();
            let mut command = visible(&arguments::command());
            clap_complete::generate(other, &mut command, "ser", &mut script);
            script
        }
    };
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    Ok(out.flush()?)
}

/// The command without what is hidden, which the scripts would offer.
fn visible(command: &clap::Command) -> clap::Command {
    let name = command.get_name().to_owned();
    let about = command.get_about().cloned().unwrap_or_default();
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set()).map(visible);
    clap::Command::new(name).about(about).args(command.get_arguments().cloned()).subcommands(inner)
}

/// Writes a manual page for every command.
///
/// # Errors
/// When a file cannot be written.
pub fn man(args: &ManArgs) -> CliResult {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).map_err(|error| CliError::io("create", dir, &error))?;
    clap_mangen::generate_to(arguments::command(), dir)
        .map_err(|error| CliError::io("write", dir, &error))?;
    print_line(&format!("{}", dir.join("ser.1").display()))
}
