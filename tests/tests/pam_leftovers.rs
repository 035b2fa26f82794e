//! What the module leaves behind in the program that loads it: no thread, no descriptor, no change of the
//! environment, and its six entry points alone.

use vultus_tests::films;
use vultus_tests::machine::{ALICE, Machine, PASSWORD};
use vultus_tests::pictures::Photograph;
use vultus_tests::process::{Finished, run, sibling, system};

fn host(machine: &Machine, user: &str) -> serde_json::Value {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("doubles/pam_host.py");
    let mut command = machine.with_pam(system("/usr/bin/python3"));
    command.arg(script).args(["face-only", user, "4"]);
    let done: Finished = run(command, 0, "").unwrap();
    serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {done:?}"))
}

#[test]
fn a_host_program_is_left_as_it_was() {
    let mut machine = Machine::start().unwrap();
    machine.start_agent().unwrap();
    let observer = films::observer().unwrap();
    machine.play_pictures("enrolment", &films::enrolment(&observer).unwrap()).unwrap();
    let enrolled =
        machine.vultus(ALICE, &["--password-stdin", "enroll", "face"], &format!("{PASSWORD}\n")).unwrap();
    assert_eq!(enrolled.status, 0, "{enrolled:?}");
    machine.play_pictures("person", &films::swaying(&observer, Photograph::ThirdOfA).unwrap()).unwrap();
    // Accepted (0), and unavailable (9: PAM_AUTHINFO_UNAVAIL) for a user without a face.
    for (user, code) in [("alice", 0), ("bob", 9)] {
        let report = host(&machine, user);
        assert_eq!(report["codes"], serde_json::json!([code, code, code, code]), "{report}");
        assert_eq!(report["before"], report["after"], "{user}: something was left behind");
        assert_eq!(report["after"][1], 1, "{user}: a thread was left behind");
    }
}

#[test]
fn the_module_exports_its_entry_points_alone() {
    let module = sibling("../pam/debug/libpam_vultus.so").unwrap();
    let mut nm = system("nm");
    nm.args(["--dynamic", "--defined-only", "--format=posix"]).arg(module.get_program());
    let listed = run(nm, 0, "").unwrap();
    let mut names: Vec<&str> = listed.out.lines().filter_map(|l| l.split_whitespace().next()).collect();
    names.sort_unstable();
    let expected = [
        "pam_sm_acct_mgmt",
        "pam_sm_authenticate",
        "pam_sm_chauthtok",
        "pam_sm_close_session",
        "pam_sm_open_session",
        "pam_sm_setcred",
    ];
    assert_eq!(names, expected, "{listed:?}");
}
