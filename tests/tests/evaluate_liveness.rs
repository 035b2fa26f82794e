//! `vultus evaluate liveness` on films of the simulation, as one would measure one's own: the command, the report, the
//! plots, and that nothing is measured twice.

use std::fs;
use std::path::Path;

use serde_json::Value;
use vultus_tests::films;
use vultus_tests::pictures::{self, Photograph};
use vultus_tests::process::{Finished, run, sibling};
use vultus_tests::simulation::film::{self, Prompt};
use vultus_tests::simulation::{self, AttackKind, Cast};
use vultus_vision::liveness::Action;

const SECONDS: f32 = 3.0;
/// The records, where nothing else is said.
const RECORDS: &str = ".vultus-liveness.jsonl";

/// A person who turns when she is asked, and a print of her.
fn presentations(folder: &Path) {
    let observer = films::observer().unwrap();
    let [victim, attacker] =
        [Photograph::ThirdOfA, Photograph::PersonB].map(|which| films::sitter(&observer, which).unwrap());
    let script = [Prompt { action: Action::TurnLeft, from_s: 0.6, to_s: SECONDS }];
    let person = simulation::bona_fide(&victim, 3);
    let cast = Cast { victim: &victim, attacker: &attacker };
    let print = simulation::attack(AttackKind::MattePrint, cast, 3);
    for (kind, mut performance) in [("bona-fide", person), ("matte-print", print)] {
        fs::create_dir_all(folder.join(kind)).unwrap();
        let path = folder.join(kind).join("one.y4m");
        film::write(&path, (kind, 3), &mut *performance, &script, SECONDS).unwrap();
    }
}

fn evaluate(folder: &Path, plots: &Path) -> Finished {
    let mut command = sibling("vultus").unwrap();
    command.arg("--models").arg(pictures::models()).args(["--json", "evaluate", "liveness"]);
    command.arg(folder).arg("--plots").arg(plots);
    run(command, 0, "").unwrap()
}

#[test]
fn films_are_measured_once_reported_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let plots = tempfile::tempdir().unwrap();
    presentations(folder.path());
    let done = evaluate(folder.path(), plots.path());
    assert_eq!(done.status, 0, "{done:?}");
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((report["presentations"].as_u64(), report["simulated"].as_u64()), (Some(2), Some(2)));
    let shown = report["shown"].as_array().unwrap();
    assert_eq!(
        shown.iter().map(|s| s["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["bona-fide", "matte-print"]
    );
    assert!(shown.iter().all(|s| s["frames"] == 90 && s["faces"].as_u64() > Some(60)), "{shown:?}");
    // The print does nothing that a head does.
    let actions =
        report["judges"].as_array().unwrap().iter().find(|judge| judge["judge"] == "actions").unwrap();
    assert_eq!(actions["apcer"][0]["apcer"]["events"], 0, "{actions}");
    let drawn = fs::read_dir(plots.path()).unwrap().count();
    assert!(drawn >= 7, "a histogram for each cue, and DET curves: {drawn}");
    let records = fs::read_to_string(folder.path().join(RECORDS)).unwrap();
    assert_eq!(records.lines().count(), 2);
    assert!(!records.contains("points") && !records.contains("embedding"));
    // What is known is not measured again, and gives the same.
    assert_eq!(evaluate(folder.path(), plots.path()).out, done.out);
    assert_eq!(fs::read_to_string(folder.path().join(RECORDS)).unwrap(), records);
}

#[test]
fn what_is_no_folder_of_presentations_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let done = evaluate(folder.path(), &folder.path().join("plots"));
    assert!(done.status == 2 && !done.err.is_empty(), "{done:?}");
    fs::create_dir(folder.path().join("bona-fide")).unwrap();
    fs::write(folder.path().join("bona-fide/torn.y4m"), "YUV4MPEG2 W64 H48 F30:1\nFRAME\n").unwrap();
    let done = evaluate(folder.path(), &folder.path().join("plots"));
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(report["unreadable"].as_array().unwrap().len(), 1, "{done:?}");
}
