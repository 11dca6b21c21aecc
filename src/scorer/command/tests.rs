//! A command that scores, in the language of the shell.

use std::path::Path;

use super::*;
use crate::domain::text::conversation::TextForm;

const FORM: TextForm = TextForm::Plain;

fn ask(command: &str, n: usize) -> Result<Vec<Option<f64>>, ScorerError> {
    let mut scorer = CommandScorer::start(command)?;
    scorer.set_time_limit(Duration::from_secs(1));
    scores(&mut scorer, n)
}

fn scores(scorer: &mut CommandScorer, n: usize) -> Result<Vec<Option<f64>>, ScorerError> {
    let answers: Vec<String> = (0..n).map(|i| "x".repeat(i)).collect();
    let text = |response| Text { form: &FORM, prompt: "Why?", response };
    let texts: Vec<Text<'_>> = answers.iter().map(|it| text(it)).collect();
    scorer.scores(&texts)
}

/// A judge in the language of the shell: the id of each line is its score.
const ECHO: &str = r#"while read -r line; do
    id=${line#*:}; id=${id%%,*}
    echo "{\"id\": $id, \"score\": $id}"
done"#;

#[test]
fn a_process_scores_everything_it_is_asked() {
    let mut scorer = CommandScorer::start(ECHO).unwrap();
    // More than one batch, then further ones of the same process.
    let n = N_AT_ONCE + 3;
    let want: Vec<Option<f64>> = (0..n).map(|i| Some(i as f64)).collect();
    assert_eq!(scores(&mut scorer, n).unwrap(), want);
    assert_eq!(scores(&mut scorer, 1).unwrap(), [Some(n as f64)]);
    assert_eq!(scores(&mut scorer, 0).unwrap(), []);
}

#[test]
fn replies_may_come_together_and_in_any_order() {
    // Collects lines until none is left, then replies to the last one first.
    let command = r#"all=
    while read -r line; do
        id=${line#*:}; id=${id%%,*}
        all="{\"id\": $id, \"score\": null, \"why\": 1}
$all"
        case $line in *'"left":0'*) echo "$all"; all= ;; esac
    done"#;
    assert_eq!(ask(command, 5).unwrap(), [None; 5]);
}

#[test]
fn much_text_both_ways_is_no_deadlock() {
    // Writes 20 kB before it reads the next line, which is as long.
    let command = r#"pad=$(head -c 20000 /dev/zero | tr '\0' x)
    while read -r line; do
        id=${line#*:}; id=${id%%,*}
        echo "{\"pad\": \"$pad\", \"id\": $id, \"score\": ${#line}}"
    done"#;
    let mut scorer = CommandScorer::start(command).unwrap();
    let long = "y".repeat(20_000);
    let texts = vec![Text { form: &FORM, prompt: "Why?", response: &long }; 200];
    let found = scorer.scores(&texts).unwrap();
    assert!(found.iter().all(|it| it.is_some_and(|length| length > 20_000.0)));
}

#[test]
fn each_fault_is_one_line_with_a_hint() {
    for (command, want, said) in [
        ("exit 3", "`exit 3` ended (exit status: 3) after 0 of 2 replies", ""),
        ("kill -9 $$", "`kill -9 $$` ended (signal: 9 (SIGKILL)) after 0 of 2", ""),
        (
            "no-such-judge",
            "`no-such-judge` ended (exit status: 127) after 0 of 2 replies",
            "no-such-judge",
        ),
        (
            "echo one >&2; echo two >&2; read -r a; echo '{\"id\": 0, \"score\": 1}'",
            "ended (exit status: 0) after 1 of 2 replies",
            "two",
        ),
        ("echo Loading; cat", "wrote no JSON object in line 1 of its output: `Loading`", ""),
        (
            "echo; echo '{\"id\": 9, \"score\": 1}'; cat",
            "in line 2 of its output, which is none",
            "",
        ),
        (
            "echo '{\"id\": 1, \"score\": 1}'; echo '{\"id\": 1, \"score\": 1}'; cat",
            "replied to `id` 1 in line 2 of its output, which it has replied to before",
            "",
        ),
        ("cat", "left `score` out of line 1 of its output: `{\"id\":0,\"prompt\":", ""),
        ("sleep 100", "has not replied for 1 s, after 0 of 2 replies", ""),
        ("head -c 2000000 /dev/zero | tr '\\0' x; cat", "line 1 of its output with more than", ""),
    ] {
        let error = ask(command, 2).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(want), "{command}: {text}");
        assert!(text.lines().count() == 1 && error.hint().is_some(), "{command}: {text}");
        let last = error.said().last().cloned().unwrap_or_default();
        assert!(last.contains(said), "{command}: {last}");
    }
}

/// Whether a process is there; one that has ended and waits for its parent counts as gone.
fn is_there(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|it| !it.contains(") Z "))
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_ends_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    // Neither it nor its child ends with its input.
    let command =
        format!("sleep 1000 & echo $! $$ > '{}'; trap '' TERM; {ECHO}; sleep 1000", file.display());
    let mut scorer = CommandScorer::start(&command).unwrap();
    assert_eq!(scores(&mut scorer, 1).unwrap(), [Some(0.0)]);
    let pids = std::fs::read_to_string(&file).unwrap();
    let mut pids: Vec<String> = pids.split_whitespace().map(str::to_owned).collect();
    pids.push(scorer.guard.as_ref().unwrap().id().to_string());
    assert!(pids.iter().all(|pid| is_there(pid)), "{pids:?}");
    drop(scorer);
    let gone = || pids.iter().all(|pid| !is_there(pid));
    let begin = Instant::now();
    while !gone() && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(LOOK_EVERY);
    }
    assert!(gone(), "{pids:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_ends_where_nobody_could_drop_it() {
    let mut scorer = CommandScorer::start("sleep 1000 & wait").unwrap();
    let pid = scorer.child.id().to_string();
    assert!(is_there(&pid));
    // As the end of this process would close it.
    drop(scorer.guard.as_mut().unwrap().stdin.take());
    assert!(scorer.ended_within(GRACE + Duration::from_secs(3)).is_some());
}
