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
const ELVISH: &str = r#"use str

set edit:completion:arg-completer[ser] = {|@words|
    var found = [(try { e:ser complete -- (all $words[1..]) 2>/dev/null } catch { })]
    for line $found {
        var word about = (str:split &max=2 "\t" $line)
        # A key waits for its value.
        var suffix = ' '
        if (str:has-suffix $word '=') { set suffix = '' }
        var display = $word
        if (not-eq $about '') { set display = $word'  '$about }
        edit:complex-candidate $word &code-suffix=$suffix &display=$display
    }
    if (eq (count $found) 0) { edit:complete-filename $words[-1] }
}
"#;
const POWERSHELL: &str = r#"Register-ArgumentCompleter -Native -CommandName ser -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    if ($wordToComplete -eq '') { $words += '' }
    ser complete '--' @words 2>$null | ForEach-Object {
        $word, $about = $_ -split "`t", 2
        if (-not $about) { $about = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
    }
}
"#;

/// Prints the completions.
///
/// # Errors
/// When they cannot be written.
pub fn completions(args: &CompletionsArgs) -> CliResult {
    let script = match args.shell {
        Shell::Bash => BASH.to_owned(),
        Shell::Zsh => ZSH.to_owned(),
        Shell::Fish => FISH.to_owned(),
        Shell::Elvish => ELVISH.to_owned(),
        Shell::PowerShell => POWERSHELL.to_owned(),
        other => {
            return Err(CliError::input(format!("there are no completions for `{other}`")));
        }
    };
    let mut out = std::io::stdout().lock();
    out.write_all(script.as_bytes())?;
    Ok(out.flush()?)
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
