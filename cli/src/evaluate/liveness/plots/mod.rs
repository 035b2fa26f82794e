//! Draws what the cues said: for each cue a DET curve and a histogram, as SVG files. The same figures give
//! the same bytes. It rates nothing.

mod det;
mod histogram;
mod svg;

use std::fs;
use std::path::Path;

use vultus_vision::liveness::Cue;
use vultus_vision::liveness::decision::BOUNDS;

use super::cues::scores;
use super::figures::{Response, attack_kinds};
use crate::evaluate::EvaluateError;

/// The suspicions of one kind of presentation, least first.
struct Series {
    name: String,
    scores: Vec<f64>,
}

/// Writes `det-CUE.svg` and `suspicion-CUE.svg` for each cue of a colour camera, over older ones.
pub fn write(folder: &Path, responses: &[Response<'_>]) -> Result<(), EvaluateError> {
    let failed = |source| EvaluateError::Plots { path: folder.to_path_buf(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    for (cue, _) in BOUNDS {
        let (bona_fide, attacks) = series(cue, responses);
        let det = det::draw(cue.word(), &bona_fide, &attacks);
        fs::write(folder.join(format!("det-{}.svg", cue.word())), det).map_err(failed)?;
        let histogram = histogram::draw(cue.word(), &bona_fide, &attacks);
        fs::write(folder.join(format!("suspicion-{}.svg", cue.word())), histogram).map_err(failed)?;
    }
    Ok(())
}

fn series(cue: Cue, responses: &[Response<'_>]) -> (Series, Vec<Series>) {
    let of = |name: &str, is_meant: &dyn Fn(&Response<'_>) -> bool| Series {
        name: name.to_owned(),
        scores: scores(cue, responses, is_meant),
    };
    let bona_fide = of("bona fide", &|response: &Response<'_>| response.is_bona_fide());
    let kinds = attack_kinds(responses).into_iter();
    (bona_fide, kinds.map(|kind| of(kind, &|response: &Response<'_>| response.kind == kind)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::liveness::figures::tests::{film, response};

    /// Whether each element ends, in order, and each attribute is quoted. It is no whole parser.
    fn is_well_formed(text: &str) -> bool {
        let mut open: Vec<&str> = Vec::new();
        let Some(mut rest) = text.strip_prefix('<') else {
            return false;
        };
        let mut elements = 0;
        loop {
            let Some((tag, after)) = rest.split_once('>') else {
                return false;
            };
            let name = tag.split([' ', '\n']).next().unwrap_or_default();
            if tag.matches('"').count() % 2 != 0 || tag.contains('<') {
                return false;
            }
            if let Some(ended) = tag.strip_prefix('/') {
                if open.pop() != Some(ended) {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.push(name);
            }
            elements += 1;
            let (between, next) = after.split_once('<').unwrap_or((after, ""));
            let stray =
                between.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").contains(['&', '>']);
            if stray || (open.is_empty() && !between.trim().is_empty()) {
                return false;
            }
            if next.is_empty() {
                return open.is_empty() && elements > 1;
            }
            rest = next;
        }
    }

    #[test]
    fn the_check_finds_what_is_malformed() {
        assert!(is_well_formed("<a b=\"1\"><c/>x &amp; y</a>\n"));
        for text in ["", "a", "<a>", "<a><b></a></b>", "<a b=\"1><c/></a>", "<a>x & y<b/></a>", "<a/><b>"] {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    #[test]
    fn each_cue_has_two_drawings_which_are_the_same_each_time() {
        let (dull, bright) = (film(&[(Cue::Gamut, 0.5), (Cue::Focus, 1.0)]), film(&[(Cue::Gamut, 2.5)]));
        let none = film(&[(Cue::Gamut, f32::MAX)]);
        let all = [
            response("bona-fide/1", &dull),
            response("bona-fide/2", &bright),
            response("a<b>&c/1", &bright),
            response("print/1", &none),
        ];
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for folder in &folders {
            write(&folder.path().join("plots"), &all).unwrap();
        }
        for (cue, _) in BOUNDS {
            for name in [format!("det-{}.svg", cue.word()), format!("suspicion-{}.svg", cue.word())] {
                let read =
                    |at: usize| fs::read_to_string(folders[at].path().join("plots").join(&name)).unwrap();
                assert_eq!(read(0), read(1));
                assert!(is_well_formed(&read(0)), "{name}: {}", read(0));
                assert!(read(0).contains("a&lt;b&gt;&amp;c"), "{name}");
            }
        }
    }

    #[test]
    fn without_presentations_there_is_a_drawing_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[]).unwrap();
        let drawn = fs::read_to_string(folder.path().join("det-moire.svg")).unwrap();
        assert!(is_well_formed(&drawn), "{drawn}");
    }
}
