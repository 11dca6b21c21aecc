//! A command of `ser` as a person would type it in a shell.

/// Writes the arguments behind `ser`, each as a shell reads it back.
pub fn command_line(args: &[String]) -> String {
    let words: Vec<String> = args.iter().map(|word| quoted(word)).collect();
    format!("ser {}", words.join(" "))
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(command_line(&["a b".to_owned(), "it's".to_owned()]), r"ser 'a b' 'it'\''s'");
    }
}
