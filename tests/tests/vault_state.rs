//! The vault's state under a hand that may write to the disk, and under a TPM that is silent, gone,
//! another one or in another state: each gives its typed refusal, and what was not touched stays readable.

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::process::Signal;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tempfile::TempDir;
use vultus_frames::StaticKey;
use vultus_ipc::Reason;
use vultus_ipc::camera::Spectrum;
use vultus_tests::client::block_on;
use vultus_tests::process::{PATIENCE, Process, run, system, wait_until};
use vultus_tests::swtpm::{self, free_ports, power_on, sockets};
use vultus_tpm::{Tpm, TpmError};
use vultus_vault::VaultError;
use vultus_vault::keys::{Keys, OpenState};
use vultus_vault::lockout::Counter;
use vultus_vault::records::{CameraPairing, Template};
use vultus_vault::store::Store;
use vultus_vision::Embedding;
use vultus_vision::liveness::Baseline;

/// What is done to the bytes of a record or a file.
type Damage = fn(&mut Vec<u8>);

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Their numbers stand in the statements below, too.
const ALICE: u32 = 1001;
const BOB: u32 = 1002;
/// A user who is not root, and to whom nothing else belongs.
const STRANGER: u32 = 60_104;

/// A TPM in software, with what it keeps.
struct Chip {
    process: Process,
    port: u16,
    folder: TempDir,
    /// The connection that most cases share: there is little room in a TPM for the keys of many.
    tpm: RefCell<Option<Tpm>>,
}

impl Chip {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_ports()?;
        Ok(Self {
            process: power_on(folder.path(), port, &folder.path().join("log"))?,
            port,
            folder,
            tpm: RefCell::default(),
        })
    }

    fn tcti(&self) -> String {
        swtpm::tcti(self.port)
    }

    /// Switches it off and on again.
    fn restart(&mut self) -> Result {
        self.process.kill()?;
        self.process = power_on(self.folder.path(), self.port, &self.folder.path().join("log"))?;
        Ok(())
    }

    /// Runs one of tpm2-tools.
    fn tool(&self, program: &str, arguments: &[&str]) -> Result {
        let mut command = system(program);
        command.arg("--tcti").arg(self.tcti()).args(arguments);
        let done = run(command, 0, "")?;
        if done.status == 0 { Ok(()) } else { Err(format!("{program}: {done:?}").into()) }
    }

    /// Whether a command has arrived that nobody has read.
    fn is_asked(&self) -> bool {
        sockets(self.port).iter().any(|(state, unread)| state == "01" && unread != "00000000")
    }
}

/// The state in a folder, with its key at a TPM, to which it gives the connection back.
struct Opened<'a> {
    keys: Option<Keys>,
    chip: &'a Chip,
}

impl Opened<'_> {
    /// Ends without closing anything, as a process does that is killed.
    fn abandon(mut self) {
        if let Some(Keys { tpm, store, .. }) = self.keys.take() {
            std::mem::forget(store);
            *self.chip.tpm.borrow_mut() = Some(tpm);
        }
    }
}

impl Deref for Opened<'_> {
    type Target = Keys;

    fn deref(&self) -> &Keys {
        self.keys.as_ref().expect("it was not abandoned")
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(Keys { tpm, .. }) = self.keys.take() {
            *self.chip.tpm.borrow_mut() = Some(tpm);
        }
    }
}

fn keys<'a>(chip: &'a Chip, folder: &Path) -> std::result::Result<Opened<'a>, VaultError> {
    keys_under(chip, folder, &[])
}

/// The same, where a first key is sealed under a policy on these registers.
fn keys_under<'a>(
    chip: &'a Chip,
    folder: &Path,
    registers: &[u8],
) -> std::result::Result<Opened<'a>, VaultError> {
    let store = Store::open(folder)?;
    let tpm = match chip.tpm.take() {
        Some(tpm) => tpm,
        None => Tpm::start(chip.tcti(), PATIENCE)?,
    };
    Ok(Opened { keys: Some(Keys::new(tpm, registers.to_vec(), store)), chip })
}

