//! Measures presentations on all cores, those that are not known yet. What cannot be read is named and
//! counted; only a defect of a model, or a disk that takes no record, ends all.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use vultus_vision::{Models, Observer};

use super::film;
use super::folder::Presentation;
use super::measure::{Measured, Trouble, measure};
use super::records::{Book, Record, stamp};
use super::sidecar::Sidecar;
use super::{Actions, Options};
use crate::evaluate::EvaluateError;
use crate::evaluate::extract::cores;

/// What came of one presentation.
#[derive(Debug)]
pub enum Outcome {
    Measured(Record),
    /// Why not: for people.
    Unreadable(String),
}

/// One for each presentation, in their order.
pub fn outcomes(
    presentations: &[Presentation],
    options: &Options,
    book: &Book,
    means: &str,
) -> Result<Vec<Outcome>, EvaluateError> {
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(presentations.len());
    let mut wanted = Vec::new();
    for (place, presentation) in presentations.iter().enumerate() {
        let stamp = stamp(presentation, means)?;
        let known = book.known(&presentation.name, &stamp).cloned();
        if known.is_none() {
            wanted.push(Wanted { place, presentation, stamp });
        }
        outcomes.push(known.map(Outcome::Measured));
    }
    if !wanted.is_empty() {
        let observer = load(&options.models)?;
        for (place, outcome) in on_all_cores(&wanted, &Means { observer, options, book })? {
            outcomes[place] = Some(outcome);
        }
    }
    // All were known or wanted.
    Ok(outcomes.into_iter().flatten().collect())
}

fn load(models: &Path) -> Result<Observer, EvaluateError> {
    Ok(Observer::load(&Models::read(models)?)?)
}

/// One that is not known.
struct Wanted<'a> {
    place: usize,
    presentation: &'a Presentation,
    stamp: String,
}

struct Means<'a> {
    observer: Observer,
    options: &'a Options,
    book: &'a Book,
}

type Share = Result<Vec<(usize, Outcome)>, EvaluateError>;

fn on_all_cores(wanted: &[Wanted<'_>], means: &Means<'_>) -> Share {
    let bar = progress(wanted.len(), means.options.quiet);
    let next = AtomicUsize::new(0);
    let shares: Vec<Share> = std::thread::scope(|scope| {
        let threads = cores().min(wanted.len());
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| share(wanted, means, &next, &bar))).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.map(|share| share.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    bar.finish_and_clear();
    let mut all = Vec::with_capacity(wanted.len());
    for share in shares {
        all.extend(share?);
    }
    Ok(all)
}

/// Hidden where nobody looks.
fn progress(presentations: usize, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} presentations, {eta} left");
    ProgressBar::new(presentations as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Takes one after the other until none is left.
fn share(wanted: &[Wanted<'_>], means: &Means<'_>, next: &AtomicUsize, bar: &ProgressBar) -> Share {
    let mut done = Vec::new();
    while let Some(one) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
        match outcome(one, means) {
            Ok(outcome) => done.push((one.place, outcome)),
            Err(error) => {
                // The others need not finish for nothing.
                next.store(wanted.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        bar.inc(1);
    }
    Ok(done)
}

fn outcome(one: &Wanted<'_>, means: &Means<'_>) -> Result<Outcome, EvaluateError> {
    match watch(one.presentation, means) {
        Ok(found) => {
            let record = means.book.add(&one.presentation.name, one.stamp.clone(), found)?;
            Ok(Outcome::Measured(record))
        }
        Err(Trouble::Film(why)) => Ok(Outcome::Unreadable(why.to_string())),
        Err(Trouble::Vision(error)) => Err(error.into()),
    }
}

/// What it came to, and whether it says that it is simulated.
fn watch(presentation: &Presentation, means: &Means<'_>) -> Result<(bool, Measured), Trouble> {
    let sidecar = Sidecar::read(&presentation.sidecar)?;
    let shots = film::open(&presentation.source, &sidecar, means.options.rate)?;
    let prompts = match means.options.actions {
        Actions::Script => sidecar.prompts.as_slice(),
        Actions::Ignore => &[],
    };
    Ok((sidecar.simulated, measure(&means.observer, shots, prompts)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::liveness::folder::presentations;

    /// What is known needs no models, and so is not measured.
    #[test]
    fn what_is_known_is_not_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bona-fide")).unwrap();
        std::fs::write(folder.path().join("bona-fide/a.y4m"), "no video").unwrap();
        let options = Options::of(folder.path(), &folder.path().join("no models"));
        let shown = presentations(folder.path()).unwrap();
        let path = folder.path().join("records");
        let book = Book::open(&path).unwrap();
        let unknown = outcomes(&shown, &options, &book, "means");
        assert!(matches!(unknown, Err(EvaluateError::Vision(_))), "{unknown:?}");
        let measured = Measured { frames: 3, ..Measured::default() };
        book.add(&shown[0].name, stamp(&shown[0], "means").unwrap(), (true, measured)).unwrap();
        let known = outcomes(&shown, &options, &Book::open(&path).unwrap(), "means").unwrap();
        assert!(matches!(known.as_slice(), [Outcome::Measured(record)] if record.measured.frames == 3));
        let others = outcomes(&shown, &options, &Book::open(&path).unwrap(), "other means");
        assert!(matches!(others, Err(EvaluateError::Vision(_))));
    }
}
