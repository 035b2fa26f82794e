//! Puts the measured figures together, and says what they do not show.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cues::{self, CueFigures};
use super::figures::{Judge, Rates, responses};
use super::folder::{BONA_FIDE, Presentation};
use super::records::Record;
use super::work::Outcome;
use crate::evaluate::interval::Proportion;

const NOTES: [&str; 8] = [
    "Intervals (95 %, Clopper-Pearson) treat presentations as independent. Those that share a person, a \
     camera, a room or a means of attack are not: the true intervals are wider.",
    "Presentations in which no face could be judged are non-responses (BPNRR, APNRR) and stand in no error \
     rate. Files that could not be read stand in none at all.",
    "ACER is the mean of BPCER and of the APCER of the kind that gets in most often, which these same \
     presentations chose; the ends of its interval are the means of the ends of theirs.",
    "A cue at a BPCER: the bound is set on the presentations whose name has an even SHA-256, and all rates \
     beside it are of the others. Both halves share people and cameras, so that the rates are somewhat too \
     good.",
    "A cue that could not run on a presentation calls it no attack. One that the product binds to nothing \
     (an infinite bound) calls nothing an attack: BPCER 0, APCER 1.",
    "Continuity is judged on films, and actions only where a file beside the presentation says what was \
     asked when. The script of a recording was known beforehand to whoever wrote it; the product draws a \
     new one each time.",
    "Nobody is compared with anybody here, as a login would do throughout: these are no rates of a login.",
    "Compression, and conversion of other videos, takes away some of what cues look at.",
];

const SIMULATED: &str = "Some presentations say of themselves that they are simulated. A simulation shows what \
     a method cannot do; what it can do it shows only as far as the simulation is right.";

/// All that was measured. Rates are 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// With those that could not be read.
    pub presentations: u64,
    /// Those that say of themselves that nobody real was before the camera.
    pub simulated: u64,
    /// Bona fide presentations first, then each kind of attack.
    pub shown: Vec<Shown>,
    pub unreadable: Vec<Unreadable>,
    /// The cues together at the product's bounds, continuity, actions, and all of these.
    pub judges: Vec<Rates>,
    pub cues: Vec<CueFigures>,
    pub notes: Vec<&'static str>,
}

/// What there was of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    pub kind: String,
    /// Those that were measured.
    pub presentations: u64,
    /// BPNRR or APNRR.
    pub non_response: Option<Proportion>,
    pub frames: u64,
    /// Those of them with a face that could be followed.
    pub faces: u64,
    /// Breaks in continuity by their words.
    pub breaks: BTreeMap<String, u64>,
}

/// A presentation that was not measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unreadable {
    pub name: String,
    pub why: String,
}

impl Report {
    pub(super) fn of(presentations: &[Presentation], outcomes: &[Outcome]) -> Self {
        let responses = responses(presentations, outcomes);
        let judges = [Judge::Cues, Judge::Continuity, Judge::Actions, Judge::Together];
        let simulated = outcomes.iter().filter(|outcome| measured(outcome).is_some_and(|r| r.simulated));
        let simulated = simulated.count() as u64;
        let mut notes = NOTES.to_vec();
        if simulated > 0 {
            notes.push(SIMULATED);
        }
        Self {
            presentations: presentations.len() as u64,
            simulated,
            shown: shown(presentations, outcomes),
            unreadable: unreadable(presentations, outcomes),
            judges: judges.into_iter().map(|judge| Rates::of(judge, &responses)).collect(),
            cues: if responses.is_empty() { Vec::new() } else { cues::figures(&responses) },
            notes,
        }
    }

    /// Lines for a terminal, without a last line feed.
    pub fn table(&self) -> String {
        super::table::lines(self).join("\n")
    }
}

fn measured(outcome: &Outcome) -> Option<&Record> {
    match outcome {
        Outcome::Measured(record) => Some(record),
        Outcome::Unreadable(_) => None,
    }
}

fn shown(presentations: &[Presentation], outcomes: &[Outcome]) -> Vec<Shown> {
    let mut kinds: Vec<&str> = presentations.iter().map(|shown| shown.kind.as_str()).collect();
    kinds.dedup();
    // Bona fide presentations come first, the others by name.
    kinds.sort_by_key(|kind| (*kind != BONA_FIDE, *kind));
    let of_kind = |kind: &str| {
        let own = presentations.iter().zip(outcomes).filter(|(shown, _)| shown.kind == kind);
        Shown::of(kind, &own.filter_map(|(_, outcome)| measured(outcome)).collect::<Vec<_>>())
    };
    kinds.into_iter().map(of_kind).collect()
}

