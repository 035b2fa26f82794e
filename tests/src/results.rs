//! The page that says what liveness was measured to be worth, out of the records of presentations. It presents
//! nobody and sets no bound; what it says of each figure stands with the figure.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

use serde::Serialize;
use vultus_cli::evaluate::Proportion;
use vultus_cli::evaluate::liveness::{CueFigures, Rates, of_readings};
use vultus_vision::Observer;
use vultus_vision::liveness::continuity::Flow;
use vultus_vision::liveness::decision::{self, Assessment, BOUNDS};
use vultus_vision::liveness::{Cue, Reading, Suspicion};

use crate::presentation::{Asked, BONA_FIDE, Part, Record, is_accepted};
use crate::real_people;
use crate::simulation::AttackKind;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What came of one kind of presentation.
#[derive(Serialize)]
pub struct Row {
    pub kind: String,
    /// APCER of attacks; of bona fide presentations the share that was accepted, 1 - BPCER.
    pub accepted: Proportion,
    pub outcomes: BTreeMap<String, u64>,
}

/// All kinds, where the same was asked.
#[derive(Serialize)]
pub struct Table {
    pub asked: Asked,
    pub rate: u32,
    pub rows: Vec<Row>,
}

/// Bona fide, then each attack.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    std::iter::once(BONA_FIDE).chain(AttackKind::ALL.into_iter().map(AttackKind::name))
}

/// A table for each thing that was asked in this part, and for each rate.
pub fn tables(records: &[Record], part: Part) -> Vec<Table> {
    let mut asked: Vec<(Asked, u32)> =
        records.iter().filter(|r| r.part == part).map(|r| (r.asked, r.rate)).collect();
    asked.sort_unstable();
    asked.dedup();
    let table = |(asked, rate)| {
        let own = |r: &&Record| r.part == part && r.asked == asked && r.rate == rate;
        let own: Vec<&Record> = records.iter().filter(own).collect();
        Table { asked, rate, rows: kinds().filter_map(|kind| row(kind, &own)).collect() }
    };
    asked.into_iter().map(table).collect()
}

fn row(kind: &str, records: &[&Record]) -> Option<Row> {
    let own: Vec<&&Record> = records.iter().filter(|r| r.kind == kind).collect();
    let accepted = own.iter().filter(|r| is_accepted(r)).count() as u64;
    let mut outcomes = BTreeMap::new();
    for record in &own {
        *outcomes.entry(record.outcome.clone()).or_default() += 1;
    }
    Some(Row { kind: kind.to_owned(), accepted: Proportion::of(accepted, own.len() as u64)?, outcomes })
}

/// What the cues said of the presentations of a part, and what each alone is worth.
pub fn cues(records: &[Record], part: Part) -> (Rates, Vec<CueFigures>) {
    let read = |r: &Record| {
        let name = format!("{}/{:?}/{}/{}", r.kind, r.asked, r.rate, r.seed);
        (name, r.kind.clone(), readings(r))
    };
    let all: Vec<(String, String, Vec<Reading>)> =
        records.iter().filter(|r| r.part == part).map(read).collect();
    of_readings(&all)
}

fn readings(record: &Record) -> Vec<Reading> {
    let known = |word: &str| Cue::ALL.into_iter().find(|cue| cue.word() == word);
    let read = |(word, said): &(String, Option<f32>)| {
        Some(Reading { cue: known(word)?, suspicion: said.map(Suspicion) })
    };
    record.cues.iter().filter_map(read).collect()
}

/// One table as Markdown.
pub fn markdown(table: &Table) -> String {
    let mut page = String::from("| kind | accepted | 95 % interval | outcomes |\n|---|---|---|---|\n");
    for Row { kind, accepted: a, outcomes } in &table.rows {
        let outcomes: Vec<String> = outcomes.iter().map(|(word, n)| format!("{word} {n}")).collect();
        let _ = writeln!(
            page,
            "| {kind} | {} of {} | {} | {} |",
            a.events,
            a.trials,
            interval(a),
            outcomes.join(", ")
        );
    }
    page
}

fn interval(p: &Proportion) -> String {
    format!("{:.1} to {:.1} %", 100.0 * p.lower, 100.0 * p.upper)
}

fn percent(p: &Proportion) -> String {
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * p.rate, 100.0 * p.lower, 100.0 * p.upper)
}

/// The whole page.
pub fn page(records: &[Record], observer: &Observer) -> Result<String> {
    let mut page = String::from(HEAD);
    page += &real(observer)?;
    for table in tables(records, Part::Report) {
        let _ = write!(
            page,
            "\n## Asked: {}\n\nSimulated, {} frames a second, photographs and seeds of the part that is reported.\n\n{}",
            table.asked.words(),
            table.rate,
            markdown(&table)
        );
    }
    page += &passive(records);
    Ok(page)
}

const HEAD: &str = "# What liveness was measured to be worth\n\n\
Made by `cargo xtask liveness --page docs/liveness-results.md` out of the records of presentations; nothing here is \
written by hand. What it means stands in [liveness.md](liveness.md).\n\n\
**What is simulated comes from one warper:** persons and attackers are photographs of three public persons, moved by \
their landmarks and passed through one model of a camera. A simulation shows what a method cannot do; what it can do \
it shows only as far as the simulation is right. The only real material is in the first table.\n\n\
Words are those of ISO/IEC 30107-3. Intervals are 95 %, Clopper-Pearson; they treat presentations as independent, \
which those of one photograph are not.\n";

