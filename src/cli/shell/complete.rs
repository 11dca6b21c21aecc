//! What the shell offers for a word: commands and options, and what only the home knows, such as the
//! names of runs and presets.

use clap::Arg;

use crate::cli::print::print_text;
use crate::cli::{CliResult, arguments};
use crate::launch::presets;
use crate::report::glossary::TERMS;
use crate::spec;
use crate::spec::form;
use crate::store::{Access, Home, Store};

/// Arguments of `ser complete`.
#[derive(Debug, clap::Args)]
pub struct CompleteArgs {
    /// The words after `ser` up to the one that is completed, which may be empty
    #[arg(last = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// A word to offer, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    word: String,
    about: String,
}

impl Candidate {
    fn new(word: impl Into<String>, about: impl Into<String>) -> Self {
        Self { word: word.into(), about: about.into() }
    }
}

/// Prints the words that go on from the last one, each with a tab and what it is.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &CompleteArgs) -> CliResult {
    let (words, is_split) = joined(&args.words);
    let mut text = String::new();
    for Candidate { mut word, about } in candidates(&words) {
        // Of a word that bash broke, it replaces what stands behind the break.
        let typed = words.last().filter(|_| is_split).and_then(|it| it.rfind(['=', ':']));
        if let Some(at) = typed.filter(|at| *at < word.len()) {
            word.drain(..=at);
        }
        text.push_str(&word);
        text.push('\t');
        text.push_str(about.lines().next().unwrap_or_default());
        text.push('\n');
    }
    print_text(&text)
}

/// bash breaks words at `=` and `:`; whether the last one was put together again.
fn joined(words: &[String]) -> (Vec<String>, bool) {
    let is_break = |word: &str| matches!(word, "=" | ":");
    let mut out: Vec<String> = Vec::new();
    let mut is_last_split = false;
    for (at, word) in words.iter().enumerate() {
        let goes_on = is_break(word) || at > 0 && is_break(&words[at - 1]);
        match out.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(word),
            None => out.push(word.clone()),
        }
        is_last_split = goes_on;
    }
    (out, is_last_split)
}

fn candidates(words: &[String]) -> Vec<Candidate> {
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    let whole = arguments::command();
    let (mut command, mut n_positional) = (&whole, 0);
    let mut home = None;
    let mut waiting: Option<&Arg> = None;
    for word in before {
        if let Some(option) = waiting.take() {
            if option.get_id() == "home" {
                home = Some(word.into());
            }
            continue;
        }
        if let Some(name) = word.strip_prefix("--") {
            let (name, value) =
                name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            if name == "home" {
                home = value.map(Into::into);
            }
            let option = options(&whole, command).find(|it| it.get_long() == Some(name));
            waiting = option.filter(|it| value.is_none() && takes_value(it));
        } else if word.starts_with('-') {
            let is_it =
                |it: &&Arg| it.get_short().is_some_and(|short| word[1..] == short.to_string());
            waiting = options(&whole, command).find(is_it).filter(|it| takes_value(it));
        } else if let Some(inner) = command.find_subcommand(word).filter(|_| n_positional == 0) {
            command = inner;
        } else {
            n_positional += 1;
        }
    }
    let source = Source { home: Home::resolve(home).ok() };
    let mut found = if let Some(option) = waiting {
        source.values(option, command.get_name(), last)
    } else if let Some((name, value)) = last.strip_prefix("--").and_then(|it| it.split_once('=')) {
        let option = options(&whole, command).find(|it| it.get_long() == Some(name));
        let mut values =
            option.map_or_else(Vec::new, |it| source.values(it, command.get_name(), value));
        for value in &mut values {
            value.word = format!("--{name}={}", value.word);
        }
        values
    } else if last.starts_with('-') {
        options(&whole, command).filter_map(|it| Some((it, it.get_long()?))).map(named).collect()
    } else {
        let mut found: Vec<Candidate> = Vec::new();
        if n_positional == 0 {
            let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
            found.extend(inner.map(|inner| {
                let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
                Candidate::new(inner.get_name(), about)
            }));
        }
        let positionals: Vec<&Arg> = command.get_positionals().collect();
        let takes_many = |it: &&&Arg| it.get_num_args().is_some_and(|n| n.max_values() > 1);
        // The last one may take several.
        let argument =
            positionals.get(n_positional).or_else(|| positionals.last().filter(takes_many));
        found.extend(
            argument.into_iter().flat_map(|it| source.values(it, command.get_name(), last)),
        );
        found
    };
    found.retain(|candidate| candidate.word.starts_with(last.as_str()));
    found.dedup();
    found
}

