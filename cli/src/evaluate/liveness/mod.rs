//! `vultus evaluate liveness`: turns anyone's bona fide and attack presentations into the error rates of
//! ISO/IEC 30107-3, with intervals. It measures what the product's liveness says of them; it uploads nothing
//! and copies no picture.
//!
//! ```text
//! folder → work → film (y4m, ffmpeg, pictures) → measure, prompts → records → figures, cues → report, plots
//!            └─ what is in the records already is not measured again ─┘
//! ```

use std::path::{Path, PathBuf};

use vultus_vision::liveness::Reading;

use super::EvaluateError;

mod cues;
mod ffmpeg;
mod figures;
mod film;
mod folder;
mod measure;
mod plots;
mod prompts;
mod records;
mod report;
mod sidecar;
mod table;
mod work;
mod y4m;

pub use cues::{AtBpcer, CueFigures, OnKind};
pub use figures::{Acer, KindRate, Rates};
pub use folder::BONA_FIDE;
pub use report::{Report, Shown, Unreadable};

use figures::{Judge, Response};
use folder::{Presentation, Source};
use measure::Measured;
use records::{Book, means};

/// Frames a second of pictures in a folder, where nothing else is said.
pub const RATE: u32 = 30;
/// The name of the records in the measured folder.
const RECORDS: &str = ".vultus-liveness.jsonl";

/// Whether the actions that sidecars ask for are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Actions {
    /// By each presentation's own script.
    Script,
    /// Nothing was asked.
    Ignore,
}

/// What to measure, and with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder for each kind, `bona-fide` among them, with a file or a folder for each presentation.
    pub folder: PathBuf,
    /// The folder that holds the model files.
    pub models: PathBuf,
    /// Where what was measured is kept; in the folder itself where it is not said.
    pub records: Option<PathBuf>,
    /// The folder to write plots to.
    pub plots: Option<PathBuf>,
    /// Frames a second of pictures in a folder whose sidecar does not say: 1 to 240.
    pub rate: u32,
    pub actions: Actions,
    /// Without a progress bar.
    pub quiet: bool,
}

impl Options {
    /// With what is usual.
    pub fn of(folder: &Path, models: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            models: models.to_path_buf(),
            records: None,
            plots: None,
            rate: RATE,
            actions: Actions::Script,
            quiet: true,
        }
    }
}

/// Measures liveness on all presentations of the folder. The same files, models and options give the same
/// report.
pub fn run(options: &Options) -> Result<Report, EvaluateError> {
    let presentations = folder::presentations(&options.folder)?;
    decodable(&presentations, ffmpeg::is_installed)?;
    let records = options.records.clone().unwrap_or_else(|| options.folder.join(RECORDS));
    let means = means(&format!("rate {}, actions {:?}", options.rate, options.actions))?;
    let outcomes = work::outcomes(&presentations, options, &Book::open(&records)?, &means)?;
    if let Some(folder) = &options.plots {
        plots::write(folder, &figures::responses(&presentations, &outcomes))?;
    }
    Ok(Report::of(&presentations, &outcomes))
}

/// What cues are worth that were read elsewhere: of presentations by name and kind. The first are the rates of all
/// of them together, at the product's bounds.
pub fn of_readings(read: &[(String, String, Vec<Reading>)]) -> (Rates, Vec<CueFigures>) {
    let measured: Vec<Measured> = read.iter().map(|(_, _, readings)| Measured::of(readings)).collect();
    let responses: Vec<Response<'_>> = read
        .iter()
        .zip(&measured)
        .map(|((name, kind, _), measured)| Response { name, kind, measured })
        .collect();
    (Rates::of(Judge::Cues, &responses), cues::figures(&responses))
}

/// Nothing is begun that must end halfway for want of a program.
fn decodable(presentations: &[Presentation], is_installed: impl Fn() -> bool) -> Result<(), EvaluateError> {
    let other = presentations.iter().find(|shown| matches!(shown.source, Source::Container(_)));
    match other {
        Some(shown) if !is_installed() => Err(EvaluateError::NoFfmpeg(shown.name.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_videos_need_a_program_and_uncompressed_ones_none() {
        let shown = |source| Presentation {
            name: "bona-fide/a".into(),
            kind: BONA_FIDE.into(),
            source,
            sidecar: PathBuf::new(),
        };
        let plain = [shown(Source::Video("a.y4m".into())), shown(Source::Picture("a.png".into()))];
        assert!(decodable(&plain, || false).is_ok());
        let other = [shown(Source::Container("a.mp4".into()))];
        assert!(decodable(&other, || true).is_ok());
        let error = decodable(&other, || false).unwrap_err().to_string();
        assert!(error.contains("bona-fide/a") && error.contains("ffmpeg"), "{error}");
    }
}