/// The same with a connection of its own, to be asked from several threads.
fn own_keys(chip: &Chip, folder: &Path, patience: Duration) -> Result<Arc<Keys>> {
    Ok(Arc::new(Keys::new(Tpm::start(chip.tcti(), patience)?, Vec::new(), Store::open(folder)?)))
}

/// Waits until nobody in this process has a file of the folder open: a database is closed by a thread of
/// its own.
fn closed(folder: &Path) -> Result {
    let is_open = |descriptor: fs::DirEntry| {
        fs::read_link(descriptor.path()).is_ok_and(|target| target.starts_with(folder))
    };
    let any = || fs::read_dir("/proc/self/fd").is_ok_and(|mut all| all.any(|d| d.is_ok_and(is_open)));
    Ok(wait_until("the database is closed", || !any())?)
}

fn template(label: &str, seed: u16) -> Result<Template> {
    let embedding = |n: u16| {
        let numbers = std::array::from_fn(|i| f32::from((i as u16 * 31 + seed + n) % 17) - 7.5);
        Embedding::normalised(numbers).ok_or("no direction")
    };
    let shots = vec![embedding(1)?, embedding(2)?, embedding(3)?];
    Ok(Template {
        label: label.to_owned(),
        camera: "usb:a".to_owned(),
        token_key: zeroize::Zeroizing::new([7; 32]),
        mean: embedding(0)?,
        shots,
        baseline: Baseline { eyes: 0.3, mouth: 0.02 },
    })
}

fn failures(in_a_row: u32) -> Counter {
    Counter { in_a_row, in_all: in_a_row + 7, boot: "a boot".to_owned(), since_boot_ms: 12_345 }
}

fn pairing(id: &str) -> Result<CameraPairing> {
    Ok(CameraPairing {
        id: id.to_owned(),
        label: "Camera".to_owned(),
        spectrum: Spectrum::Colour,
        socket: "/run/vultus/camera.sock".to_owned(),
        camera_key: StaticKey::generate()?.public(),
        vault_key: StaticKey::generate()?,
    })
}

/// Something that is kept, and read as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Faces(u32),
    Failures(u32),
    Cameras,
}

impl Part {
    const ALL: [Self; 5] =
        [Self::Faces(ALICE), Self::Faces(BOB), Self::Failures(ALICE), Self::Failures(BOB), Self::Cameras];

    /// Its content, to be compared with what it was.
    fn read(self, state: &OpenState<'_>) -> std::result::Result<String, VaultError> {
        Ok(match self {
            Self::Faces(uid) => {
                let faces = state.templates(uid)?;
                let line = |(face, t): &(u32, Template)| {
                    format!("{face} {} {} {:?} {}", t.label, t.camera, t.mean.numbers(), t.shots.len())
                };
                faces.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            Self::Failures(uid) => format!("{:?}", state.counter(uid)?),
            Self::Cameras => {
                let line = |c: &CameraPairing| format!("{} {:?}", c.id, c.camera_key.to_bytes());
                state.cameras()?.iter().map(line).collect::<Vec<_>>().join("\n")
            }
        })
    }
}

/// A whole state, of which every case gets a copy.
struct Base {
    root: TempDir,
    file: Vec<u8>,
    parts: Vec<(Part, String)>,
}

impl Base {
    fn new(chip: &Chip) -> Result<Self> {
        let root = tempfile::tempdir()?;
        // One case is another user's.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755))?;
        let folder = root.path().join("whole");
        let keys = keys(chip, &folder)?;
        let state = keys.open()?;
        state.put_template(ALICE, 0, &template("alice at the desk", 1)?)?;
        state.put_template(ALICE, 1, &template("alice on the road", 5)?)?;
        state.put_template(BOB, 0, &template("bob", 9)?)?;
        state.put_counter(ALICE, &failures(2))?;
        state.put_counter(BOB, &failures(0))?;
        state.put_camera(&pairing("usb:a")?)?;
        state.put_camera(&pairing("usb:b")?)?;
        keys.store.scrub()?;
        let mut parts = Vec::new();
        for part in Part::ALL {
            parts.push((part, part.read(&state)?));
        }
        Ok(Self { file: fs::read(folder.join("vault.db"))?, root, parts })
    }