/// The options of a command, those of every command among them.
fn options<'a>(
    whole: &'a clap::Command,
    command: &'a clap::Command,
) -> impl Iterator<Item = &'a Arg> {
    let global = whole.get_arguments().filter(|it| it.is_global_set());
    let own = command.get_arguments().filter(|it| !it.is_positional() && !it.is_global_set());
    own.filter(|it| !it.is_hide_set()).chain(global)
}

fn named((option, name): (&Arg, &str)) -> Candidate {
    let about = option.get_help().map(ToString::to_string).unwrap_or_default();
    Candidate::new(format!("--{name}"), about)
}

fn takes_value(option: &Arg) -> bool {
    option.get_action().takes_values()
}

/// Where words come from that the program alone does not know.
struct Source {
    home: Option<Home>,
}

impl Source {
    /// The values of an argument; of lists with commas only the last word goes on.
    fn values(&self, argument: &Arg, command: &str, typed: &str) -> Vec<Candidate> {
        let possible = argument.get_possible_values();
        if !possible.is_empty() {
            let about = |it: &clap::builder::PossibleValue| {
                it.get_help().map(ToString::to_string).unwrap_or_default()
            };
            return possible.iter().map(|it| Candidate::new(it.get_name(), about(it))).collect();
        }
        match (argument.get_id().as_str(), command) {
            ("run" | "runs" | "from" | "base" | "reward", _)
            | ("model", "score" | "serve" | "eval") => self.runs(),
            ("experiment", _) => self.experiments(),
            ("arms", "reproduce") => listed(typed, &arms()),
            ("arms", _) => arms(),
            ("spec", _) => self.presets(),
            ("sets", _) => settings(typed),
            ("word", _) => terms(),
            _ => Vec::new(),
        }
    }

    fn store(&self) -> Option<Store> {
        // No word is worth an error in the middle of a command line.
        Store::open(self.home.as_ref()?, Access::ReadOnly).ok()
    }

    fn runs(&self) -> Vec<Candidate> {
        let runs = self.store().and_then(|store| store.runs().ok()).unwrap_or_default();
        let about =
            |row: &crate::store::RunRow| format!("{} {}", row.arm, crate::report::status(row));
        runs.iter().map(|row| Candidate::new(&row.name, about(row))).collect()
    }

    fn experiments(&self) -> Vec<Candidate> {
        let runs = self.store().and_then(|store| store.runs().ok()).unwrap_or_default();
        let mut names: Vec<Candidate> = runs
            .iter()
            .filter_map(|row| Some(Candidate::new(row.experiment.as_deref()?, "experiment")))
            .collect();
        names.sort();
        names
    }

    fn presets(&self) -> Vec<Candidate> {
        let presets = self.home.as_ref().map(presets::read).unwrap_or_default();
        presets.into_iter().map(|preset| Candidate::new(preset.name, "preset")).collect()
    }
}

fn arms() -> Vec<Candidate> {
    spec::arms().map(|arm| Candidate::new(arm, "arm")).collect()
}

/// The values after what stands before the last comma.
fn listed(typed: &str, values: &[Candidate]) -> Vec<Candidate> {
    let head = typed.rfind(',').map_or("", |at| &typed[..=at]);
    values.iter().map(|it| Candidate::new(format!("{head}{}", it.word), &it.about)).collect()
}

