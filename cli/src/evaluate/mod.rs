//! `vultus evaluate`: turns anyone's pictures into error rates with intervals. It measures what the product
//! would decide, and decides nothing about anybody. Recognition is measured here; [`liveness`] and the guide
//! through recordings for it, [`capture`], have folders of their own.
//!
//! ```text
//! folder, pairs.txt → dataset → extract → recognition, pair_accuracy → statistics, interval → report
//! ```

use std::path::PathBuf;

use vultus_vision::{Models, Observer, VisionError};

pub mod capture;
mod dataset;
mod extract;
pub mod interval;
pub mod liveness;
mod pair_accuracy;
mod pairs;
mod recognition;
mod report;
mod statistics;

pub use interval::{Proportion, clopper_pearson};
pub use pair_accuracy::{Fold, PairAccuracy};
pub use report::{AtFmr, Figures, Report};
pub use statistics::AtThreshold;

/// What to measure, and with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder for each person, with jpg, jpeg or png files in it.
    pub folder: PathBuf,
    /// LFW's `pairs.txt`, whose names are those of the folder.
    pub pairs: Option<PathBuf>,
    /// The folder that holds the model files.
    pub models: PathBuf,
    /// Without a progress bar.
    pub quiet: bool,
}

/// Measures recognition on all pictures of the folder. Each is opened once; the same pictures and
/// models give the same report.
pub fn run(options: &Options) -> Result<Report, EvaluateError> {
    let dataset = dataset::Dataset::read(&options.folder, options.pairs.as_deref())?;
    let observer = Observer::load(&Models::read(&options.models)?)?;
    let extraction = extract::faces(&dataset.pictures, &observer, options.quiet)?;
    Ok(Report::of(&dataset, &extraction))
}

/// Why nothing was measured. A picture that cannot be read is no such reason: it is counted.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Name another folder or file, or make this one readable.
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// Name a folder that holds a folder for each person.
    #[error("{} holds no folders with jpg, jpeg or png pictures", .0.display())]
    NoPictures(PathBuf),
    /// Name a folder that holds a folder for each kind of presentation.
    #[error("{} holds no videos or pictures in bona-fide/ or in a folder for a kind of attack", .0.display())]
    NoPresentations(PathBuf),
    /// Rename it.
    #[error("{} has a name that is no text", .0.display())]
    Unnameable(PathBuf),
    /// Install the program, or convert the videos.
    #[error("{0} and others of its kind need the program ffmpeg: install the package ffmpeg")]
    NoFfmpeg(String),
    /// Name another file for the records, or mend this one.
    #[error("records cannot be kept in {}: {source}", .path.display())]
    Records { path: PathBuf, source: std::io::Error },
    /// Name another folder for the plots.
    #[error("plots cannot be written to {}: {source}", .path.display())]
    Plots { path: PathBuf, source: std::io::Error },
    /// Of recordings: another folder is needed, or rights in this one.
    #[error("recordings cannot be kept in {}: {source}", .path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    /// Close the folder to others, or name another.
    #[error("{} is open to others, and faces will be in it: chmod 700, or name a new folder", .0.display())]
    OpenToOthers(PathBuf),
    /// Nothing was recorded.
    #[error("nothing is recorded without consent")]
    NoConsent,
    #[error("{0:?} is no name of a kind: small letters, digits and hyphens, 40 at most")]
    KindName(String),
    #[error("a recording has {} to {} seconds", .0.start(), .0.end())]
    Seconds(std::ops::RangeInclusive<u32>),
    /// End: there is nobody to guide.
    #[error("the terminal failed: {0}")]
    Terminal(#[source] std::io::Error),
    #[error("the random generator of the system failed")]
    NoRandom,
    /// Set the models up again.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// Mend the pairs file; so with all that follow. Lines count from 1.
    #[error("line 1 of the pairs file: not a number of folds (2 or more), a tab and a number of pairs")]
    PairsHeader,
    #[error("line {line} of the pairs file: 3 or 4 fields between tabs were expected, not {found}")]
    PairFields { line: usize, found: usize },
    #[error("line {line} of the pairs file: a name is empty, begins with a dot or holds a slash")]
    PairName { line: usize },
    #[error("line {line} of the pairs file: a picture's number is not a whole number from 1")]
    PairNumber { line: usize },
    #[error("line {line} of the pairs file: a picture is paired with itself")]
    PairSamePicture { line: usize },
    #[error("line {line} of the pairs file: an impostor pair names one person twice")]
    PairSamePerson { line: usize },
    #[error("line {line} of the pairs file: a fold has its genuine pairs first, then as many impostor pairs")]
    PairOrder { line: usize },
    #[error("line {line} of the pairs file: there are fewer pairs than its first line says")]
    PairsMissing { line: usize },
    #[error("line {line} of the pairs file: there are more pairs than its first line says")]
    PairsSurplus { line: usize },
    #[error("line {line} of the pairs file: there is no picture {}", .path.display())]
    PairPicture { line: usize, path: PathBuf },
}
