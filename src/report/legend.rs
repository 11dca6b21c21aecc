//! Whose curves a chart shows. Curves that are one are drawn once and have one line in the legend:
//! drawn over each other, all but the last would seem to be missing.

use super::words::letter;
use crate::analysis::Comparison;

/// Letters that stand at the end of a curve.
const N_LETTERS: usize = 3;

/// Places of curves in groups of equal ones, each group led by the base where it is among them. A
/// curve without points is equal to no other.
#[must_use]
pub fn coinciding<T: PartialEq>(curves: &[Vec<T>], base: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, curve) in curves.iter().enumerate() {
        let is_equal = |group: &&mut Vec<usize>| !curve.is_empty() && curves[group[0]] == *curve;
        match groups.iter_mut().find(is_equal) {
            Some(group) if at == base => group.insert(0, at),
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}

/// The letters of runs whose curves are one: `A = C`.
#[must_use]
pub fn letters(group: &[usize]) -> String {
    group.iter().map(|at| letter(*at)).collect::<Vec<_>>().join(" = ")
}

/// The letters at the end of a curve, where there is little room: `A=C`, `A=C=…`.
#[must_use]
pub fn end_letters(group: &[usize]) -> String {
    let shown = if group.len() > N_LETTERS { N_LETTERS - 1 } else { group.len() };
    let mut letters: Vec<String> = group[..shown].iter().map(|at| letter(*at)).collect();
    if shown < group.len() {
        letters.push("…".to_owned());
    }
    letters.join("=")
}

/// The legend of runs: a line for each group, with the style of its first run.
#[must_use]
pub fn run_legend(comparison: &Comparison, groups: &[Vec<usize>]) -> Vec<(usize, String)> {
    let name = |at: &usize| {
        let base = if *at == comparison.base { " (base)" } else { "" };
        format!("{} {}{base}", letter(*at), comparison.runs[*at].row.name)
    };
    let line =
        |group: &Vec<usize>| (group[0], group.iter().map(name).collect::<Vec<_>>().join(" = "));
    groups.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_curves_are_one_and_empty_ones_are_none() {
        let curves = [vec![1, 2], vec![], vec![1, 2], vec![3], vec![], vec![1, 2]];
        assert_eq!(coinciding(&curves, 2), [vec![2, 0, 5], vec![1], vec![3], vec![4]]);
        assert_eq!(coinciding::<u8>(&[], 0), [[0; 0]; 0]);
    }

    #[test]
    fn letters_say_which() {
        assert_eq!((letters(&[0]), letters(&[2, 0])), ("A".to_owned(), "C = A".to_owned()));
        assert_eq!(end_letters(&[0, 2, 3]), "A=C=D");
        assert_eq!(end_letters(&[0, 2, 3, 4]), "A=C=…");
    }
}
