//! Templates against transformers: every text to the byte, every error an error, or refused for a reason
//! that is named here.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    tokens: BTreeMap<String, String>,
    /// JSON texts, for the order of keys and the kinds of numbers count.
    conversations: Vec<String>,
    tools: String,
    documents: String,
    extras: Vec<String>,
    templates: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    template: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    conversation: usize,
    prompt: bool,
    tools: bool,
    documents: bool,
    extra: usize,
    /// `None` where transformers raises.
    text: Option<String>,
}

/// What transformers renders and is refused here, by the words it is refused with.
const REFUSED: &[(&str, &[&str])] = &[
    ("`autoescape`", &["autoescape"]),
    ("`block`", &["block"]),
    ("`break` inside of `set`", &["for_break_in_set"]),
    ("`else` of a loop", &["for_else_continue", "recursive_else"]),
    ("`print`", &["print_tag"]),
    ("`raw` at the end of a line", &["raw_break"]),
    ("`self`", &["self"]),
    ("`varargs`", &["generation_in_macro", "macro_attributes", "macro_varargs", "varargs"]),
    ("a backslash before such a letter", &[r"'\é'"]),
    ("a filter of `loop`", &["for_loop_item"]),
    ("a fraction as a place in a list", &["l[1.0]"]),
    (
        "a message written as a whole",
        &["message_items", "message_json", "messages_printed", "reasoning_names"],
    ),
    ("beside where it is named", &["macro", "macro_default_later", "with_outer"]),
    (
        "cannot be printed",
        &[
            "(l | map('abs') | reverse)",
            "[1] * 2",
            "for_loop_printed",
            "l | map('abs')",
            "l | reverse",
            "range(3)",
            "users | groupby('age') | list",
        ],
    ),
    ("cannot convert string to usize", &["[1, 2, 3] | batch('a') | list"]),
    ("cannot print this", &["dict", "namespace"]),
    ("filter name is required", &["l | map"]),
    (
        "format spec",
        &[
            "'{!s:>4}'.format(none)",
            "'{:.2f} {:8.3f} {:e} {:g} {:.0f} {:%}'.format(3.14159, 2.5, 12345.678, 0.0001, 2.5, 0.25)",
            "'{:{w}}|'.format('a', w=4)",
            "'{a} {b!r}'.format(a=1, b='x')",
        ],
    ),
    (
        "has no method",
        &[
            "'-7'.zfill(4)",
            "'7'.zfill(3)",
            "'Ab Cd'.istitle()",
            "'ab'.center(5)",
            "'ab'.center(5, '*')",
            "'ab'.ljust(4) ~ '|'",
            "'ab'.rjust(4, '.')",
            "'abc'.center(6)",
            "'{a}'.format_map({'a': 3})",
            "n.bit_length()",
            "word.casefold()",
            "word.encode('utf-8')",
            "word.expandtabs()",
            "word.index('n')",
            "word.isidentifier()",
            "word.rindex('a')",
            "word.swapcase()",
            "word.translate({})",
            "x.is_integer()",
        ],
    ),
    ("invalid operation", &["dict(*[[('q', 1)]], **{'r': 2})", "dict([('a', 1)], c=2)"]),
    ("is a method of Python", &["d['keys'] is callable"]),
    (
        "is unknown",
        &[
            r"'<b>a</b>  <!-- no --> c\n d' | striptags",
            "'The quick brown fox jumps' | truncate(10)",
            "'The quick brown fox jumps' | truncate(10, false, '..', 0)",
            "'The quick brown fox jumps' | truncate(10, true)",
            "'The quick brown fox jumps' | wordcount",
            "'The quick brown fox' | truncate(18)",
            "'a b/c?é&' | urlencode",
            "'ab' | center(7) ~ '|'",
            "'Élan vital' | wordcount",
            "(word | attr('upper'))()",
            "[('x', 'y z')] | urlencode",
            "cycler('a', 'b')",
            "d | attr('a')",
            "d | attr('items') is callable",
            "html | striptags",
            "joiner(', ')",
            "l | pprint",
            "l | random",
            "lipsum()",
            "n | filesizeformat",
            "word | attr('upper')",
            "word | urlize",
            "word | wordwrap(3)",
            "{'a': 'b c', 'd': 1} | urlencode",
            "{'class': 'a<b', 'n': none, 'id': 5} | xmlattr",
            "{} | xmlattr",
        ],
    ),
    (
        "marked as safe",
        &[
            "'<' + ('b' | safe)",
            r"(d | tojson | safe) + '\n<'",
            "(html | e) + '<'",
            "html | safe | upper",
        ],
    ),
    ("no items", &["none | map('upper') | list"]),
    ("none has no part", &["none[1:]"]),
    ("not iterable", &["0 | select | list", "for_unpack"]),
    ("outside ASCII", &["'é'.isalpha()"]),
    ("read once", &["d.keys()[0]"]),
    ("set behind a macro", &["macro_before_set"]),
    (
        "strftime formatting failed: %z failed: requires time zone offset",
        &["strftime_now('%a %e %I %u %w %c|%x|%X|%D|%F|%T|%R|%f|%z|')"],
    ),
    (r"the letter '\u{1c}' in a template", &["minus_other_space"]),
    (
        "too many arguments",
        &[
            "word.count('a', 2)",
            "word.endswith('', 6)",
            "word.endswith('', 7)",
            "word.find('a', -1)",
            "word.find('an', 2)",
            "word.find('an', 2, 4)",
            "word.startswith('an', 1)",
            "word.startswith('an', 1, 2)",
            "words | sort(true)",
            "words | unique(true) | list",
            "{'b': 1, 'A': 2} | dictsort(true)",
        ],
    ),
    ("unexpected `,`, expected end of block", &["if_tuple"]),
    ("unknown filter", &["words | map('truncate', 3, true, '') | list"]),
    (
        "without a call",
        &[
            "d.fromkeys",
            "d.items",
            "d.items is callable",
            "d.update is defined",
            "n.real",
            "tools_items",
            "word.upper",
            "word.upper is callable",
            "word.upper.__name__",
        ],
    ),
];
/// What transformers refuses and is rendered here: such a template is of no use there.
const LAX: &[&str] = &[
    "'%s %s' | format(*l)",
    "'a' < 1",
    "'ab' * 2.0",
    "'{:>4}'.format(none)",
    "1 in 'a1'",
    "1.",
    "[[1], [1]] | unique | list",
    "d.get([1])",
    "dict(a=1, **{'a': 2})",
    "hard_filter",
    "missing < 1",
    "mixed | max",
    "mixed | sort",
    "namespace(_a=1)",
    "none < 1",
    "set_namespace_hidden",
    "{'b': 1, 'A': 2} | dictsort(by='x')",
    "{[1]: 2}",
];

