//! Reads which presentations there are and of what kind: a folder for each kind, in which each file or folder
//! is one presentation. It opens none of them.

use std::path::{Path, PathBuf};

use crate::evaluate::EvaluateError;
use crate::evaluate::dataset::entries;

/// The folder of presentations that are no attack. All others are kinds of attack (PAI species).
pub const BONA_FIDE: &str = "bona-fide";

const VIDEO: [&str; 1] = ["y4m"];
const CONTAINERS: [&str; 5] = ["mp4", "mkv", "webm", "avi", "mov"];
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// What a presentation is stored as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Uncompressed video.
    Video(PathBuf),
    /// Any other video: `ffmpeg` decodes it.
    Container(PathBuf),
    /// Pictures in the order of their numbers.
    Pictures(Vec<PathBuf>),
    /// A single picture.
    Picture(PathBuf),
}

/// One presentation, with its place in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// `kind/file`: what it is called wherever it is named.
    pub name: String,
    pub kind: String,
    pub source: Source,
    /// Where something about it would stand, if anything does.
    pub sidecar: PathBuf,
}

/// All presentations in order of kind and name. What is of another ending is none, and so is what is hidden,
/// as unfinished recordings are.
pub fn presentations(folder: &Path) -> Result<Vec<Presentation>, EvaluateError> {
    let mut found = Vec::new();
    for kind in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = named(&kind)?;
        for path in entries(&kind)? {
            if let Some(source) = source(&path)? {
                let own = named(&path)?;
                let sidecar = kind.join(format!("{}.json", stem(&own, &source)));
                found.push(Presentation {
                    name: format!("{name}/{own}"),
                    kind: name.clone(),
                    source,
                    sidecar,
                });
            }
        }
    }
    if found.is_empty() { Err(EvaluateError::NoPresentations(folder.to_path_buf())) } else { Ok(found) }
}

/// A sidecar has the name of a folder, or that of a file without its ending.
fn stem<'a>(name: &'a str, source: &Source) -> &'a str {
    match source {
        Source::Pictures(_) => name,
        _ => name.rsplit_once('.').map_or(name, |(stem, _)| stem),
    }
}

fn source(path: &Path) -> Result<Option<Source>, EvaluateError> {
    if path.is_dir() {
        let mut pictures: Vec<PathBuf> =
            entries(path)?.into_iter().filter(|file| file.is_file() && ends(file, &PICTURES)).collect();
        // By number: `10.png` comes after `9.png`.
        pictures.sort_by_cached_key(|file| (number(file), file.clone()));
        return Ok((!pictures.is_empty()).then_some(Source::Pictures(pictures)));
    }
    // A pipe or a device of that name would keep whoever opens it.
    if !path.is_file() {
        return Ok(None);
    }
    let path_of = || path.to_path_buf();
    Ok(if ends(path, &VIDEO) {
        Some(Source::Video(path_of()))
    } else if ends(path, &CONTAINERS) {
        Some(Source::Container(path_of()))
    } else if ends(path, &PICTURES) {
        Some(Source::Picture(path_of()))
    } else {
        None
    })
}

/// The last number in a file's name; one without any comes first.
fn number(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let end = stem.rfind(|letter: char| letter.is_ascii_digit())? + 1;
    let begin = stem[..end].rfind(|letter: char| !letter.is_ascii_digit()).map_or(0, |last| {
        // The letter before may be of several bytes.
        last + stem[last..].chars().next().map_or(1, char::len_utf8)
    });
    stem[begin..end].parse().ok()
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

fn named(path: &Path) -> Result<String, EvaluateError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| EvaluateError::Unnameable(path.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn each_kind_has_its_presentations() {
        let folder = folder_of(&[
            "bona-fide/b.y4m",
            "bona-fide/b.json",
            "bona-fide/a.MP4",
            "bona-fide/.c.y4m.part",
            "bona-fide/.hidden.y4m",
            "print/one/f_10.png",
            "print/one/f_9.png",
            "print/one/notes.txt",
            "print/empty.d/notes.txt",
            "print/still.v2.jpg",
            "readme.y4m",
        ]);
        let found = presentations(folder.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["bona-fide/a.MP4", "bona-fide/b.y4m", "print/one", "print/still.v2.jpg"]);
        let at = |path: &str| folder.path().join(path);
        assert_eq!(found[0].source, Source::Container(at("bona-fide/a.MP4")));
        assert_eq!(found[1].sidecar, at("bona-fide/b.json"));
        let numbered = vec![at("print/one/f_9.png"), at("print/one/f_10.png")];
        assert_eq!(
            (&found[2].source, &found[2].sidecar),
            (&Source::Pictures(numbered), &at("print/one.json"))
        );
        assert_eq!((found[3].kind.as_str(), &found[3].sidecar), ("print", &at("print/still.v2.json")));
    }

    #[test]
    fn a_folder_without_presentations_is_an_error() {
        let folder = folder_of(&["bona-fide/notes.txt", "a.y4m"]);
        assert!(matches!(presentations(folder.path()), Err(EvaluateError::NoPresentations(_))));
        let missing = folder.path().join("none");
        assert!(matches!(presentations(&missing), Err(EvaluateError::Unreadable { .. })));
    }

    #[test]
    fn the_last_number_counts() {
        let of = |name: &str| number(Path::new(name));
        assert_eq!((of("a2_b10.png"), of("7.png"), of("a.png")), (Some(10), Some(7), None));
        assert_eq!((of("é3.png"), of("3é.png")), (Some(3), Some(3)));
        assert_eq!(of("99999999999999999999.png"), None);
    }
}