/// `KEY=`, and behind it the values that a key may have; an arm may stand before the key.
fn settings(typed: &str) -> Vec<Candidate> {
    let keys = form::keys().unwrap_or_default();
    let (arm, rest) = match typed.split_once(':') {
        Some((arm, rest)) if spec::arms().any(|it| it == arm) => (format!("{arm}:"), rest),
        _ => (String::new(), typed),
    };
    let of_key = |key: form::KeyHelp| -> Vec<Candidate> {
        if rest.split_once('=').is_some_and(|(name, _)| name == key.key) {
            let value = |choice: &String| format!("{arm}{}={choice}", key.key);
            return key.choices.iter().map(|it| Candidate::new(value(it), "")).collect();
        }
        vec![Candidate::new(format!("{arm}{}=", key.key), key.help)]
    };
    keys.into_iter().flat_map(of_key).collect()
}

fn terms() -> Vec<Candidate> {
    let words = TERMS.iter().map(|term| Candidate::new(term.word(), term.is));
    let keys = form::keys().unwrap_or_default().into_iter();
    words.chain(keys.map(|key| Candidate::new(key.key, key.help))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        candidates(&words).into_iter().map(|candidate| candidate.word).collect()
    }

    #[test]
    fn commands_options_and_values_are_offered() {
        assert_eq!(offered(&["expl"]), ["explain"]);
        assert!(offered(&["data", ""]).contains(&"import".to_owned()));
        assert_eq!(offered(&["run", "--rng"]), ["--rng-seeds"]);
        assert_eq!(offered(&["run", "--arm", "seed"]), ["seed-only"]);
        assert_eq!(offered(&["run", "--arm=seed"]), ["--arm=seed-only"]);
        assert_eq!(offered(&["reproduce", "--arms", "ser,nai"]), ["ser,naive"]);
        assert_eq!(offered(&["run", "--set", "train.sch"]), ["train.schedule="]);
        assert_eq!(offered(&["run", "--set", "train.schedule=co"]).len(), 2);
        assert_eq!(offered(&["run", "--set", "ser:rounds.ma"]), ["ser:rounds.max="]);
        assert_eq!(offered(&["--color", "al"]), ["always"]);
        assert_eq!(offered(&["explain", "Brie"]), ["Brier"]);
        assert!(
            offered(&["worke"]).is_empty()
                && offered(&["complet"]).contains(&"completions".to_owned())
        );
        assert_eq!(offered(&["complete"]), [""; 0], "what is hidden is not offered");
    }

    #[test]
    fn runs_and_presets_are_those_of_the_home() {
        let mut fixture = crate::store::testing::store();
        fixture.run("first");
        fixture.run("fine");
        let home = fixture.home.root().display().to_string();
        std::fs::create_dir_all(presets::folder(&fixture.home)).unwrap();
        std::fs::write(presets::folder(&fixture.home).join("quick.toml"), "").unwrap();
        assert_eq!(offered(&["--home", &home, "show", "fir"]), ["first"]);
        let mut both = offered(&["compare", "--home", &home, "first", "f"]);
        both.sort();
        assert_eq!(both, ["fine", "first"]);
        assert_eq!(offered(&["run", "--home", &home, "q"]), ["quick"]);
        assert_eq!(offered(&["show", "--home=/nowhere", "f"]), [""; 0]);
    }

    #[test]
    fn words_that_bash_broke_are_put_together() {
        let split = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            joined(&words)
        };
        let (words, is_split) = split(&["run", "--set", "ser", ":", "train.schedule", "=", "co"]);
        assert_eq!((words[2].as_str(), is_split), ("ser:train.schedule=co", true));
        let (words, is_split) = split(&["run", "--set", "a", "=", "1", "--na"]);
        assert_eq!((words[2].as_str(), words[3].as_str(), is_split), ("a=1", "--na", false));
    }
}