/// Runs of the corpus: equal, failing in both, refused here, refused in transformers alone.
const COUNTS: [usize; 4] = [785, 162, 130, 18];

fn messages(text: &str) -> Vec<Message> {
    let all: Vec<Fields<'_>> = serde_json::from_str(text).unwrap();
    let message = |Fields(fields): &Fields<'_>| {
        let mut message = Message { content: Content::Absent, ..Message::new("", "") };
        let mut others = Vec::new();
        for (name, raw) in fields {
            match (name.as_str(), serde_json::from_str::<String>(raw.get())) {
                ("role", Ok(role)) => message.role = role,
                ("content", Ok(text)) => message.content = Content::Text(text),
                ("content", Err(_)) => message.content = Content::Json(raw.get().to_owned()),
                _ => others.push(format!("{name:?}:{}", raw.get())),
            }
        }
        if !others.is_empty() {
            message.fields = format!("{{{}}}", others.join(","));
        }
        message
    };
    all.iter().map(message).collect()
}

fn globals(fixture: &Fixture, run: &Run) -> String {
    let mut parts = Vec::new();
    parts.extend(run.tools.then(|| format!("\"tools\":{}", fixture.tools)));
    parts.extend(run.documents.then(|| format!("\"documents\":{}", fixture.documents)));
    let extra = &fixture.extras[run.extra];
    parts.extend((extra != "{}").then(|| extra[1..extra.len() - 1].to_owned()));
    format!("{{{}}}", parts.join(","))
}