    /// A folder of its own for a case, with nothing in it.
    fn empty(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.path().join(name.replace(' ', "-"));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        Ok(folder)
    }

    /// The same with a copy of the whole state.
    fn copy(&self, name: &str) -> Result<PathBuf> {
        let folder = self.empty(name)?;
        fs::write(folder.join("vault.db"), &self.file)?;
        Ok(folder)
    }

    /// These parts are refused as altered, and all others are what they were.
    fn check(&self, chip: &Chip, folder: &Path, case: &str, spoiled: &[Part]) -> Result {
        let keys = keys(chip, folder)?;
        let state = keys.open().map_err(|e| format!("{case}: {e}"))?;
        for (part, whole) in &self.parts {
            match part.read(&state) {
                Ok(read) if !spoiled.contains(part) => assert_eq!(read, *whole, "{case}: {part:?}"),
                Err(VaultError::Altered) if spoiled.contains(part) => {}
                other => panic!("{case}: {part:?} gives {other:?}"),
            }
        }
        Ok(())
    }
}

async fn database(folder: &Path) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new().filename(folder.join("vault.db")).connect().await
}

/// Changes the state as somebody who can write to the disk.
async fn execute(folder: &Path, statements: &[&'static str]) -> Result {
    let mut database = database(folder).await?;
    for &statement in statements {
        let done = sqlx::query(statement).execute(&mut database).await?;
        let defines = statement.starts_with("CREATE");
        assert!(defines || done.rows_affected() > 0, "nothing was changed by {statement}");
    }
    Ok(database.close().await?)
}

/// Changes the bytes of one field.
async fn rewrite(
    folder: &Path,
    read: &'static str,
    write: &'static str,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result {
    let mut database = database(folder).await?;
    let mut content: Vec<u8> = sqlx::query(read).fetch_one(&mut database).await?.try_get(0)?;
    let before = content.clone();
    change(&mut content);
    assert_ne!(content, before, "nothing was changed by {write}");
    sqlx::query(write).bind(content).execute(&mut database).await?;
    Ok(database.close().await?)
}

#[test]
fn what_was_altered_is_refused_and_the_rest_stays() -> Result {
    let mut chip = Chip::start()?;
    let base = Base::new(&chip)?;
    assert_eq!(VaultError::Altered.reason(), Reason::StateTampered, "what askers are told of it");
    base.check(&chip, &base.copy("untouched")?, "untouched", &[])?;
    rows_in_the_place_of_others(&chip, &base)?;
    bytes_of_a_row(&chip, &base)?;
    a_counter_that_is_gone(&chip, &base)?;
    the_state_key(&chip, &base)?;
    the_file(&chip, &base)?;
    the_folder(&chip, &base)?;
    a_disk_that_takes_no_writes(&chip, &base)?;
    a_charge_that_was_written(&chip, &base)?;
    a_policy_on_the_measured_state(&chip, &base)?;
    a_silent_tpm(&chip, &base)?;
    a_tpm_that_dies_in_mid_operation(&mut chip, &base)?;
    another_tpm(&chip, &base)
}

/// Genuine rows under names that are not theirs.
fn rows_in_the_place_of_others(chip: &Chip, base: &Base) -> Result {
    let cases: [(&str, &[&'static str], &[Part]); 9] = [
        (
            "faces of two users swapped",
            &[
                "UPDATE sealed SET uid = 9 WHERE kind = 1 AND uid = 1001 AND item = 0",
                "UPDATE sealed SET uid = 1001 WHERE kind = 1 AND uid = 1002 AND item = 0",
                "UPDATE sealed SET uid = 1002 WHERE kind = 1 AND uid = 9",
            ],
            &[Part::Faces(ALICE), Part::Faces(BOB)],
        ),
        (
            "a face of another user added",
            &["INSERT INTO sealed SELECT kind, 1001, 2, version, content \
                 FROM sealed WHERE kind = 1 AND uid = 1002"],
            &[Part::Faces(ALICE)],
        ),
        (
            "faces of one user swapped",
            &[
                "UPDATE sealed SET item = 9 WHERE kind = 1 AND uid = 1001 AND item = 0",
                "UPDATE sealed SET item = 0 WHERE kind = 1 AND uid = 1001 AND item = 1",
                "UPDATE sealed SET item = 1 WHERE kind = 1 AND uid = 1001 AND item = 9",
            ],
            &[Part::Faces(ALICE)],
        ),
        (
            "a face doubled",
            &["INSERT INTO sealed SELECT kind, uid, 7, version, content \
                 FROM sealed WHERE kind = 1 AND uid = 1001 AND item = 0"],
            &[Part::Faces(ALICE)],
        ),
        (
            "failures of another user",
            &["UPDATE sealed SET content = (SELECT content \
                 FROM sealed WHERE kind = 2 AND uid = 1002) WHERE kind = 2 AND uid = 1001"],
            &[Part::Failures(ALICE)],
        ),
        (
            "a face in the place of failures",
            &["UPDATE sealed SET content = (SELECT content FROM sealed \
                 WHERE kind = 1 AND uid = 1001 AND item = 0) WHERE kind = 2 AND uid = 1001"],
            &[Part::Failures(ALICE)],
        ),
        (
            "failures in the place of a face",
            &["UPDATE sealed SET content = (SELECT content FROM sealed \
                 WHERE kind = 2 AND uid = 1001) WHERE kind = 1 AND uid = 1001 AND item = 0"],
            &[Part::Faces(ALICE)],
        ),
        (
            "a camera in the place of another",
            &["UPDATE sealed SET content = (SELECT content \
                 FROM sealed WHERE kind = 3 AND item = 1) WHERE kind = 3 AND item = 0"],
            &[Part::Cameras],
        ),
        (
            "a number that no face has",
            &["INSERT INTO sealed SELECT kind, uid, 4294967296, version, content \
                 FROM sealed WHERE kind = 1 AND uid = 1001 AND item = 0"],
            &[Part::Faces(ALICE)],
        ),
    ];
    for (case, statements, spoiled) in cases {
        let folder = base.copy(case)?;
        block_on(execute(&folder, statements))??;
        base.check(chip, &folder, case, spoiled)?;
    }
    Ok(())
}

/// Every kind of row, changed in every way that bytes can change.
fn bytes_of_a_row(chip: &Chip, base: &Base) -> Result {
    let rows = [
        (
            "a face",
            "SELECT content FROM sealed WHERE kind = 1 AND uid = 1001 AND item = 1",
            "UPDATE sealed SET content = $1 WHERE kind = 1 AND uid = 1001 AND item = 1",
            "UPDATE sealed SET version = version + 1 WHERE kind = 1 AND uid = 1001 AND item = 1",
            Part::Faces(ALICE),
        ),
        (
            "failures",
            "SELECT content FROM sealed WHERE kind = 2 AND uid = 1002",
            "UPDATE sealed SET content = $1 WHERE kind = 2 AND uid = 1002",
            "UPDATE sealed SET version = version - 1 WHERE kind = 2 AND uid = 1002",
            Part::Failures(BOB),
        ),
        (
            "a camera",
            "SELECT content FROM sealed WHERE kind = 3 AND item = 1",
            "UPDATE sealed SET content = $1 WHERE kind = 3 AND item = 1",
            "UPDATE sealed SET version = version + 1 WHERE kind = 3 AND item = 1",
            Part::Cameras,
        ),
    ];
    let changes: [(&str, Damage); 9] = [
        ("nonce flipped", |b| b[0] ^= 1),
        ("first byte flipped", |b| b[12] ^= 0x80),
        ("middle flipped", |b| *middle(b) ^= 1),
        ("tag flipped", |b| *last(b) ^= 1),
        ("last byte cut", |b| b.truncate(b.len() - 1)),
        ("byte added", |b| b.push(0)),
        ("cut to the nonce", |b| b.truncate(12)),
        ("cut to less than a nonce", |b| b.truncate(11)),
        ("emptied", Vec::clear),
    ];
    for (row, read, write, version, part) in rows {
        for (how, change) in changes {
            let case = format!("{row}: {how}");
            let folder = base.copy(&case)?;
            block_on(rewrite(&folder, read, write, change))??;
            base.check(chip, &folder, &case, &[part])?;
        }
        let case = format!("{row}: another version");
        let folder = base.copy(&case)?;
        block_on(execute(&folder, &[version]))??;
        base.check(chip, &folder, &case, &[part])?;
    }
    Ok(())
}

fn middle(bytes: &mut [u8]) -> &mut u8 {
    let at = bytes.len() / 2;
    &mut bytes[at]
}

fn last(bytes: &mut [u8]) -> &mut u8 {
    let at = bytes.len() - 1;
    &mut bytes[at]
}

/// Without the row, failures would be forgotten: it belongs to every user who has a face.
fn a_counter_that_is_gone(chip: &Chip, base: &Base) -> Result {
    let case = "the failures are gone";
    let folder = base.copy(case)?;
    block_on(execute(&folder, &["DELETE FROM sealed WHERE kind = 2 AND uid = 1001"]))??;
    base.check(chip, &folder, case, &[Part::Failures(ALICE)])?;
    let keys = keys(chip, &folder)?;
    let state = keys.open()?;
    let added = state.put_template(ALICE, 2, &template("new", 3)?);
    assert!(matches!(added, Err(VaultError::Altered)), "a new face brings no fresh row: {added:?}");
    assert_eq!(state.counter(1003)?, Counter::default(), "who has no face needs none");
    Ok(())
}

/// What is stored of the key that seals everything.
fn the_state_key(chip: &Chip, base: &Base) -> Result {
    let folder = base.copy("no state key")?;
    block_on(execute(&folder, &["DELETE FROM state_key"]))??;
    let keyless = keys(chip, &folder)?;
    refused("no state key", keyless.open(), Reason::StateTampered);
    assert!(keyless.store.state_key()?.is_none(), "a new key was put beside rows that it cannot open");
    drop(keyless);

    let whole = "SELECT private FROM state_key";
    let cases: [(&str, &str, &str, Damage, Reason); 6] = [
        (
            "private part flipped",
            whole,
            "UPDATE state_key SET private = $1",
            |b| *last(b) ^= 1,
            Reason::StateTampered,
        ),
        (
            "private part cut",
            whole,
            "UPDATE state_key SET private = $1",
            |b| b.truncate(20),
            Reason::StateTampered,
        ),
        (
            "public part flipped",
            "SELECT public FROM state_key",
            "UPDATE state_key SET public = $1",
            |b| *last(b) ^= 1,
            Reason::StateTampered,
        ),
        (
            "public part cut",
            "SELECT public FROM state_key",
            "UPDATE state_key SET public = $1",
            |b| b.truncate(5),
            Reason::StateTampered,
        ),
        (
            "another TPM named",
            "SELECT identity FROM state_key",
            "UPDATE state_key SET identity = $1",
            |b| *last(b) ^= 1,
            Reason::TpmForeign,
        ),
        (
            "another policy named",
            "SELECT registers FROM state_key",
            "UPDATE state_key SET registers = $1",
            |b| b.push(16),
            Reason::TpmPolicy,
        ),
    ];
    for (case, read, write, change, reason) in cases {
        let folder = base.copy(case)?;
        block_on(rewrite(&folder, read, write, change))??;
        refused(case, keys(chip, &folder)?.open(), reason);
    }

    // A genuine key of the same TPM, but of another state, opens nothing.
    let case = "the key of another state";
    let other = keys(chip, &base.empty("another state")?)?;
    other.open()?;
    let key = other.store.state_key()?.ok_or("no key was kept")?;
    drop(other);
    let folder = base.copy(case)?;
    let put = "UPDATE state_key SET public = $1";
    block_on(rewrite(&folder, "SELECT public FROM state_key", put, |b| *b = key.public))??;
    block_on(rewrite(&folder, whole, "UPDATE state_key SET private = $1", |b| *b = key.private))??;
    base.check(chip, &folder, case, &Part::ALL)
}

/// The error with which a state was not opened.
#[track_caller]
fn refused(case: &str, opened: std::result::Result<OpenState<'_>, VaultError>, reason: Reason) {
    match opened {
        Ok(_) => panic!("{case}: the state was opened"),
        Err(e) => assert_eq!(e.reason(), reason, "{case}: {e}"),
    }
}

/// The database as a file. Nothing of it is repaired away: the whole file, put back, is read again.
fn the_file(chip: &Chip, base: &Base) -> Result {
    let garbage: Vec<u8> = (0..base.file.len()).map(|i| (i * 167 + 13) as u8).collect();
    for (case, content) in [
        ("file cut in half", base.file[..base.file.len() / 2].to_vec()),
        ("file without its last page", base.file[..base.file.len() - 4096].to_vec()),
        ("file cut to its first page", base.file[..4096].to_vec()),
        ("file of garbage", garbage.clone()),
    ] {
        let folder = base.empty(case)?;
        fs::write(folder.join("vault.db"), content)?;
        match Store::open(&folder) {
            Ok(_) => panic!("{case}: it was opened"),
            Err(e) => assert_eq!(e.reason(), Reason::StateUnavailable, "{case}: {e}"),
        }
        closed(&folder)?;
        fs::write(folder.join("vault.db"), &base.file)?;
        base.check(chip, &folder, &format!("the whole file after a {case}"), &[])?;
    }
    for (case, statement) in [
        (
            "a trigger that undoes charges",
            "CREATE TRIGGER undo AFTER UPDATE ON sealed BEGIN DELETE FROM sealed; END",
        ),
        ("a view", "CREATE VIEW faces AS SELECT content FROM sealed"),
    ] {
        let folder = base.copy(case)?;
        block_on(execute(&folder, &[statement]))??;
        match Store::open(&folder) {
            Ok(_) => panic!("{case}: it was opened"),
            Err(e) => assert_eq!(e.reason(), Reason::StateTampered, "{case}: {e}"),
        }
    }
    let folder = base.copy("log of garbage")?;
    fs::write(folder.join("vault.db-wal"), garbage)?;
    base.check(chip, &folder, "a log of garbage beside a whole file", &[])
}

/// A folder that others may enter, or that is not the vault's own, is not used.
fn the_folder(chip: &Chip, base: &Base) -> Result {
    let whole = base.copy("somebody's folder")?;
    for mode in [0o755, 0o701, 0o710, 0o770, 0o707] {
        fs::set_permissions(&whole, fs::Permissions::from_mode(mode))?;
        no_folder(&format!("mode {mode:o}"), &whole);
    }
    fs::set_permissions(&whole, fs::Permissions::from_mode(0o700))?;
    chown(&whole, Some(STRANGER), None)?;
    no_folder("another user's folder", &whole);
    chown(&whole, Some(0), None)?;
    let (link, file) = (base.root.path().join("link"), base.root.path().join("file"));
    symlink(&whole, &link)?;
    no_folder("a link to a folder", &link);
    fs::write(&file, "")?;
    no_folder("a file", &file);
    base.check(chip, &whole, "the same folder with mode 0700 and its own user", &[])
}

#[track_caller]
fn no_folder(case: &str, path: &Path) {
    match Store::open(path) {
        Ok(_) => panic!("{case}: it was used"),
        Err(e) => assert!(matches!(e, VaultError::System(_)), "{case}: {e}"),
    }
}

/// This process as another user, until it is dropped. Root may write wherever it likes.
struct Impersonation;

impl Impersonation {
    fn of(uid: u32) -> Result<Self> {
        nix::unistd::seteuid(nix::unistd::Uid::from_raw(uid))?;
        Ok(Self)
    }
}

impl Drop for Impersonation {
    fn drop(&mut self) {
        // Whoever was root may be root again.
        let _ = nix::unistd::seteuid(nix::unistd::Uid::from_raw(0));
    }
}

/// Where nothing can be written, no failure counts as charged.
fn a_disk_that_takes_no_writes(chip: &Chip, base: &Base) -> Result {
    for (case, folder_mode, file_mode) in
        [("read-only folder", 0o500, 0o600), ("read-only file", 0o700, 0o400)]
    {
        let folder = base.copy(case)?;
        let file = folder.join("vault.db");
        for path in [&file, &folder] {
            chown(path, Some(STRANGER), Some(STRANGER))?;
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(file_mode))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(folder_mode))?;
        let impersonation = Impersonation::of(STRANGER)?;
        let charged = charge(chip, &folder);
        drop(impersonation);
        match charged {
            Ok(()) => panic!("{case}: a failure was charged"),
            Err(e) => assert_eq!(e.reason(), Reason::StateUnavailable, "{case}: {e}"),
        }
        closed(&folder)?;
        // What the attempt left beside the file has the file's mode, which its user cannot write to.
        for name in ["vault.db-wal", "vault.db-shm"] {
            let _ = fs::remove_file(folder.join(name));
        }
        for path in [&file, &folder] {
            chown(path, Some(0), Some(0))?;
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        base.check(chip, &folder, &format!("after a {case}"), &[])?;
    }
    Ok(())
}

fn charge(chip: &Chip, folder: &Path) -> std::result::Result<(), VaultError> {
    keys(chip, folder)?.open()?.put_counter(ALICE, &failures(3))
}

/// Once the call has returned, a failure is charged, whatever becomes of the process.
fn a_charge_that_was_written(chip: &Chip, base: &Base) -> Result {
    let folder = base.copy("charged")?;
    let charged = keys(chip, &folder)?;
    charged.open()?.put_counter(ALICE, &failures(4))?;
    // The files at this moment are what a kill leaves behind.
    let left = base.empty("charged, then killed")?;
    for name in ["vault.db", "vault.db-wal"] {
        fs::copy(folder.join(name), left.join(name))?;
    }
    charged.abandon();
    for (case, folder) in [("forgotten", &folder), ("killed", &left)] {
        let keys = keys(chip, folder)?;
        assert_eq!(keys.open()?.counter(ALICE)?, failures(4), "{case}");
    }
    Ok(())
}

/// A key under a policy is released in the measured state in which it was sealed, and in no other.
fn a_policy_on_the_measured_state(chip: &Chip, base: &Base) -> Result {
    let folder = base.empty("policy")?;
    keys_under(chip, &folder, &[16])?.open()?.put_counter(ALICE, &failures(1))?;
    let measured = format!("16:sha256={}", "ab".repeat(32));
    chip.tool("tpm2_pcrextend", &[&measured])?;
    refused("another measured state", keys_under(chip, &folder, &[16])?.open(), Reason::TpmPolicy);
    // What the configuration says now does not matter to a key that was sealed before.
    refused("another measured state, no policy asked for", keys(chip, &folder)?.open(), Reason::TpmPolicy);
    chip.tool("tpm2_pcrreset", &["16"])?;
    let back = keys(chip, &folder)?;
    assert_eq!(back.open()?.counter(ALICE)?, failures(1), "the measured state is back");
    drop(back);

    let fresh = base.empty("no such register")?;
    let odd = keys_under(chip, &fresh, &[24])?;
    refused("a register that no TPM has", odd.open(), Reason::TpmAbsent);
    assert!(odd.store.state_key()?.is_none(), "a key was kept without the policy that was asked for");
    Ok(())
}

/// What an operation in another thread comes to, within the time that any takes.
fn open_elsewhere(keys: &Arc<Keys>) -> mpsc::Receiver<std::result::Result<(), VaultError>> {
    let (said, heard) = mpsc::channel();
    let keys = Arc::clone(keys);
    // A test that has failed listens no more.
    std::thread::spawn(move || drop(said.send(keys.open().map(drop))));
    heard
}

/// A TPM that answers nothing is given up after the configured time, and asked again later.
fn a_silent_tpm(chip: &Chip, base: &Base) -> Result {
    let folder = base.copy("silent")?;
    // The TPM has no room for more than this case's own connection needs.
    drop(chip.tpm.take());
    let keys = own_keys(chip, &folder, Duration::from_secs(2))?;
    // Before it was ever opened, and then in the middle of its work.
    for case in ["a TPM that was not opened yet", "an open TPM"] {
        chip.process.signal(Signal::STOP)?;
        let opened = open_elsewhere(&keys).recv_timeout(PATIENCE);
        chip.process.signal(Signal::CONT)?;
        match opened? {
            Err(VaultError::Tpm(TpmError::Silent)) => {}
            other => panic!("{case} is silent: {other:?}"),
        }
        wait_until("the TPM answers again", || keys.open().is_ok())?;
        let state = keys.open()?;
        for (part, whole) in &base.parts {
            assert_eq!(part.read(&state)?, *whole, "{case}, which answers again: {part:?}");
        }
    }
    Ok(())
}

/// Killed after a command has reached it and before it answers.
fn a_tpm_that_dies_in_mid_operation(chip: &mut Chip, base: &Base) -> Result {
    let folder = base.copy("dead")?;
    let keys = own_keys(chip, &folder, PATIENCE)?;
    keys.open()?;
    chip.process.signal(Signal::STOP)?;
    let opened = open_elsewhere(&keys);
    wait_until("a command reaches the TPM", || chip.is_asked())?;
    chip.process.kill()?;
    match opened.recv_timeout(PATIENCE)? {
        Err(VaultError::Tpm(TpmError::Absent)) => {}
        other => panic!("a TPM that died: {other:?}"),
    }
    refused("a TPM that is gone", keys.open(), Reason::TpmAbsent);
    chip.restart()?;
    // The same process goes on where the TPM is back, and nothing is lost.
    assert_eq!(keys.open()?.counter(ALICE)?, failures(2));
    drop(keys);
    base.check(chip, &folder, "a TPM that died and is back", &[])
}

/// Another TPM releases nothing and changes nothing; nor does this one once it was cleared.
fn another_tpm(chip: &Chip, base: &Base) -> Result {
    let folder = base.copy("foreign")?;
    let other = Chip::start()?;
    refused("another TPM", keys(&other, &folder)?.open(), Reason::TpmForeign);
    base.check(chip, &folder, "the TPM that sealed it, afterwards", &[])?;
    let nonsense = Keys::new(Tpm::start("nonsense:".into(), PATIENCE)?, Vec::new(), Store::open(&folder)?);
    refused("a TPM of no known kind", nonsense.open(), Reason::TpmAbsent);
    chip.tool("tpm2_clear", &["-c", "platform"])?;
    refused("a TPM that was cleared", keys(chip, &folder)?.open(), Reason::TpmForeign);
    Ok(())
}
