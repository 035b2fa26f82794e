//! Reads which pictures there are, whose they are, and which pairs of them a protocol compares. It
//! opens no picture.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::EvaluateError;
use super::pairs::{NamedPicture, parse_folds};

/// Pictures in order of identity, identities and pictures in order of name.
#[derive(Debug)]
pub struct Dataset {
    pub pictures: Vec<PathBuf>,
    /// For each identity, the places of its pictures.
    pub identities: Vec<Range<usize>>,
    /// The pairs of each fold, where a pairs file was given.
    pub folds: Option<Vec<Vec<Pair>>>,
}

/// Two pictures by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub first: usize,
    pub second: usize,
    pub genuine: bool,
}

impl Dataset {
    /// Reads a folder that holds a folder for each person, and LFW's pairs file if one is named.
    pub fn read(folder: &Path, pairs: Option<&Path>) -> Result<Self, EvaluateError> {
        let (mut pictures, mut identities) = (Vec::new(), Vec::new());
        for person in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let first = pictures.len();
            pictures.extend(entries(&person)?.into_iter().filter(|path| is_picture(path)));
            if pictures.len() > first {
                identities.push(first..pictures.len());
            }
        }
        if pictures.is_empty() {
            return Err(EvaluateError::NoPictures(folder.to_path_buf()));
        }
        let folds = match pairs {
            Some(file) => Some(read_folds(file, folder, &pictures)?),
            None => None,
        };
        Ok(Self { pictures, identities, folds })
    }
}

/// What is in a folder, by name, without what is hidden: other systems leave thumbnails there.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvaluateError> {
    let failed = |source| EvaluateError::Unreadable { path: folder.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn read_folds(file: &Path, folder: &Path, pictures: &[PathBuf]) -> Result<Vec<Vec<Pair>>, EvaluateError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| EvaluateError::Unreadable { path: file.to_path_buf(), source })?;
    let places: HashMap<&Path, usize> =
        pictures.iter().enumerate().map(|(place, path)| (path.as_path(), place)).collect();
    let place = |line: usize, picture: &NamedPicture<'_>| {
        let path = picture.path(folder);
        let found = places.get(path.as_path()).copied();
        found.ok_or(EvaluateError::PairPicture { line, path })
    };
    let mut folds = Vec::new();
    for named in parse_folds(&text)? {
        let mut fold = Vec::with_capacity(named.len());
        for pair in named {
            let [first, second] = &pair.pictures;
            let (first, second) = (place(pair.line, first)?, place(pair.line, second)?);
            fold.push(Pair { first, second, genuine: pair.genuine });
        }
        folds.push(fold);
    }
    Ok(folds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nBob\t1\t12\nBob\t2\tAnn\t2\n";

    #[test]
    fn a_folder_is_read_in_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        for file in
            ["Bob/Bob_0002.jpg", "Bob/Bob_0001.JPG", "Ann/b.png", "Ann/a.jpeg", "Ann/.c.jpg", "Eve/x.txt"]
        {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let dataset = Dataset::read(folder.path(), None).unwrap();
        let names: Vec<_> =
            dataset.pictures.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.jpeg", "b.png", "Bob_0001.JPG", "Bob_0002.jpg"]);
        assert_eq!(dataset.identities, [0..2, 2..4]);
        assert!(dataset.folds.is_none());
    }

    #[test]
    fn a_pair_without_its_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = folder.path().join("pairs.txt");
        std::fs::write(&pairs, GOOD).unwrap();
        assert!(matches!(Dataset::read(folder.path(), None), Err(EvaluateError::NoPictures(_))));
        for name in ["Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0001.jpg", "Bob/Bob_0002.jpg"] {
            std::fs::create_dir_all(folder.path().join(&name[..3])).unwrap();
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let error = Dataset::read(folder.path(), Some(&pairs)).unwrap_err();
        assert!(matches!(error, EvaluateError::PairPicture { line: 4, .. }), "{error}");
        std::fs::write(&pairs, GOOD.replace("12", "2")).unwrap();
        let folds = Dataset::read(folder.path(), Some(&pairs)).unwrap().folds.unwrap();
        assert_eq!(folds[1][1], Pair { first: 3, second: 1, genuine: false });
    }
}
