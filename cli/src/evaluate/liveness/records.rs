//! Keeps what was measured, a line of JSON for each presentation, so that it need not be measured again. What
//! changed since, in the files or in the models, is no longer known.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vultus_vision::VisionError;
use vultus_vision::manifest::{hex, records};

use super::folder::{Presentation, Source};
use super::measure::Measured;
use crate::evaluate::EvaluateError;

/// To be raised where the same files would be measured otherwise.
const VERSION: &str = "vultus liveness records 1";

/// What is known of one presentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    /// Of the files and of what measured them.
    stamp: String,
    /// Whether nobody real was before the camera, by the word of the file beside it.
    pub simulated: bool,
    pub measured: Measured,
}

/// All records of one folder, on the disk and in memory.
pub struct Book {
    path: PathBuf,
    file: Mutex<File>,
    known: HashMap<String, Record>,
}

impl Book {
    /// Reads what is there. What is no whole line is measured again; of several of one name the last counts.
    pub fn open(path: &Path) -> Result<Self, EvaluateError> {
        let failed = |source| EvaluateError::Records { path: path.to_path_buf(), source };
        // The folder may be somebody else's work: no link is followed, and nothing but a file is written to.
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        let mut file = options.open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let lines = bytes.split(|byte| *byte == b'\n');
        let read = lines.filter_map(|line| serde_json::from_slice::<Record>(line).ok());
        let known = read.map(|record| (record.name.clone(), record)).collect();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            // The next line must not become part of one that was cut off.
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(file), known })
    }

    /// What was measured of the very same files by the very same means.
    pub fn known(&self, name: &str, stamp: &str) -> Option<&Record> {
        self.known.get(name).filter(|record| record.stamp == stamp)
    }

    /// Adds one, with a single write.
    pub fn add(
        &self,
        name: &str,
        stamp: String,
        (simulated, measured): (bool, Measured),
    ) -> Result<Record, EvaluateError> {
        let record = Record { name: name.to_owned(), stamp, simulated, measured };
        let failed = |source| EvaluateError::Records { path: self.path.clone(), source };
        let line = serde_json::to_string(&record).map_err(|e| failed(e.into()))? + "\n";
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).map_err(failed)?;
        Ok(record)
    }
}

/// By what means presentations are measured: models, and options that change what is measured.
pub fn means(options: &str) -> Result<String, VisionError> {
    let mut means = format!("{VERSION}\n{}\n{options}\n", env!("CARGO_PKG_VERSION"));
    for model in records()? {
        means.push_str(&format!("{} {}\n", model.name, model.sha256));
    }
    Ok(means)
}

/// What must be unchanged for a record to count: names, sizes and times of change of all files, and the
/// means.
pub fn stamp(presentation: &Presentation, means: &str) -> Result<String, EvaluateError> {
    let mut hash = Sha256::new();
    hash.update(means);
    let files = match &presentation.source {
        Source::Video(path) | Source::Container(path) | Source::Picture(path) => std::slice::from_ref(path),
        Source::Pictures(paths) => paths.as_slice(),
    };
    for path in files {
        let found = fs::metadata(path);
        let found = found.map_err(|source| EvaluateError::Unreadable { path: path.clone(), source })?;
        hash.update(line(path, &found));
    }
    if let Ok(found) = fs::metadata(&presentation.sidecar) {
        hash.update(line(&presentation.sidecar, &found));
    }
    Ok(hex(&hash.finalize()))
}

fn line(path: &Path, found: &Metadata) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let facts = format!(" {} {}.{:09}\n", found.len(), found.mtime(), found.mtime_nsec());
    [name, facts.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presentation(folder: &Path) -> Presentation {
        let path = folder.join("a.y4m");
        fs::write(&path, "12345").unwrap();
        Presentation {
            name: "bona-fide/a.y4m".into(),
            kind: "bona-fide".into(),
            source: Source::Video(path),
            sidecar: folder.join("a.json"),
        }
    }

    fn measured(frames: u64) -> (bool, Measured) {
        (false, Measured { frames, ..Measured::default() })
    }

    #[test]
    fn what_is_recorded_is_known_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let shown = presentation(folder.path());
        let now = stamp(&shown, "models").unwrap();
        let path = folder.path().join("records");
        let added = Book::open(&path).unwrap().add(&shown.name, now.clone(), measured(7)).unwrap();
        let book = Book::open(&path).unwrap();
        assert_eq!(book.known(&shown.name, &now), Some(&added));
        assert_eq!(book.known("bona-fide/b.y4m", &now), None);
        assert_eq!(now, stamp(&shown, "models").unwrap());
        assert_ne!(now, stamp(&shown, "other models").unwrap());
        fs::write(folder.path().join("a.json"), "{}").unwrap();
        let with_sidecar = stamp(&shown, "models").unwrap();
        assert_ne!(with_sidecar, now);
        fs::write(folder.path().join("a.y4m"), "123456").unwrap();
        assert_ne!(stamp(&shown, "models").unwrap(), with_sidecar);
        assert_eq!(book.known(&shown.name, &with_sidecar), None);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_that_was_cut_off_is_ignored_and_harms_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        Book::open(&path).unwrap().add("a", "1".into(), measured(1)).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [whole.as_slice(), &whole[..whole.len() / 2], b"\xff"].concat()).unwrap();
        let book = Book::open(&path).unwrap();
        assert!(book.known("a", "1").is_some());
        book.add("b", "2".into(), measured(2)).unwrap();
        let book = Book::open(&path).unwrap();
        assert!(book.known("a", "1").is_some() && book.known("b", "2").is_some());
    }

    #[test]
    fn the_last_of_one_name_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let book = Book::open(&path).unwrap();
        book.add("a", "1".into(), measured(1)).unwrap();
        book.add("a", "2".into(), measured(2)).unwrap();
        let book = Book::open(&path).unwrap();
        assert_eq!(book.known("a", "1"), None);
        assert_eq!(book.known("a", "2").map(|record| record.measured.frames), Some(2));
    }

    #[test]
    fn the_means_name_every_model() {
        let means = means("rate 30").unwrap();
        assert!(means.contains("face-mesh aa50ff30") && means.contains("\nrate 30\n"), "{means}");
    }
}
