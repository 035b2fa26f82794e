//! `vultus evaluate recognition` on real photographs: a folder a person, and LFW's form of pairs.

use std::fs;
use std::path::Path;

use vultus_tests::pictures::{self, Photograph};
use vultus_tests::process::{Finished, run, sibling};

/// LFW's form: `Name/Name_0001.jpg`. The two faces that have one photograph get it as it is.
fn people(folder: &Path) {
    let list = [
        ("A", 1, Photograph::FirstOfA),
        ("A", 2, Photograph::SecondOfA),
        ("A", 3, Photograph::ThirdOfA),
        ("B", 1, Photograph::PersonB),
    ];
    for (name, number, which) in list {
        fs::create_dir_all(folder.join(name)).unwrap();
        let from = pictures::cache().join("pictures").join(which.file());
        fs::copy(from, folder.join(name).join(format!("{name}_{number:04}.jpg"))).unwrap();
    }
}

fn evaluate(arguments: &[&str]) -> Finished {
    let mut command = sibling("vultus").unwrap();
    command
        .arg("--models")
        .arg(pictures::models())
        .args(["--json", "evaluate", "recognition"])
        .args(arguments);
    run(command, 0, "").unwrap()
}

#[test]
fn folders_of_people_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    people(folder.path());
    let done = evaluate(&[folder.path().to_str().unwrap()]);
    assert_eq!(done.status, 0, "{done:?}");
    let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    // Three pairs of A agree, three of A with B do not, and so few carry no rate at 1e-2.
    let one_shot = &report["one_shot"];
    assert_eq!((one_shot["genuine"].as_u64(), one_shot["impostor"].as_u64()), (Some(3), Some(3)));
    assert_eq!(one_shot["fixed"]["fnmr"]["events"], 0);
    assert_eq!(one_shot["fixed"]["fmr"]["events"], 0);
    assert!(one_shot["at_fmr"][0]["rates"].is_null());
}

#[test]
fn a_picture_without_a_face_is_an_error_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    people(folder.path());
    let grey = vultus_tests::video::Picture { width: 200, height: 200, rgb: vec![128; 120_000] };
    vultus_tests::annotate::write_png(&folder.path().join("A/A_0004.png"), &grey).unwrap();
    let done = evaluate(&[folder.path().to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(report["not_found"], 1, "{done:?}");
    assert_eq!(report["one_shot"]["fixed"]["fnmr"]["events"], 3, "three pairs of A have the empty picture");
}

#[test]
fn lfws_pairs_are_measured_and_bad_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    people(folder.path());
    let pairs = folder.path().join("pairs.txt");
    fs::write(&pairs, "2\t1\nA\t1\t2\nA\t1\tB\t1\nA\t2\t3\nA\t3\tB\t1\n").unwrap();
    let (folder, pairs) = (folder.path().to_str().unwrap(), pairs.to_str().unwrap());
    let done = evaluate(&[folder, "--pairs", pairs]);
    let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(report["pair_accuracy"]["accuracy"], 1.0, "{done:?}");
    fs::write(pairs, "2\t1\nA\t1\t2\nA\t1\tB\t1\nA\t2\t9\nA\t3\tB\t1\n").unwrap();
    let refused = evaluate(&[folder, "--pairs", pairs]);
    assert!(refused.status == 2 && refused.err.contains("line 4"), "{refused:?}");
}
