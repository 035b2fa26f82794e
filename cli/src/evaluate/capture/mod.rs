//! `vultus evaluate capture`: guides a person through recording bona fide and attack presentations with a
//! camera of their own, and then measures them. It needs no service and no root: the program `vultus-record`
//! records. Nothing leaves the folder.
//!
//! ```text
//! consent ─► plan (what to show) ─► guide ─┬ script (random actions) ─► recorder ─► session-0001.y4m, .json
//!                                          └ keep, repeat, skip ──────────────────► evaluate liveness
//! ```

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::EvaluateError;
use super::liveness::{self, Report};

mod guide;
mod person;
mod plan;
mod recorder;
mod script;
mod storage;

pub use person::{Person, Terminal};
pub use recorder::{Event, Order, Program, Recorder, RecorderError};
pub use script::Asked;

/// How long a recording may last, in seconds. One action needs 7, two need 13.
pub const SECONDS: RangeInclusive<u32> = 7..=120;

/// What to record, and how it is measured afterwards.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device; the first colour camera where it is not said.
    pub camera: Option<PathBuf>,
    /// One kind only: `bona-fide`, a kind of attack that is explained, or a name of one's own.
    pub kind: Option<String>,
    pub seconds: u32,
    /// The folder, among the rest.
    pub liveness: liveness::Options,
}

/// Guides, records and reports. What earlier sessions left in the folder is measured, too.
pub fn run(
    options: &Options,
    person: &mut dyn Person,
    recorder: &mut dyn Recorder,
) -> Result<Report, EvaluateError> {
    let sessions = sessions(options)?;
    if !SECONDS.contains(&options.seconds) {
        return Err(EvaluateError::Seconds(SECONDS));
    }
    let folder = &options.liveness.folder;
    agreed(folder, person)?;
    storage::prepare(folder)?;
    guide::all(options, &sessions, person, recorder)?;
    liveness::run(&options.liveness)
}

/// What is to be recorded, in order.
fn sessions(options: &Options) -> Result<Vec<plan::Session>, EvaluateError> {
    match &options.kind {
        None => Ok(plan::all()),
        Some(kind) if is_name(kind) => Ok(plan::of_kind(kind)),
        Some(kind) => Err(EvaluateError::KindName(kind.clone())),
    }
}

/// It becomes the name of a folder.
fn is_name(kind: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&kind.len()) && kind.chars().all(fits)
}

/// Explains what will be recorded and where it stays, and has the person agree.
fn agreed(folder: &Path, person: &mut dyn Person) -> Result<(), EvaluateError> {
    let text = plan::CONSENT.replace("FOLDER", &folder.display().to_string());
    person.tell(&text).map_err(EvaluateError::Terminal)?;
    let answer = person.ask("Type yes to go on: ").map_err(EvaluateError::Terminal)?;
    match answer.as_deref().map(str::trim) {
        Some("yes") => Ok(()),
        _ => Err(EvaluateError::NoConsent),
    }
}

#[cfg(test)]
mod tests {
    use super::person::Scripted;
    use super::recorder::Fake;
    use super::*;
    use crate::evaluate::liveness::BONA_FIDE;

    fn options(folder: &Path) -> Options {
        let liveness = liveness::Options::of(folder, &folder.join("no models"));
        Options { camera: None, kind: Some(BONA_FIDE.into()), seconds: 13, liveness }
    }

    #[test]
    fn without_consent_nothing_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("lab");
        for answers in [vec![], vec![""], vec!["no"], vec!["y"]] {
            let (mut person, mut recorder) = (Scripted::new(&answers), Fake::default());
            let ended = run(&options(&folder), &mut person, &mut recorder);
            assert!(matches!(ended, Err(EvaluateError::NoConsent)));
            assert!(person.told.contains(&folder.display().to_string()));
            assert!(!folder.exists() && recorder.orders.is_empty());
        }
    }

    #[test]
    fn what_was_recorded_is_measured() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("lab");
        let (mut person, mut recorder) = (Scripted::new(&["yes", "", "", "q"]), Fake::default());
        // There are no models here, which are asked for only where there is something to measure.
        let ended = run(&options(&folder), &mut person, &mut recorder);
        assert!(matches!(ended, Err(EvaluateError::Vision(_))), "{ended:?}");
        assert!(folder.join("bona-fide/session-0001.y4m").exists());
        let (mut person, mut recorder) = (Scripted::new(&["yes", "q"]), Fake::default());
        let none = run(&options(&parent.path().join("other")), &mut person, &mut recorder);
        assert!(matches!(none, Err(EvaluateError::NoPresentations(_))), "{none:?}");
    }

    #[test]
    fn kinds_are_names_and_times_are_bounded() {
        let parent = tempfile::tempdir().unwrap();
        let of = |kind: &str, seconds| Options { kind: Some(kind.into()), seconds, ..options(parent.path()) };
        let ended = |options: Options| run(&options, &mut Scripted::new(&["yes"]), &mut Fake::default());
        for kind in ["", "..", "a/b", "A", ".x", &"a".repeat(41)] {
            assert!(matches!(ended(of(kind, 13)), Err(EvaluateError::KindName(_))), "{kind}");
        }
        for seconds in [6, 121] {
            assert!(matches!(ended(of("own-attack", seconds)), Err(EvaluateError::Seconds(_))));
        }
    }
}
