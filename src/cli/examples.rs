//! Examples for the help and the manual page of each command.
// a table of data

/// Commands, with subcommands after a space, and what one may write.
pub const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("ser", "open the interface"),
            ("ser run", "start the embedded experiment and watch it"),
            ("ser run --set data.source=pairs.jsonl --detach", "train on pairs of yours"),
            ("ser doctor", "check the installation"),
        ],
    ),
    (
        "run",
        &[
            ("ser run", "the embedded experiment"),
            ("ser run spec.toml --set train.epochs=2", "a spec file, with one key changed"),
            ("ser run quick", "a preset that the form kept under this name"),
            (
                "ser run --set model.backbone=hf:HuggingFaceTB/SmolLM2-135M --detach",
                "a model of the Hub",
            ),
            ("ser run --set data.source=hf:Anthropic/hh-rlhf/helpful-base", "pairs of the Hub"),
            ("ser run --arm ser --arm seed-only --rng-seeds 1,2,3", "six runs, one experiment"),
            ("ser run --arm ser --arm seed-only --set ser:rounds.max=1", "a key of one arm"),
            ("ser run --from my-run --policy rloo", "a policy trained by the run's reward model"),
            ("ser run --print-spec", "every key with what it means"),
        ],
    ),
    (
        "sft",
        &[
            (
                "ser sft --set model.backbone=./model --set data.source=pairs.jsonl",
                "a model and pairs of yours",
            ),
            (
                "ser sft --set policy.sft.epochs=3 --set model.tuning=lora",
                "three passes, low-rank adapters",
            ),
        ],
    ),
    ("reproduce", &[("ser reproduce --help", "what the published protocol needs")]),
    ("runs", &[("ser runs", "the table"), ("ser runs --json", "for a program")]),
    ("show", &[("ser show my-run", "one run"), ("ser show my-run --json", "with every round")]),
    ("rounds", &[("ser rounds my-run --csv", "a line for each round")]),
    (
        "policy",
        &[
            ("ser policy my-policy", "reward, gold and divergence by evaluation"),
            ("ser policy my-policy --steps --csv", "every metric of every step"),
            ("ser policy one other", "which of them wins how often"),
        ],
    ),
    (
        "rollouts",
        &[
            ("ser rollouts my-policy --order gap", "the answers of the latest step"),
            ("ser rollouts my-policy --all --json", "all of them, for a program"),
            ("ser rollouts my-policy --veto 12", "never ask this prompt again"),
        ],
    ),
    ("compare", &[("ser compare my-run other-run", "paired differences with their intervals")]),
    ("tag", &[("ser tag my-run +paper -draft", "add one tag, take one off")]),
    ("note", &[("ser note my-run", "print the note")]),
    ("archive", &[("ser archive my-run", "out of the list; nothing is deleted")]),
    ("star", &[("ser star my-run", "measure others against it")]),
    (
        "samples",
        &[
            ("ser samples my-run", "the pairs of the last round"),
            ("ser samples my-run --queue audit", "those to look at first"),
        ],
    ),
    ("veto", &[("ser veto my-run 12 40 --reason unclear", "never train on these")]),
    ("keep", &[("ser keep my-run 12", "this label is right")]),
    ("verdicts", &[("ser verdicts my-run", "who decided what, and how far they agree")]),
    ("flip", &[("ser flip my-run 12", "the other answer is the better one")]),
    ("undo", &[("ser undo my-run", "take the latest verdict back")]),
    ("redo", &[("ser redo my-run", "bring it back")]),
    ("attach", &[("ser attach my-run", "watch it; `q` leaves it going")]),
    (
        "record",
        &[
            ("ser record -o demo.cast", "the interface, until you leave it"),
            ("ser record --idle 2 -- attach my-run", "a run, without long pauses when played"),
        ],
    ),
    ("pause", &[("ser pause my-run", "hold it at its next step")]),
    ("resume", &[("ser resume my-run", "go on from the last checkpoint")]),
    ("stop", &[("ser stop my-run", "end it after a checkpoint")]),
    (
        "queue",
        &[
            ("ser queue", "what is at work, what waits, and for what"),
            ("ser queue first my-run", "next when a slot is free"),
            ("ser queue now my-run", "at once, beside what runs"),
        ],
    ),
    ("queue first", &[("ser queue first my-run", "next when a slot is free")]),
    ("queue last", &[("ser queue last my-run", "behind all others")]),
    ("queue up", &[("ser queue up my-run", "one place forward")]),
    ("queue down", &[("ser queue down my-run", "one place back")]),
    ("queue now", &[("ser queue now my-run", "at once, beside what runs")]),
    (
        "data",
        &[
            ("ser data check pairs.jsonl", "what is in a file"),
            ("ser data list", "what is imported"),
        ],
    ),
    (
        "data import",
        &[
            ("ser data import pairs.jsonl", "into the store"),
            ("ser data import hf:Anthropic/hh-rlhf/helpful-base", "the training pairs of a folder"),
        ],
    ),
    ("data list", &[("ser data list --json", "for a program")]),
    (
        "data check",
        &[
            ("ser data check embedded:train", "the pairs that come with the program"),
            ("ser data check pairs.json --write spec.toml", "a proposal as a spec for `ser run`"),
        ],
    ),
    (
        "data show",
        &[
            ("ser data show 3 --limit 10", "pairs of an imported data set"),
            ("ser data show pairs.jsonl --json", "those of a file, for a program"),
        ],
    ),
    ("data remove", &[("ser data remove 3", "delete one that no run uses")]),
    (
        "model",
        &[
            ("ser model list", "what is on this machine"),
            ("ser model import hf:sentence-transformers/all-MiniLM-L6-v2", "fetch one"),
        ],
    ),
    ("model list", &[("ser model list --json", "for a program")]),
    (
        "model check",
        &[
            ("ser model check models/mine", "a folder"),
            ("ser model check hf:owner/name@v1.0 --json", "a tag of the Hub"),
        ],
    ),
    (
        "model import",
        &[
            ("ser model import hf:owner/name", "into the cache that transformers shares"),
            ("ser model import models/mine --name mine", "a copy that stays as it is"),
        ],
    ),
    (
        "score",
        &[
            ("ser score my-run texts.jsonl", "a reward for each line"),
            ("ser score models/mine --full", "records from standard input, with rewards added"),
        ],
    ),
    (
        "serve",
        &[
            ("ser serve my-run", "for programs on this machine"),
            (
                "ser serve models/mine --listen 0.0.0.0:5000 --token-file token",
                "for other machines too",
            ),
        ],
    ),
    (
        "generate",
        &[
            ("ser generate models/mine prompts.jsonl", "an answer to each prompt"),
            (
                "ser generate models/mine -n 8 --temperature 0.8 --reward my-run",
                "eight, with rewards",
            ),
        ],
    ),
    (
        "pairs",
        &[(
            "ser pairs ./policy --from my-run --reward my-run --out own.jsonl",
            "its answers to the pool's prompts, best against worst",
        )],
    ),
    (
        "best-of",
        &[
            (
                "ser best-of embedded --reward my-run --gold oracle",
                "every n up to 64, judged by the oracle",
            ),
            ("ser best-of models/mine prompts.jsonl --reward my-run -n 16", "on prompts of yours"),
        ],
    ),
    ("chat", &[("ser chat models/mine", "talk with a language model")]),
    ("eval", &[("ser eval my-run embedded:test", "accuracy with its interval, by slice")]),
    (
        "export",
        &[
            ("ser export my-run --format hf -o out", "a directory for transformers"),
            ("ser export my-run --format html -o report.html", "a report to read and send on"),
        ],
    ),
    (
        "explain",
        &[
            ("ser explain ECE", "two lines on a number"),
            ("ser explain train.epochs", "a key of a spec"),
            ("ser explain", "every word"),
        ],
    ),
    ("config", &[("ser config", "the whole file, commented")]),
    ("config path", &[("ser config path", "where it lies")]),
    (
        "query",
        &[
            ("ser query 'SELECT name, arm FROM runs'", "a table"),
            ("ser query --schema", "the tables, with more examples"),
        ],
    ),
    ("bench", &[("ser bench", "the embedded model on this machine")]),
    ("doctor", &[("ser doctor", "everything"), ("ser doctor --json", "for a program")]),
    (
        "completions",
        &[(
            "ser completions bash > ~/.local/share/bash-completion/completions/ser",
            "for every new shell",
        )],
    ),
    ("man", &[("ser man ~/.local/share/man/man1", "then `man ser-run`")]),
];

/// The examples of a command as a paragraph of its help.
#[must_use]
pub fn paragraph(command: &str) -> Option<String> {
    let (_, examples) = EXAMPLES.iter().find(|(name, _)| *name == command)?;
    let width = examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0).min(44);
    let mut text = "Examples:".to_owned();
    for (line, what) in *examples {
        text += "\n  ";
        let entry = if line.len() > width {
            format!("{line}\n  {:width$}  {what}", "")
        } else {
            format!("{line:width$}  {what}")
        };
        text.push_str(&entry);
    }
    Some(text)
}
