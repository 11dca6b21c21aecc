//! Going to a row of the form by its name.

use super::Launch;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::{Overlay, Prompt, Purpose};

/// Asks for a part of the name.
pub fn open(model: &mut Model) {
    let from = model.launch.cursor;
    let prompt = Prompt::new("go to row", Purpose::LaunchFind { from }, "");
    model.overlay = Some(Overlay::Prompt(prompt));
}

/// The text has changed: the cursor stands on the first row that fits, from where it was. Returns
/// what is wrong when none does.
pub fn on_text(model: &mut Model, text: &str, from: usize) -> Option<String> {
    text.clone_into(&mut model.launch.found);
    let found = row_from(&model.launch, from);
    model.launch.cursor = found.unwrap_or(from);
    super::layout::scroll_into_view(model);
    (found.is_none() && !text.is_empty()).then(|| format!("no row is called `{text}`"))
}

/// Nothing is looked for any more.
pub fn go_back(model: &mut Model, from: usize) {
    model.launch.cursor = from.min(model.launch.rows.len().saturating_sub(1));
    super::layout::scroll_into_view(model);
}

/// The next row that fits, `n` times.
pub fn next(model: &mut Model, n: usize) {
    for _ in 0..n.min(model.launch.rows.len()) {
        let from = model.launch.cursor + 1;
        if let Some(found) = row_from(&model.launch, from) {
            model.launch.cursor = found;
        }
    }
}

/// The first row from `from` on that fits, or from the top; names before explanations.
fn row_from(launch: &Launch, from: usize) -> Option<usize> {
    let wanted = launch.found.to_lowercase();
    if wanted.is_empty() {
        return None;
    }
    let n = launch.rows.len();
    let places = || (0..n).map(move |i| (from + i) % n);
    let names = |at: &usize| launch.rows[*at].label().to_lowercase().contains(&wanted);
    let helps = |at: &usize| launch.rows[*at].help.to_lowercase().contains(&wanted);
    places().find(names).or_else(|| places().find(helps))
}

#[cfg(test)]
mod tests {
    use crate::tui::tests::drive::press;
    use crate::tui::tests::fixtures::{form_rows, model};

    fn label(model: &super::Model) -> &str {
        model.launch.rows[model.launch.cursor].label()
    }

    #[test]
    fn a_row_is_found_by_its_name_and_esc_goes_back() {
        let mut model = model(80, 24, Vec::new(), None);
        press(&mut model, &["5"]);
        model.launch.rows = form_rows();
        press(&mut model, &["j", "/", "l", "e", "a", "r", "n", "i"]);
        assert_eq!(label(&model), "train.learning_rate");
        press(&mut model, &["Esc"]);
        assert_eq!(label(&model), "arms");
        press(&mut model, &["/", "t", "r", "a", "i", "n", ".", "Enter", "n"]);
        assert_eq!(label(&model), "train.epochs");
        press(&mut model, &["/", "z", "q"]);
        let Some(super::Overlay::Prompt(prompt)) = &model.overlay else { panic!() };
        assert_eq!(prompt.error.as_deref(), Some("no row is called `zq`"));
    }
}
