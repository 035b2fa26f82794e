//! Puts the measured figures together, for machines and for people, and says what they do not show.

use serde::Serialize;

use super::dataset::Dataset;
use super::extract::Extraction;
use super::interval::Proportion;
use super::pair_accuracy::{PairAccuracy, pair_accuracy};
use super::recognition::{Enrolment, NEEDED_AGREEMENTS, attempts, enrol, one_shot, three_shots};
use super::statistics::{AtThreshold, FMR_ONE_IN, Outcomes, bin_of};

/// The cosine from which the vault's comparisons agree: its `THRESHOLD_PERMILLE`.
const THRESHOLD: f32 = 0.600;

const TOO_FEW: &str = "too few comparisons";

const NOTES: [&str; 5] = [
    "Thresholds at an FMR are read off the same data that they are tried on, so that the rates beside them \
     are somewhat too good.",
    "Intervals (95 %, Clopper-Pearson) treat comparisons as independent. Those that share a person are not: \
     the true intervals are wider.",
    "Pictures in which no face was found, or that could not be read, are failures to acquire (FTA) and are \
     counted as errors: a genuine comparison with one is a false non-match, an impostor comparison with one \
     is no false match. ISO/IEC 19795-1 calls rates with FTA in them generalised.",
    "Impostors are the other people of the folder, who did not try to be taken for anybody.",
    "An attempt is up to five pictures of which two must agree. One without a face counts as a comparison \
     that does not agree, though the vault would wait for a better; a single picture left over is no attempt.",
];

/// All that was measured. Rates are 0 to 1, thresholds are cosines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub identities: u64,
    pub pictures: u64,
    /// Pictures without a face that could be embedded.
    pub not_found: u64,
    /// Files that could not be decoded.
    pub unreadable: u64,
    /// The share of both, FTA.
    pub failure_to_acquire: Option<Proportion>,
    /// On the pairs file, if one was given.
    pub pair_accuracy: Option<PairAccuracy>,
    /// Single pictures against single pictures.
    pub one_shot: Figures,
    /// Single pictures against templates of three shots.
    pub three_shots: Figures,
    /// Attempts against templates of three shots; thresholds are those of `three_shots`.
    pub per_attempt: Figures,
    pub notes: Vec<&'static str>,
}

/// The error rates of one protocol.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// People with pictures enough to take part.
    pub identities: u64,
    /// Those of them with too few faces found for a template. What would be compared with their own is
    /// a false non-match; nobody else's pictures are compared with it.
    pub not_enrolled: u64,
    /// Comparisons, or attempts.
    pub genuine: u64,
    pub impostor: u64,
    /// At the product's threshold.
    pub fixed: AtThreshold,
    /// At the lowest thresholds that hold an FMR.
    pub at_fmr: Vec<AtFmr>,
}

/// The error rates at the threshold where the FMR of single comparisons is at most `fmr`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtFmr {
    pub fmr: f64,
    /// None where there are fewer than 1 / `fmr` impostor comparisons to find the threshold on.
    pub rates: Option<AtThreshold>,
    /// Why there are none.
    pub withheld: Option<&'static str>,
}

impl Report {
    pub(super) fn of(dataset: &Dataset, extraction: &Extraction) -> Self {
        let faces = &extraction.faces;
        let pictures = faces.len() as u64;
        let identities = dataset.identities.len() as u64;
        let single = one_shot(dataset, faces);
        let enrolments = enrol(dataset, faces, 1);
        let comparisons = three_shots(&enrolments, faces);
        let for_attempts = enrol(dataset, faces, NEEDED_AGREEMENTS);
        let tried = attempts(&for_attempts, faces);
        Self {
            identities,
            pictures,
            not_found: extraction.not_found,
            unreadable: extraction.unreadable,
            failure_to_acquire: Proportion::of(extraction.not_found + extraction.unreadable, pictures),
            pair_accuracy: dataset.folds.as_ref().and_then(|folds| pair_accuracy(folds, faces)),
            one_shot: Figures::of(&single, &single, identities, 0),
            three_shots: Figures::of_templates(&comparisons, &comparisons, &enrolments),
            per_attempt: Figures::of_templates(&tried, &comparisons, &for_attempts),
            notes: NOTES.to_vec(),
        }
    }

    /// Lines for a terminal, without a last line feed.
    pub fn table(&self) -> String {
        let mut lines = vec![
            format!("{} people, {} pictures", self.identities, self.pictures),
            format!("no face found in {}, unreadable {}", self.not_found, self.unreadable),
            format!("FTA {}", percent(self.failure_to_acquire)),
        ];
        if let Some(pairs) = &self.pair_accuracy {
            lines.push(String::new());
            lines.push(format!(
                "Pairs: {} in {} folds, accuracy {:.2} %, standard error {:.2} %",
                pairs.pairs,
                pairs.folds.len(),
                pairs.accuracy * 100.0,
                pairs.standard_error * 100.0
            ));
        }
        lines.extend(self.one_shot.lines("One enrolled shot", "comparisons"));
        lines.extend(self.three_shots.lines("Three enrolled shots", "comparisons"));
        lines.extend(self.per_attempt.lines("Per attempt, three enrolled shots", "attempts"));
        lines.push(String::new());
        lines.extend(self.notes.iter().map(|note| format!("- {note}")));
        lines.join("\n")
    }
}

