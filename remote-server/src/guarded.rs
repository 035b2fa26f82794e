//! Reads files that hold secrets or decide things: each is opened once, and what was opened is looked at, so
//! that nothing can take its place in between. What the file says is judged elsewhere.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// More than any of these files has.
const LONGEST: u64 = 1024 * 1024;

/// What others than the owner may not do, as bits of a file's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden(u32);

impl Forbidden {
    /// Nobody else does anything with it.
    pub const ANYTHING: Self = Self(0o077);
    /// A group of its own may read it, as distributions like it for keys.
    pub const BUT_GROUP_READING: Self = Self(0o027);
    /// Everybody may read it, and nobody else change it.
    pub const WRITING: Self = Self(0o022);
}

#[derive(Debug, thiserror::Error)]
pub enum Unguarded {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is no plain file, or too long")]
    NotAFile,
    #[error("it belongs neither to this user nor to root")]
    Owner,
    #[error("others may read it or write it: its mode is {0:o}")]
    Mode(u32),
}

/// All of the file, where it is this user's or root's and its mode forbids others that much.
pub fn read(path: &Path, forbidden: Forbidden) -> Result<Zeroizing<Vec<u8>>, Unguarded> {
    // A pipe is not waited for.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(Unguarded::NotAFile);
    }
    if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Unguarded::Owner);
    }
    let mode = metadata.mode() & 0o777;
    if mode & forbidden.0 != 0 {
        return Err(Unguarded::Mode(mode));
    }
    // Room for all of it and one more: a buffer that grew would leave copies behind.
    let room = usize::try_from(metadata.len()).unwrap_or(0) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn what_others_may_touch_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "secret").unwrap();
        let read_as = |mode: u32, forbidden| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read(&path, forbidden).map(|bytes| bytes.to_vec()).map_err(|e| e.to_string())
        };
        for (forbidden, good, bad) in [
            (Forbidden::ANYTHING, &[0o600, 0o400][..], &[0o640, 0o604, 0o610][..]),
            (Forbidden::BUT_GROUP_READING, &[0o600, 0o640], &[0o660, 0o604, 0o602]),
            (Forbidden::WRITING, &[0o600, 0o644], &[0o664, 0o646]),
        ] {
            for mode in good {
                assert_eq!(read_as(*mode, forbidden).unwrap(), b"secret", "{mode:o}");
            }
            for mode in bad {
                assert!(read_as(*mode, forbidden).is_err(), "{mode:o}");
            }
        }
        assert!(read(folder.path(), Forbidden::WRITING).is_err(), "a folder");
        assert!(read(&folder.path().join("missing"), Forbidden::WRITING).is_err());
    }

    #[test]
    fn what_another_user_owns_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        symlink(&path, &link).unwrap();
        assert!(read(&link, Forbidden::ANYTHING).is_ok());
        // Only root can give a file away.
        if chown(&path, Some(60_000), None).is_ok() {
            assert!(matches!(read(&path, Forbidden::ANYTHING), Err(Unguarded::Owner)));
            assert!(matches!(read(&link, Forbidden::ANYTHING), Err(Unguarded::Owner)));
        }
    }
}
