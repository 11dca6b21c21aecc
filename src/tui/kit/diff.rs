//! Which words of two answers are in both: a longest common subsequence of words.

/// Words of one answer that are compared; a longer one is compared by its beginning.
const N_WORDS_MAX: usize = 600;

/// For each character of either text that is not white space, whether its word is in both.
pub struct WordDiff {
    /// Of the first text.
    pub a: Vec<bool>,
    /// Of the second text.
    pub b: Vec<bool>,
}

/// Compares two texts word by word.
pub fn word_diff(a: &str, b: &str) -> WordDiff {
    let words_a: Vec<&str> = a.split_whitespace().collect();
    let words_b: Vec<&str> = b.split_whitespace().collect();
    let n_a = words_a.len().min(N_WORDS_MAX);
    let n_b = words_b.len().min(N_WORDS_MAX);
    let (mut common_a, mut common_b) = (vec![false; words_a.len()], vec![false; words_b.len()]);
    let lengths = lengths(&words_a[..n_a], &words_b[..n_b]);
    let at = |i: usize, j: usize| lengths[i * (n_b + 1) + j];
    let (mut i, mut j) = (0, 0);
    while i < n_a && j < n_b {
        if words_a[i] == words_b[j] {
            common_a[i] = true;
            common_b[j] = true;
            i += 1;
            j += 1;
        } else if at(i + 1, j) >= at(i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    WordDiff { a: by_char(&words_a, &common_a), b: by_char(&words_b, &common_b) }
}

/// The length of the longest common subsequence of the words from `i` and from `j` on.
fn lengths(a: &[&str], b: &[&str]) -> Vec<u16> {
    let width = b.len() + 1;
    let mut lengths = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = if a[i] == b[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    lengths
}

fn by_char(words: &[&str], is_common: &[bool]) -> Vec<bool> {
    let pairs = words.iter().zip(is_common);
    pairs.flat_map(|(word, common)| std::iter::repeat_n(*common, word.chars().count())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, flags: &[bool]) -> String {
        let mut flags = flags.iter();
        let mark = |c: char| if c.is_whitespace() || *flags.next().unwrap() { c } else { '*' };
        text.chars().map(mark).collect()
    }

    #[test]
    fn only_words_of_one_answer_stand_out() {
        let (a, b) = ("the cat sat on  the mat", "the dog sat on\na mat");
        let diff = word_diff(a, b);
        assert_eq!(marked(a, &diff.a), "the *** sat on  *** mat");
        assert_eq!(marked(b, &diff.b), "the *** sat on\n* mat");
    }

    #[test]
    fn odd_texts_do_not_break_it() {
        let long = "word ".repeat(5_000);
        for (a, b) in [("", ""), ("a", ""), (long.as_str(), "word"), (&long, &long)] {
            let diff = word_diff(a, b);
            assert_eq!(diff.a.len(), a.chars().filter(|c| !c.is_whitespace()).count());
        }
    }
}
