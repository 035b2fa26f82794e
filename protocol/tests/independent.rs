//! The vectors, read by what is not ours: pycose, cbor2, pyhpke and OpenSSL, and a reader in Python that was
//! written from docs/protocol.md. `tests/cose/check.py` says what is checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn check(folder: &Path) -> Output {
    let python = workspace().join(".cache/venv/bin/python");
    assert!(python.exists(), "{} is missing: cargo xtask models", python.display());
    Command::new(python).arg(workspace().join("tests/cose/check.py")).arg(folder).output().unwrap()
}

fn said(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn others_read_the_vectors_as_we_do() {
    let done = check(&vectors());
    assert!(done.status.success(), "{}{}", said(&done.stdout), said(&done.stderr));
    let counted: Value = serde_json::from_slice(&done.stdout).unwrap();
    let all = |file: &str, lists: &[&str]| -> u64 {
        let text = fs::read_to_string(vectors().join(file)).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        let length = |list: &Value| list.as_array().unwrap().len() as u64;
        if lists.is_empty() { length(&read) } else { lists.iter().map(|l| length(&read[l])).sum() }
    };
    assert_eq!(counted["signed"], all("signed.json", &[]));
    assert_eq!(counted["sealed"], all("sealed.json", &[]));
    assert_eq!(counted["derived"], all("derived.json", &["hashed", "keyed"]));
    assert_eq!(counted["refused"], all("refused.json", &["packets", "sealed"]));
}

/// The first vector of a file whose line has this field gets another last digit there.
fn altered(file: &str, field: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("altered-{file}-{field}"));
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(vectors()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let mut text = fs::read_to_string(folder.join(file)).unwrap();
    let begin = text.find(&format!("\"{field}\": \"")).unwrap();
    let value = begin + field.len() + 5;
    let last = value + text[value..].find('"').unwrap() - 1;
    let digit = if &text[last..=last] == "0" { "1" } else { "0" };
    text.replace_range(last..=last, digit);
    fs::write(folder.join(file), text).unwrap();
    folder
}

/// The check itself finds what is wrong.
#[test]
fn altered_vectors_are_found() {
    let fields = [
        ("signed.json", "context"),
        ("signed.json", "text"),
        ("signed.json", "bytes"),
        ("signed.json", "point"),
        ("signed.json", "id"),
        ("signed.json", "payload"),
        ("signed.json", "to_be_signed"),
        ("signed.json", "digest"),
        ("signed.json", "signature"),
        ("signed.json", "packet"),
        ("sealed.json", "context"),
        ("sealed.json", "scalar"),
        ("sealed.json", "random"),
        ("sealed.json", "ephemeral"),
        ("sealed.json", "encapsulated"),
        ("sealed.json", "ciphertext"),
        ("sealed.json", "packet"),
        ("sealed.json", "sealed"),
        ("derived.json", "input"),
        ("derived.json", "value"),
    ];
    for (file, field) in fields {
        let done = check(&altered(file, field));
        assert!(!done.status.success(), "{field} of {file}: {}", said(&done.stdout));
    }
}