/// What the cues and continuity say of real people.
fn real(observer: &Observer) -> Result<String> {
    let mut page = String::from(
        "\n## Real people\n\nFive photographs, each as it came and as a camera would show it, and four seconds of a \
         man who talks in a moving car, enlarged. None is an attack: whatever is beyond a bound is an error.\n\n\
         | what | cues that ran | beyond the product's bounds |\n|---|---|---|\n",
    );
    for shown in real_people::real(observer)? {
        let ran = shown.readings.iter().filter(|r| r.suspicion.is_some()).count();
        let beyond = match decision::assess(&shown.readings) {
            Assessment::Attack(cue) => cue.word(),
            Assessment::Unsuspicious(_) => "none",
        };
        let _ = writeln!(page, "| {} | {ran} of {} | {beyond} |", shown.name, shown.readings.len());
    }
    let clip = real_people::glimpses(observer)?;
    page += "\nContinuity of the clip";
    for apart in [1, 2, 3] {
        let flow = real_people::flow(clip.iter().step_by(apart), apart as u64);
        let word = match flow {
            Flow::Unbroken => "unbroken",
            Flow::Broken(failure) => failure.word(),
        };
        let _ =
            write!(page, "{} {word} at {} frames a second", if apart == 1 { ":" } else { "," }, 30 / apart);
    }
    page += ".\n";
    Ok(page)
}

/// What passive cues alone are worth.
fn passive(records: &[Record]) -> String {
    let mut page = String::from("\n## Passive cues alone\n\nBounds were set on the part for tuning, ");
    let tuning = records.iter().filter(|r| r.part == Part::Tuning).count();
    let (together, figures) = cues(records, Part::Report);
    let _ = write!(
        page,
        "{tuning} bona fide presentations of other photographs and seeds, and on no attack; rates are of the part \
         that is reported, in all that was asked there.\n\n| cue | bound |",
    );
    let kinds: Vec<&str> = kinds().collect();
    for kind in &kinds {
        let _ = write!(page, " {} |", if *kind == BONA_FIDE { "BPCER" } else { kind });
    }
    page += "\n|---|---|";
    page += &"---|".repeat(kinds.len());
    page.push('\n');
    for figure in &figures {
        let bound =
            BOUNDS.iter().find(|(cue, _)| cue.word() == figure.cue).map_or(f32::NAN, |(_, most)| *most);
        page += &rates(figure.cue, &format!("{bound}"), &figure.at_bound, &kinds);
    }
    page += &rates("all together", "", &together, &kinds);
    page += "\n### Each cue at a BPCER of 5 % or less\n\nThe bound is set on the bona fide presentations of one half of \
             this part and all rates are of the other half, so that cues can be compared.\n\n";
    for figure in &figures {
        for at in figure.at_bpcer.iter().filter(|at| at.bpcer > 0.01) {
            let Some(bpcer) = &at.bpcer_odd else {
                let _ = writeln!(page, "- {}: {}", figure.cue, at.withheld.unwrap_or("nothing to set it on"));
                continue;
            };
            let kinds: Vec<String> =
                at.apcer_odd.iter().map(|kind| format!("{} {}", kind.kind, percent(&kind.apcer))).collect();
            let _ =
                writeln!(page, "- **{}**: BPCER {}; APCER {}", figure.cue, percent(bpcer), kinds.join("; "));
        }
    }
    page
}

fn rates(name: &str, bound: &str, rates: &Rates, kinds: &[&str]) -> String {
    let mut row = format!("| {name} | {bound} |");
    for kind in kinds {
        let own = rates.apcer.iter().find(|rate| rate.kind == *kind).map(|rate| rate.apcer);
        let shown = if *kind == BONA_FIDE { rates.bpcer } else { own };
        let _ = write!(row, " {} |", shown.as_ref().map_or_else(|| "-".to_owned(), percent));
    }
    row.push('\n');
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, seed: u64, outcome: &str, gamut: f32) -> Record {
        Record {
            part: Part::Report,
            kind: kind.to_owned(),
            seed,
            asked: Asked::One,
            rate: 15,
            prompts: vec!["nod".to_owned()],
            outcome: outcome.to_owned(),
            seconds: 2.0,
            cues: vec![("gamut".to_owned(), Some(gamut)), ("unheard-of".to_owned(), None)],
        }
    }

    #[test]
    fn each_kind_is_counted_where_the_same_was_asked() {
        let other = Record { asked: Asked::Two, ..record(BONA_FIDE, 3, "accepted", 1.0) };
        let records = [
            record(BONA_FIDE, 1, "accepted", 1.0),
            record(BONA_FIDE, 2, "too-late", 1.0),
            record("matte-print", 1, "wrong-action", 2.5),
            other,
        ];
        let tables = tables(&records, Part::Report);
        assert_eq!(tables.iter().map(|t| t.asked).collect::<Vec<_>>(), [Asked::One, Asked::Two]);
        let [person, print] = &tables[0].rows[..] else { panic!("two kinds") };
        assert_eq!((person.accepted.events, person.accepted.trials), (1, 2));
        assert_eq!((print.accepted.events, print.outcomes["wrong-action"]), (0, 1));
        assert!(markdown(&tables[0]).contains("| bona-fide | 1 of 2 |"));
        assert!(super::tables(&records, Part::Tuning).is_empty());
    }

    #[test]
    fn cues_are_rated_by_what_the_records_say() {
        let records: Vec<Record> = (0..20)
            .flat_map(|seed| {
                [record(BONA_FIDE, seed, "accepted", 1.0), record("matte-print", seed, "too-late", 99.0)]
            })
            .collect();
        let (_, figures) = cues(&records, Part::Report);
        let gamut = figures.iter().find(|f| f.cue == "gamut").unwrap();
        assert_eq!(gamut.kinds[0].auc, Some(1.0));
        let text = passive(&records);
        assert!(text.contains("| gamut |") && text.contains("all together"), "{text}");
    }
}
