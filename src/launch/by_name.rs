//! Names on the Hub (`hf:owner/name`) become files of the shared cache, before anything is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{LaunchError, LaunchResult, Place, policy};
use crate::domain::source::hub_name::{HubName, RepositoryKind};
use crate::domain::spec::{ExperimentSpec, SourcePart};
use crate::domain::text::words;
use crate::engine::missing_base;
use crate::hub::{self, Hub, Part, Progress, Settings};

/// Between two drawings of the progress line.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// A spec whose Hub names contain the commit, and the files that they stand for.
#[derive(Debug, Clone)]
pub struct LocalSpec {
    pub spec: ExperimentSpec,
    /// The files of `data.source`, in order.
    pub sources: Vec<SourcePart>,
    /// The files of `data.test`.
    pub tests: Vec<SourcePart>,
}

/// Brings what a spec names into the cache. A spec without names is left as it is.
///
/// # Errors
/// When a name is malformed or cannot be fetched.
pub fn localize(place: Place<'_>, spec: &ExperimentSpec) -> LaunchResult<LocalSpec> {
    let mut spec = spec.clone();
    spec.model.backbone = model(place, &spec.model.backbone)?.name;
    if spec.generates_pairs() {
        spec.pool.policy = model(place, &spec.pool.policy)?.name;
    }
    let train = parts(place, &spec.data.source.parts(), Part::Train)?;
    spec.data.source = spec.data.source.map(|path| train.pinned(path));
    let test = parts(place, &[SourcePart::whole(&spec.data.test)], Part::Test)?;
    spec.data.test = test.pinned(&spec.data.test);
    Ok(LocalSpec { spec, sources: train.files, tests: test.files })
}

/// Sources on this machine.
#[derive(Debug, Clone)]
pub struct LocalParts {
    /// The files, in order.
    pub files: Vec<SourcePart>,
    names: BTreeMap<String, String>,
}

impl LocalParts {
    /// The name of a source in a spec: with its commit, where it has one.
    fn pinned(&self, path: &str) -> String {
        self.names.get(path).map_or(path, String::as_str).to_owned()
    }
}

/// Sources with the files of those that are names on the Hub.
///
/// # Errors
/// As [`data`]; when a name with a weight or a cap means several files.
pub fn parts(place: Place<'_>, sources: &[SourcePart], part: Part) -> LaunchResult<LocalParts> {
    let mut local = LocalParts { files: Vec::new(), names: BTreeMap::new() };
    for source in sources {
        let found = data(place, &source.path, part)?;
        if found.files.len() > 1 && (source.weight > 0.0 || source.cap > 0) {
            let n = found.files.len();
            return Err(LaunchError::WeightOfFiles { path: source.path.clone(), n_files: n });
        }
        let part = |path| SourcePart { path, weight: source.weight, cap: source.cap };
        local.files.extend(found.files.into_iter().map(part));
        local.names.insert(source.path.clone(), found.name);
    }
    Ok(local)
}

/// A model on this machine.
#[derive(Debug, Clone)]
pub struct LocalModel {
    /// The name of the model in a spec: with its commit, where it has one.
    pub name: String,
    /// Where its files lie; `None` for `embedded` and `mock`.
    pub dir: Option<PathBuf>,
}

/// A model by its name on the Hub, by its folder, by the name it was imported under, or a policy by its run.
///
/// # Errors
/// When there is none.
pub fn model(place: Place<'_>, text: &str) -> LaunchResult<LocalModel> {
    if matches!(text, "embedded" | "mock") {
        return Ok(LocalModel { name: text.to_owned(), dir: None });
    }
    if !HubName::is_meant(text) {
        let imported = place.home.models().join(text);
        let is_name = Path::new(text).components().count() == 1;
        let dir = match Path::new(text) {
            path if path.is_dir() => path.to_owned(),
            _ if is_name && imported.is_dir() => imported,
            path => policy::written(place, text)?
                .ok_or_else(|| LaunchError::NoModel { name: path.display().to_string() })?,
        };
        return Ok(LocalModel { name: dir.display().to_string(), dir: Some(dir) });
    }
    let name = HubName::parse(text)?;
    if !name.path.is_empty() {
        return Err(LaunchError::PathInModel { name: text.to_owned() });
    }
    let model = fetch(place, &name)?;
    // An adapter needs the base model that it names.
    if let Some(base) = model.dir.as_deref().and_then(missing_base) {
        fetch(place, &HubName::parse(&base)?)?;
    }
    Ok(model)
}