/// What differs, and how many runs: equal, failing in both, refused here, refused in transformers alone.
fn compared(text: &str) -> (Vec<String>, [usize; 4]) {
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    let (mut wrong, mut counts) = (Vec::new(), [0; 4]);
    for case in &fixture.templates {
        let program = Program::new(&case.template, &fixture.tokens);
        for run in &case.runs {
            let messages = messages(&fixture.conversations[run.conversation]);
            let globals = globals(&fixture, run);
            let mine = match &program {
                Ok(program) => program.render(&messages, &globals, run.prompt),
                Err(detail) => Err(detail.clone()),
            };
            match (&mine, &run.text) {
                (Ok(mine), Some(text)) if mine == text => counts[0] += 1,
                (Err(_), None) => counts[1] += 1,
                (Err(detail), Some(_)) if is_refused(&case.name, detail) => counts[2] += 1,
                (Ok(_), None) if LAX.contains(&case.name.as_str()) => counts[3] += 1,
                _ => wrong.push(format!(
                    "{} on conversation {}: {}\n  ser:          {mine:?}\n  transformers: {:?}",
                    case.name, run.conversation, case.template, run.text
                )),
            }
        }
    }
    (wrong, counts)
}

fn is_refused(name: &str, detail: &str) -> bool {
    REFUSED.iter().any(|(words, names)| names.contains(&name) && detail.contains(words))
}

#[test]
fn templates_render_as_in_transformers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/engine/templates.json");
    let (wrong, counts) = compared(&std::fs::read_to_string(path).unwrap());
    assert!(wrong.is_empty(), "{} of {counts:?}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(counts, COUNTS);
}

/// Further templates: `SER_TEMPLATES=FILE`, which `make_templates.py --of FOLDER --to FILE` writes.
#[test]
fn further_templates_render_as_in_transformers() {
    let Some(path) = std::env::var_os("SER_TEMPLATES") else { return };
    let (wrong, counts) = compared(&std::fs::read_to_string(path).unwrap());
    assert!(wrong.is_empty(), "{} of {counts:?}:\n{}", wrong.len(), wrong.join("\n"));
}

fn program(text: &str) -> Program {
    let tokens = [("eos_token".to_owned(), "</s>".to_owned())].into();
    Program::new(text, &tokens).unwrap()
}

#[test]
fn a_template_that_prints_the_day_is_noticed() {
    let asked = [Message::new("user", "q")];
    let prints = |text: &str| program(text).prints_the_day(&asked);
    assert!(prints("{{ strftime_now('%d %b %Y') }}"));
    assert!(prints("{% set day = strftime_now('%A') %}{{ messages[0].content ~ day }}"));
    assert!(!prints("{% set day = strftime_now('%A') %}{{ messages[0].content }}"));
    let text = program("{{ strftime_now('%d %b %Y') }}{{ eos_token }}").render(&asked, "", false);
    assert_eq!(text.unwrap(), "26 Jul 2024</s>");
}

#[test]
fn a_text_does_not_grow_without_end() {
    let endless = program(
        "{% for a in range(5000) %}{% for b in range(500) %}{{ '12345678' }}{% endfor %}{% endfor %}",
    );
    let error = endless.render(&[Message::new("user", "q")], "", false).unwrap_err();
    assert_eq!(error, "it renders more than 16 MiB");
}
