//! Where recordings are kept: a folder that is closed to others, a folder in it for each kind, numbered
//! sessions. It opens no recording.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::evaluate::EvaluateError;

/// The user, and nobody else.
const CLOSED: u32 = 0o700;
const OTHERS: u32 = 0o077;
/// What a session's files are called, before the number and before the ending.
const SESSION: &str = "session-";
const VIDEO: &str = "y4m";
const BESIDE: &str = "json";

/// Makes the folder, or refuses one that others can look into. What broken recordings left is removed.
pub fn prepare(folder: &Path) -> Result<(), EvaluateError> {
    let failed = |source| EvaluateError::Unwritable { path: folder.to_path_buf(), source };
    if !folder.exists() {
        return make(folder, true).map_err(failed);
    }
    let mode = fs::metadata(folder).map_err(failed)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(EvaluateError::OpenToOthers(folder.to_path_buf()));
    }
    sweep(folder).map_err(failed)
}

/// A place for the next session of a kind: its video, which is not there yet.
pub fn next(folder: &Path, kind: &str) -> Result<PathBuf, EvaluateError> {
    let own = folder.join(kind);
    let failed = |source| EvaluateError::Unwritable { path: own.clone(), source };
    if !own.is_dir() {
        make(&own, false).map_err(failed)?;
    }
    let mut last = 0;
    for entry in fs::read_dir(&own).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        last = last.max(name.to_str().and_then(number).unwrap_or(0));
    }
    Ok(own.join(format!("{SESSION}{:04}.{VIDEO}", last.saturating_add(1))))
}

/// Removes one session: the video first, so that none is left without what was asked in it.
pub fn remove(video: &Path) -> Result<(), EvaluateError> {
    for path in [video.to_path_buf(), video.with_extension(BESIDE)] {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(EvaluateError::Unwritable { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn make(folder: &Path, with_parents: bool) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(with_parents).mode(CLOSED).create(folder)
}

/// Of a session's file, whatever it ends in.
fn number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(SESSION)?.split('.').next()?;
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A recorder that was killed leaves `.session-N.y4m.part`.
fn sweep(folder: &Path) -> io::Result<()> {
    for kind in fs::read_dir(folder)? {
        let kind = kind?;
        if !kind.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(kind.path())? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            if name.starts_with(&format!(".{SESSION}")) && name.ends_with(".part") {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_closed_to_others() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/lab");
        prepare(&folder).unwrap();
        let video = next(&folder, "bona-fide").unwrap();
        for path in [folder.as_path(), video.parent().unwrap()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, CLOSED);
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(prepare(&folder), Err(EvaluateError::OpenToOthers(_))));
    }

    #[test]
    fn sessions_are_numbered_and_no_number_is_used_twice() {
        let folder = tempfile::tempdir().unwrap();
        let first = next(folder.path(), "print").unwrap();
        assert_eq!(first, folder.path().join("print/session-0001.y4m"));
        fs::write(&first, "").unwrap();
        fs::write(folder.path().join("print/session-0041.json"), "").unwrap();
        for other in ["session-+99.y4m", "notes-50.y4m", "session-x.y4m"] {
            fs::write(folder.path().join("print").join(other), "").unwrap();
        }
        assert_eq!(next(folder.path(), "print").unwrap(), folder.path().join("print/session-0042.y4m"));
        remove(&first).unwrap();
        assert!(!first.exists());
        remove(&first).unwrap();
    }

    #[test]
    fn what_broken_recordings_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let kind = folder.path().join("print");
        make(&kind, false).unwrap();
        for name in [".session-0002.y4m.part", ".session-0002.json.part", "session-0001.y4m", ".other.part"] {
            fs::write(kind.join(name), "").unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(CLOSED)).unwrap();
        prepare(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(&kind).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".other.part", "session-0001.y4m"]);
    }
}
