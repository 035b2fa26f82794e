//! A private PostgreSQL for tests: on a socket in a folder of its own, without network, gone when the test
//! process is gone. Where PostgreSQL's programs are missing, the tests that need it fail.
//!
//! `mod postgres;` and `postgres::database()` give the address of a fresh, empty database.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// The user that the server runs as where the tests run as root: it refuses to be root.
const NOBODY: u32 = 65534;

struct Server {
    folder: PathBuf,
    /// Stops the server when its standard input ends, which is when this process does.
    _watcher: Child,
}

/// The address of a new database on the one server of this test process.
pub fn database() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = SERVER.get_or_init(start).folder.to_str().unwrap();
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::SeqCst));
    let address = |name: &str| format!("postgres:///{name}?host={folder}&user=vultus");
    create(address("postgres"), format!("CREATE DATABASE {name} TEMPLATE template0"));
    address(&name)
}

/// On a thread of its own: the caller may be within a runtime.
fn create(address: String, sql: String) {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&address).await.unwrap();
            connection.execute(AssertSqlSafe(sql)).await.unwrap();
            connection.close().await.unwrap();
        });
    };
    std::thread::spawn(work).join().unwrap();
}

fn start() -> Server {
    let programs = programs();
    let folder = tempfile::Builder::new().prefix("vultus-postgres-").tempdir().unwrap().keep();
    if is_root() {
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let (data, log) = (folder.join("data"), folder.join("log"));
    let (data, log) = (data.to_str().unwrap(), log.to_str().unwrap());
    let mut make = as_nobody(&programs.join("initdb"));
    make.args(["-D", data, "-A", "trust", "-U", "vultus", "--no-sync", "--locale=C", "--encoding=UTF8"]);
    run(&mut make);
    // Durability is the product's matter, not the tests': the disk is spared.
    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c max_connections=300",
        folder.display()
    );
    let control = programs.join("pg_ctl");
    // The log file, and no inherited output: a server that holds the tests' pipe open would hang them.
    run(as_nobody(&control).args(["-D", data, "-l", log, "-o", &options, "-w", "start"]));
    let watcher = watch(&control, data, &folder);
    Server { folder, _watcher: watcher }
}

/// Waits until this process is gone, however it ends, and then clears up.
fn watch(control: &Path, data: &str, folder: &Path) -> Child {
    let script = "cat >/dev/null; \"$@\"; rm -rf \"$FOLDER\"";
    let stop = as_nobody(control);
    Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(stop.get_program())
        .args(stop.get_args())
        .args(["-D", data, "-m", "immediate", "stop"])
        .env("FOLDER", folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Where PostgreSQL's programs are: on the PATH, or where Debian puts them.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let both = |folder: &PathBuf| ["initdb", "pg_ctl"].iter().all(|program| folder.join(program).exists());
    folders.into_iter().find(both).expect(
        "PostgreSQL's initdb and pg_ctl are neither on the PATH nor in /usr/lib/postgresql/*/bin: \
         install the package `postgresql`",
    )
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let id = NOBODY.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let done =
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let done = done.unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(done.success(), "{command:?}: {done}");
}
