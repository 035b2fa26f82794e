//! Writes a report as lines for a terminal. It counts nothing.

use super::cues::{AtBpcer, CueFigures};
use super::figures::{Judge, Rates};
use super::folder::BONA_FIDE;
use super::report::{Report, Shown};
use crate::evaluate::interval::Proportion;

const NOTHING: &str = "nothing to rate";

/// All of it, without line feeds.
pub fn lines(report: &Report) -> Vec<String> {
    let mut lines = vec![format!(
        "{} presentations, {} of them simulated, {} unreadable",
        report.presentations,
        report.simulated,
        report.unreadable.len()
    )];
    lines.extend(report.unreadable.iter().map(|file| format!("  {}: {}", file.name, file.why)));
    lines.push(String::new());
    lines.extend(report.shown.iter().map(shown));
    for rates in &report.judges {
        lines.push(String::new());
        lines.push(title(rates.judge).to_owned());
        lines.extend(rated(rates));
    }
    report.cues.iter().for_each(|cue| lines.extend(of_cue(cue)));
    lines.push(String::new());
    lines.extend(report.notes.iter().map(|note| format!("- {note}")));
    lines
}

fn title(judge: &str) -> &'static str {
    match judge {
        word if word == Judge::Cues.word() => "The cues together, at the product's bounds",
        word if word == Judge::Continuity.word() => "Continuity of the film",
        word if word == Judge::Actions.word() => "Actions that were asked for",
        _ => "All of these together",
    }
}

fn shown(of: &Shown) -> String {
    let rate = if of.kind == BONA_FIDE { "BPNRR" } else { "APNRR" };
    let mut line = format!(
        "{:<22} {} presentations, a face in {} of {} frames, {rate} {}",
        of.kind,
        of.presentations,
        of.faces,
        of.frames,
        percent(of.non_response)
    );
    if !of.breaks.is_empty() {
        let words: Vec<String> = of.breaks.iter().map(|(word, times)| format!("{word} {times}")).collect();
        line.push_str(&format!("; {}", words.join(", ")));
    }
    line
}

fn rated(rates: &Rates) -> Vec<String> {
    let mut lines = vec![row("BPCER", &percent(rates.bpcer))];
    let kinds = rates.apcer.iter().map(|of| row(&format!("APCER {}", of.kind), &percent(Some(of.apcer))));
    lines.extend(kinds);
    if let (Some(max), Some(acer)) = (&rates.apcer_max, &rates.acer) {
        lines.push(row("APCER, worst kind", &max.kind));
        lines.push(row("ACER", &interval(acer.rate, acer.lower, acer.upper)));
    }
    lines
}

fn of_cue(cue: &CueFigures) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "Cue {}, ran on {} of the bona fide presentations",
            cue.cue.replace('-', " "),
            percent(cue.ran)
        ),
    ];
    lines.extend(rated(&cue.at_bound));
    for of in &cue.kinds {
        let auc =
            of.auc.map_or_else(|| NOTHING.into(), |auc| format!("{auc:.3}, ran on {}", percent(of.ran)));
        lines.push(row(&format!("AUC {}", of.kind), &auc));
    }
    cue.at_bpcer.iter().for_each(|at| lines.extend(at_bpcer(at)));
    lines
}

fn at_bpcer(at: &AtBpcer) -> Vec<String> {
    let title = format!("at BPCER <= {} %", at.bpcer * 100.0);
    let Some(bound) = at.bound else {
        return vec![row(&title, at.withheld.unwrap_or(NOTHING))];
    };
    let mut lines = vec![
        row(&title, &format!("bound {bound:.4} of the even half; of the odd half:")),
        row("  BPCER", &percent(at.bpcer_odd)),
    ];
    let kinds = at.apcer_odd.iter().map(|of| row(&format!("  APCER {}", of.kind), &percent(Some(of.apcer))));
    lines.extend(kinds);
    lines
}

fn row(name: &str, said: &str) -> String {
    format!("  {name:<26} {said}").trim_end().to_owned()
}

/// A rate with its interval, in hundredths.
fn percent(rate: Option<Proportion>) -> String {
    let of = |p: Proportion| format!("{} ({}/{})", interval(p.rate, p.lower, p.upper), p.events, p.trials);
    rate.map_or_else(|| NOTHING.into(), of)
}

fn interval(rate: f64, lower: f64, upper: f64) -> String {
    format!("{:.2} % [{:.2}, {:.2}]", rate * 100.0, lower * 100.0, upper * 100.0)
}

#[cfg(test)]
mod tests {
    use crate::evaluate::liveness::report::tests::report;

    #[test]
    fn a_person_finds_each_figure() {
        let table = report().table();
        for words in [
            "5 presentations, 4 of them simulated, 1 unreadable",
            "a-print/3: frame 3 is malformed",
            "BPNRR 50.00 % [1.26, 98.74] (1/2)",
            "jump-cut 1",
            "Continuity of the film",
            "APCER a-print              50.00 % [1.26, 98.74] (1/2)",
            "ACER                       25.00 %",
            "Cue motion in depth",
            "AUC a-print                1.000, ran on 100.00 %",
            "at BPCER <= 1 %            too few bona fide presentations",
            "at BPCER <= 5 %",
            "- Intervals (95 %",
        ] {
            assert!(table.contains(words), "{words}\n{table}");
        }
    }

    #[test]
    fn bona_fide_comes_first() {
        let table = report().table();
        let place = |words: &str| table.find(words).unwrap();
        assert!(place("bona-fide  ") < place("a-print  "));
    }
}