impl Shown {
    fn of(kind: &str, records: &[&Record]) -> Self {
        let silent = records.iter().filter(|record| !record.measured.responded()).count() as u64;
        let mut breaks = BTreeMap::new();
        for word in records.iter().filter_map(|record| record.measured.failure.clone()) {
            *breaks.entry(word).or_default() += 1;
        }
        Self {
            kind: kind.to_owned(),
            presentations: records.len() as u64,
            non_response: Proportion::of(silent, records.len() as u64),
            frames: records.iter().map(|record| record.measured.frames).sum(),
            faces: records.iter().map(|record| record.measured.faces).sum(),
            breaks,
        }
    }
}

fn unreadable(presentations: &[Presentation], outcomes: &[Outcome]) -> Vec<Unreadable> {
    let why = |(shown, outcome): (&Presentation, &Outcome)| match outcome {
        Outcome::Measured(_) => None,
        Outcome::Unreadable(why) => Some(Unreadable { name: shown.name.clone(), why: why.clone() }),
    };
    presentations.iter().zip(outcomes).filter_map(why).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use vultus_vision::liveness::Cue;

    use super::*;
    use crate::evaluate::liveness::figures::tests::film;
    use crate::evaluate::liveness::folder::Source;
    use crate::evaluate::liveness::measure::Measured;
    use crate::evaluate::liveness::records::Book;

    fn presentation(name: &str) -> Presentation {
        let kind = name.split('/').next().unwrap().to_owned();
        Presentation { name: name.into(), kind, source: Source::Video("".into()), sidecar: "".into() }
    }

    fn recorded(records: &Path, name: &str, measured: Measured) -> Outcome {
        Outcome::Measured(Book::open(records).unwrap().add(name, "".into(), (true, measured)).unwrap())
    }

    /// Two bona fide presentations, one of which nobody answered, and three prints, one of which was cut off.
    pub fn report() -> Report {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join("records");
        let of = |name: &str, measured| recorded(&records, name, measured);
        let names = ["bona-fide/1", "bona-fide/2", "a-print/1", "a-print/2", "a-print/3"];
        let presentations: Vec<Presentation> = names.iter().map(|name| presentation(name)).collect();
        let cut = Measured { failure: Some("jump-cut".into()), ..film(&[(Cue::Gamut, 3.0)]) };
        let outcomes = [
            of(names[0], film(&[(Cue::Gamut, 1.0)])),
            of(names[1], Measured { usable: 0, faces: 2, ..film(&[]) }),
            of(names[2], film(&[(Cue::Gamut, 2.0)])),
            of(names[3], cut),
            Outcome::Unreadable("frame 3 is malformed or cut off".into()),
        ];
        Report::of(&presentations, &outcomes)
    }

    #[test]
    fn who_was_not_seen_and_what_was_not_read_stand_in_no_rate() {
        let report = report();
        let [bona_fide, print] = report.shown.as_slice() else { panic!("{:?}", report.shown) };
        assert_eq!((bona_fide.kind.as_str(), bona_fide.presentations, bona_fide.faces), (BONA_FIDE, 2, 32));
        assert_eq!(bona_fide.non_response.map(|p| (p.events, p.trials)), Some((1, 2)));
        assert_eq!((print.presentations, print.breaks["jump-cut"]), (2, 1));
        assert_eq!(print.non_response.map(|p| p.events), Some(0));
        let continuity = &report.judges[1];
        assert_eq!(continuity.bpcer.map(|p| (p.events, p.trials)), Some((0, 1)));
        assert_eq!((continuity.apcer[0].apcer.events, continuity.apcer[0].apcer.trials), (1, 2));
        assert_eq!((report.unreadable.len(), report.unreadable[0].name.as_str()), (1, "a-print/3"));
    }

    #[test]
    fn one_object_holds_all() {
        let report = report();
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["presentations"] == 5 && json["simulated"] == 4);
        let gamut = json["cues"].as_array().unwrap().iter().find(|cue| cue["cue"] == "gamut").unwrap();
        assert_eq!(gamut["kinds"][0]["auc"], 1.0);
        assert_eq!(gamut["at_bound"]["apcer"][0]["kind"], "a-print");
        assert!(gamut["at_bpcer"][0]["bound"].is_null() && gamut["at_bpcer"][0]["withheld"].is_string());
        assert!(report.notes.contains(&SIMULATED));
    }
}
