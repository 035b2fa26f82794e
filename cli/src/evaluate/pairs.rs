//! Parses LFW's `pairs.txt`: which pictures of which people are compared, in which fold. It takes no
//! line that it does not fully understand, and does not look whether the pictures exist.

use std::path::{Path, PathBuf};

use super::EvaluateError;

/// A picture as a pairs file names it: the person, and a number from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedPicture<'a> {
    person: &'a str,
    number: u32,
}

impl<'a> NamedPicture<'a> {
    fn parse(line: usize, person: &'a str, number: &str) -> Result<Self, EvaluateError> {
        // A name becomes part of a path, and must not lead out of the folder.
        if person.is_empty() || person.starts_with('.') || person.contains(['/', '\0']) {
            return Err(EvaluateError::PairName { line });
        }
        let number = positive(number).ok_or(EvaluateError::PairNumber { line })?;
        Ok(Self { person, number })
    }

    /// Where LFW keeps it.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.person).join(format!("{}_{:04}.jpg", self.person, self.number))
    }
}

/// A number from 1 in decimal digits alone; the standard parser would take a sign.
fn positive(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse::<u32>().ok().filter(|&number| digits && number > 0)
}

/// One line: two pictures, of one person (genuine) or of two (impostor).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedPair<'a> {
    /// From 1.
    pub line: usize,
    pub pictures: [NamedPicture<'a>; 2],
    pub genuine: bool,
}

impl<'a> NamedPair<'a> {
    fn parse(line: usize, text: &'a str) -> Result<Self, EvaluateError> {
        let fields: Vec<&'a str> = text.split('\t').collect();
        match fields[..] {
            [person, first, second] => {
                let first = NamedPicture::parse(line, person, first)?;
                let second = NamedPicture::parse(line, person, second)?;
                if first == second {
                    return Err(EvaluateError::PairSamePicture { line });
                }
                Ok(Self { line, pictures: [first, second], genuine: true })
            }
            [person, first, other, second] => {
                let first = NamedPicture::parse(line, person, first)?;
                let second = NamedPicture::parse(line, other, second)?;
                if person == other {
                    return Err(EvaluateError::PairSamePerson { line });
                }
                Ok(Self { line, pictures: [first, second], genuine: false })
            }
            _ => Err(EvaluateError::PairFields { line, found: fields.len() }),
        }
    }
}

/// Each fold: its genuine pairs, then as many impostor pairs. The first line says how many folds there
/// are and how many genuine pairs each has, between tabs; a pair is `name i j` or `name i other j`.
pub(super) fn parse_folds(text: &str) -> Result<Vec<Vec<NamedPair<'_>>>, EvaluateError> {
    let mut lines = text.lines();
    let (folds, each) = parse_header(lines.next().unwrap_or_default()).ok_or(EvaluateError::PairsHeader)?;
    let mut parsed: Vec<Vec<NamedPair<'_>>> = Vec::new();
    let mut last = 1;
    for text in lines {
        last += 1;
        let pair = NamedPair::parse(last, text)?;
        if parsed.last().is_none_or(|fold| fold.len() == 2 * each) {
            if parsed.len() == folds {
                return Err(EvaluateError::PairsSurplus { line: last });
            }
            parsed.push(Vec::new());
        }
        if let Some(fold) = parsed.last_mut() {
            if pair.genuine != (fold.len() < each) {
                return Err(EvaluateError::PairOrder { line: last });
            }
            fold.push(pair);
        }
    }
    if parsed.len() < folds || parsed.last().is_none_or(|fold| fold.len() < 2 * each) {
        return Err(EvaluateError::PairsMissing { line: last + 1 });
    }
    Ok(parsed)
}

/// How many folds, and how many genuine pairs each has. A threshold is chosen on other folds than it is
/// tried on, so that there must be two.
fn parse_header(line: &str) -> Option<(usize, usize)> {
    let (folds, each) = line.split_once('\t')?;
    let (folds, each) = (positive(folds)?, positive(each)?);
    (folds >= 2).then_some((folds as usize, each as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nBob\t1\t12\nBob\t2\tAnn\t2\n";

    #[test]
    fn a_good_file_is_read_into_folds() {
        for text in [GOOD.to_owned(), GOOD.replace('\n', "\r\n"), GOOD.trim_end().to_owned()] {
            let folds = parse_folds(&text).unwrap();
            assert_eq!(folds.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
            let pair = &folds[1][0];
            assert_eq!((pair.line, pair.genuine), (4, true));
            assert_eq!(pair.pictures[1].path(Path::new("lfw")), Path::new("lfw/Bob/Bob_0012.jpg"));
            assert!(!folds[1][1].genuine);
        }
    }

    #[test]
    fn a_bad_header_is_refused() {
        for header in ["", "10", "10 300", "1\t300", "2\t0", "two\t1", "+2\t1", "2\t1\t1"] {
            let error = parse_folds(&format!("{header}\nAnn\t1\t2\n")).unwrap_err();
            assert!(matches!(error, EvaluateError::PairsHeader), "{header}: {error}");
        }
    }

    #[test]
    fn every_bad_line_is_named_with_its_fault() {
        let fault = |line: &str| parse_folds(&GOOD.replace("Bob\t1\t12", line)).unwrap_err();
        assert!(matches!(fault(""), EvaluateError::PairFields { line: 4, found: 1 }));
        assert!(matches!(fault("Bob\t1"), EvaluateError::PairFields { line: 4, found: 2 }));
        assert!(matches!(fault("B\t1\tA\t1\t1"), EvaluateError::PairFields { line: 4, found: 5 }));
        assert!(matches!(fault("\t1\t2"), EvaluateError::PairName { line: 4 }));
        assert!(matches!(fault("../x\t1\t2"), EvaluateError::PairName { line: 4 }));
        assert!(matches!(fault("a/b\t1\t2"), EvaluateError::PairName { line: 4 }));
        for number in ["0", "-1", "+1", "x", "", " 1", "4294967296"] {
            let error = fault(&format!("Bob\t{number}\t2"));
            assert!(matches!(error, EvaluateError::PairNumber { line: 4 }), "{number}: {error}");
        }
        assert!(matches!(fault("Bob\t2\t2"), EvaluateError::PairSamePicture { line: 4 }));
        assert!(matches!(fault("Bob\t2\tBob\t3"), EvaluateError::PairSamePerson { line: 4 }));
        assert!(matches!(fault("Bob\t2\tAnn\t3"), EvaluateError::PairOrder { line: 4 }));
        assert!(matches!(fault("Bob\t1\t2\nBob\t1\t3"), EvaluateError::PairOrder { line: 5 }));
    }

    #[test]
    fn pairs_are_as_many_as_the_header_says() {
        let surplus = parse_folds(&format!("{GOOD}Bob\t1\t2\n")).unwrap_err();
        assert!(matches!(surplus, EvaluateError::PairsSurplus { line: 6 }));
        for (lines, missing) in [(1, 2), (2, 3), (3, 4), (4, 5)] {
            let text: String = GOOD.split_inclusive('\n').take(lines).collect();
            let error = parse_folds(&text).unwrap_err();
            assert!(matches!(error, EvaluateError::PairsMissing { line } if line == missing), "{error}");
        }
    }
}