impl Figures {
    /// With the rows at the thresholds that single comparisons give.
    fn of(outcomes: &Outcomes, comparisons: &Outcomes, identities: u64, not_enrolled: u64) -> Self {
        let at = |&one_in: &u64| {
            let rates = comparisons.bin_at_fmr(one_in).map(|bin| outcomes.at(bin));
            let withheld = rates.is_none().then_some(TOO_FEW);
            AtFmr { fmr: 1.0 / one_in as f64, rates, withheld }
        };
        Self {
            identities,
            not_enrolled,
            genuine: outcomes.genuine.total(),
            impostor: outcomes.impostor.total(),
            fixed: outcomes.at(bin_of(THRESHOLD)),
            at_fmr: FMR_ONE_IN.iter().map(at).collect(),
        }
    }

    fn of_templates(outcomes: &Outcomes, comparisons: &Outcomes, enrolments: &[Enrolment]) -> Self {
        let not_enrolled = enrolments.iter().filter(|enrolment| enrolment.template.is_none()).count();
        Self::of(outcomes, comparisons, enrolments.len() as u64, not_enrolled as u64)
    }

    fn lines(&self, title: &str, unit: &str) -> Vec<String> {
        let mut lines = vec![
            String::new(),
            format!("{title}: {} genuine and {} impostor {unit}", self.genuine, self.impostor),
            format!("{} people took part, {} of them without a template", self.identities, self.not_enrolled),
            line("", "threshold", "FMR", "FNMR"),
            row("fixed", &self.fixed),
        ];
        for at in &self.at_fmr {
            let name = format!("FMR {:e}", at.fmr);
            lines.push(match &at.rates {
                Some(rates) => row(&name, rates),
                None => format!("  {name:<9}{}", at.withheld.unwrap_or_default()),
            });
        }
        lines
    }
}

fn row(name: &str, at: &AtThreshold) -> String {
    line(name, &format!("{:.4}", at.threshold), &scientific(at.fmr), &percent(at.fnmr))
}

fn line(name: &str, threshold: &str, fmr: &str, fnmr: &str) -> String {
    format!("  {name:<9}{threshold:<11}{fmr:<28}{fnmr}").trim_end().to_owned()
}

/// A small rate with its interval.
fn scientific(rate: Option<Proportion>) -> String {
    rate.map_or_else(|| TOO_FEW.into(), |p| format!("{:.1e} [{:.1e}, {:.1e}]", p.rate, p.lower, p.upper))
}

/// A rate with its interval, in hundredths.
fn percent(rate: Option<Proportion>) -> String {
    let of =
        |p: Proportion| format!("{:.2} % [{:.2}, {:.2}]", p.rate * 100.0, p.lower * 100.0, p.upper * 100.0);
    rate.map_or_else(|| TOO_FEW.into(), of)
}

#[cfg(test)]
mod tests {
    use vultus_vision::Embedding;
    use vultus_vision::embed::LENGTH;

    use super::*;

    fn face(person: usize) -> Option<Embedding> {
        let mut numbers = [0.0; LENGTH];
        numbers[person] = 1.0;
        Embedding::normalised(numbers)
    }

    /// Fifteen people at right angles with eight pictures each, of which one was not found.
    fn report() -> Report {
        let firsts = (0..120).step_by(8);
        let identities: Vec<std::ops::Range<usize>> = firsts.map(|first| first..first + 8).collect();
        let mut faces: Vec<_> = (0..120).map(|place| face(place / 8)).collect();
        faces[7] = None;
        let dataset = Dataset { pictures: vec!["x.jpg".into(); 120], identities, folds: None };
        Report::of(&dataset, &Extraction { faces, not_found: 1, unreadable: 0 })
    }

    #[test]
    fn every_protocol_counts_what_it_says() {
        let report = report();
        let counts = |f: &Figures| (f.genuine, f.impostor, f.fixed.fnmr.map(|p| p.events));
        // 15 · 28 and 105 · 64 pairs; 15 · 5 probes against one and 14 templates; 15 attempts of five.
        assert_eq!(counts(&report.one_shot), (420, 6_720, Some(7)));
        assert_eq!(counts(&report.three_shots), (75, 1_050, Some(1)));
        assert_eq!(counts(&report.per_attempt), (15, 210, Some(0)));
        assert_eq!(report.failure_to_acquire.unwrap().events, 1);
    }

    #[test]
    fn what_the_data_cannot_carry_is_withheld() {
        let report = report();
        let carried = |f: &Figures| f.at_fmr.iter().map(|at| at.rates.is_some()).collect::<Vec<_>>();
        assert_eq!(carried(&report.one_shot), [true, true, false]);
        assert_eq!(carried(&report.three_shots), [true, true, false]);
        // The attempts take their thresholds from the comparisons.
        assert_eq!(carried(&report.per_attempt), [true, true, false]);
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["one_shot"]["at_fmr"][2]["rates"].is_null());
        assert_eq!(json["one_shot"]["at_fmr"][2]["withheld"], TOO_FEW);
        assert_eq!(json["one_shot"]["fixed"]["threshold"], 0.6);
        assert!(report.table().contains("FMR 1e-4 too few comparisons"));
    }

    #[test]
    fn the_table_says_what_the_figures_do_not_show() {
        let table = report().table();
        assert!(table.contains("same data") && table.contains("independent"));
        assert!(table.contains("1.33 % [0.03, 7.21]"), "{table}");
    }
}