fn fetch(place: Place<'_>, name: &HubName) -> LaunchResult<LocalModel> {
    let mut bar = Bar::new(place);
    let hub = Hub::new(Settings::from_environment())?;
    let listing = hub.list(name, RepositoryKind::Model, &mut bar)?;
    let dir = hub.fetch(&listing, &hub::model_files(&listing)?, &mut bar);
    bar.clear();
    Ok(LocalModel { name: name.at(&listing.commit).to_string(), dir: Some(dir?) })
}

/// Files of pairs on this machine.
#[derive(Debug, Clone)]
pub struct LocalData {
    /// The name of the files in a spec: with their commit, where they have one.
    pub name: String,
    /// The files, in order.
    pub files: Vec<String>,
}

/// Finds the files of a data set. A name on the Hub is brought into the cache; any other text is
/// the path of a file.
///
/// # Errors
/// When there is none, or it has no files of pairs.
pub fn data(place: Place<'_>, text: &str, part: Part) -> LaunchResult<LocalData> {
    if !HubName::is_meant(text) {
        return Ok(LocalData { name: text.to_owned(), files: vec![text.to_owned()] });
    }
    let name = HubName::parse(text)?;
    let mut bar = Bar::new(place);
    let hub = Hub::new(Settings::from_environment())?;
    let listing = hub.list(&name, RepositoryKind::Dataset, &mut bar)?;
    let files = hub::data_files(&listing, part)?;
    let dir = hub.fetch(&listing, &files, &mut bar);
    bar.clear();
    let dir = dir?;
    if name.path.is_empty() || files.len() > 1 {
        let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        place.say(&format!("{name}: {}", names.join(", ")));
    }
    Ok(LocalData {
        name: name.at(&listing.commit).to_string(),
        files: files.iter().map(|file| dir.join(&file.path).display().to_string()).collect(),
    })
}

/// The progress of a download, shown to whoever listens.
struct Bar<'a> {
    place: Place<'a>,
    is_shown: bool,
    /// The file, where it began, and when.
    began: Option<(String, u64, Instant)>,
    drawn: Option<Instant>,
}

impl<'a> Bar<'a> {
    fn new(place: Place<'a>) -> Self {
        Self { place, is_shown: place.say.shows_progress(), began: None, drawn: None }
    }

    fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.place.say.progress(None);
        }
    }
}

impl Progress for Bar<'_> {
    fn advanced(&mut self, file: &str, done: u64, total: Option<u64>) {
        if !self.is_shown || self.drawn.is_some_and(|at| at.elapsed() < DRAW_EVERY) {
            return;
        }
        if self.began.as_ref().is_none_or(|(name, ..)| name != file) {
            self.began = Some((file.to_owned(), done, Instant::now()));
        }
        let Some((_, start, at)) = &self.began else { return };
        let share = match total {
            Some(total) if total > 0 => {
                format!("{:3} % of {}", done * 100 / total, words::bytes(total))
            }
            _ => words::bytes(done),
        };
        let milliseconds = at.elapsed().as_millis() as u64;
        let rate = words::rate(done.saturating_sub(*start), milliseconds)
            .map_or_else(String::new, |rate| format!(", {}/s", words::bytes(rate)));
        let name = file.rsplit('/').next().unwrap_or(file);
        self.place.say.progress(Some(&format!("{name}: {share}{rate}")));
        self.drawn = Some(Instant::now());
    }

    fn said(&mut self, text: &str) {
        self.clear();
        self.place.say(text);
    }
}
