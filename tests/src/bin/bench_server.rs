//! `vultus-bench-server`: how many authentications a server completes on one core, beside the bare
//! verification of a P-256 signature on the same core in the same run; how fast it answers; and what grows
//! with the number of accounts. SQLite and PostgreSQL, TLS, durable commits. It judges no figure.

use std::error::Error;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;
use vultus_tests::client::block_on;
use vultus_tests::load::cluster::Commits;
use vultus_tests::load::cores::{Cores, cpu_seconds};
use vultus_tests::load::verification::Rates;
use vultus_tests::load::{self, Cluster, Instance, Measured, Population, Site, Target, population};
use vultus_tests::measure::percentile;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Of the bare verification's rate: what the design asks for.
const TARGET: f64 = 0.6;
/// How many clients at a time, and for how long.
const CROWD: (usize, Duration) = (64, Duration::from_secs(8));
const ALONE: (usize, Duration) = (1, Duration::from_secs(4));
/// Before it is measured, the server gets its connections, statements and caches.
const WARMING: Duration = Duration::from_secs(1);
/// How many accounts are registered, one size after the other.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// A disk's answers differ more than anything else here.
const SYNCS: usize = 300;
/// Starts the comparison alone, in a process that can be kept on one core.
const VERIFY: &str = "--verify";

#[derive(Parser)]
struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// No more accounts than this are registered.
    #[arg(long, default_value_t = SIZES[SIZES.len() - 1])]
    accounts_max: usize,
    /// Where the databases lie for as long as this runs: on the disk whose commits are to be measured, and
    /// reachable for everybody.
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    #[arg(long, hide = true)]
    verify: bool,
}

/// One figure; `reference` names what it was measured beside, and `ratio` is ours over that.
#[derive(Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    reference: Option<String>,
    ratio: Option<f64>,
}

#[derive(Default, Serialize)]
struct Report {
    rows: Vec<Row>,
}

impl Report {
    fn add(&mut self, name: &str, value: f64, unit: &'static str) {
        self.rows.push(Row { name: name.to_owned(), value, unit, reference: None, ratio: None });
    }

    /// Three rows in milliseconds.
    fn add_times(&mut self, name: &str, times: &[f64]) {
        for (word, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            self.add(&format!("{name}, {word}"), percentile(times, share), "ms");
        }
    }

    /// So many authentications per second, beside so many verifications.
    fn add_compared(&mut self, name: &str, rate: f64, bare: Rates) {
        let (beside, by) = bare.fastest();
        let ratio = rate / beside;
        let met = if ratio >= TARGET { "met" } else { "not met" };
        let reference = format!("P-256 verification by {by}; target {TARGET:.2}: {met}");
        let (name, reference, ratio) = (name.to_owned(), Some(reference), Some(ratio));
        self.rows.push(Row { name, value: rate, unit: "/s", reference, ratio });
    }

    fn print(&self) {
        for row in &self.rows {
            let Row { name, value, unit, reference, ratio } = row;
            let beside = match (reference, ratio) {
                (Some(of), Some(ratio)) => format!("{ratio:.3} x {:.0} {unit} of {of}", value / ratio),
                _ => String::new(),
            };
            println!("{name:<66} {value:>10.2} {unit:<5} {beside}");
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("vultus-bench-server: {e}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: &Arguments) -> Result<()> {
    if arguments.verify {
        println!("{}", serde_json::to_string(&Rates::here()?)?);
        return Ok(());
    }
    let mut report = Report::default();
    measure(&mut report, arguments)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(())
}

fn measure(report: &mut Report, arguments: &Arguments) -> Result<()> {
    let cores = Cores::allowed()?;
    cores.settle()?;
    if cores.are_two() {
        report.add("cores: one for server and database, one for the clients", 2.0, "");
    } else {
        eprintln!("there is one core only: the clients take their time from the server's");
        report.add("cores: one for server, database AND clients", 1.0, "");
    }
    let folder = tempfile::Builder::new().prefix("vultus-bench").tempdir_in(&arguments.folder)?;
    // PostgreSQL runs as a user of its own.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    report.add_times("a commit's floor: 4 KiB appended and synced", &syncs(folder.path())?);
    let mut sizes = SIZES.map(|size| size.min(arguments.accounts_max)).to_vec();
    sizes.dedup();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut trial = Trial::prepare(engine, folder.path(), cores)?;
        for accounts in &sizes {
            eprintln!("{}, {accounts} accounts …", engine.name());
            trial.grow(*accounts)?;
            trial.measure(report)?;
        }
    }
    Ok(())
}

/// What one durable commit cannot do without, in milliseconds.
fn syncs(folder: &Path) -> Result<Vec<f64>> {
    let mut file = OpenOptions::new().create_new(true).append(true).open(folder.join("syncs"))?;
    let mut sync = || -> Result<f64> {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    };
    (0..SYNCS).map(|_| sync()).collect()
}

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// One database, with more and more accounts. The cluster ends after whoever uses it.
struct Trial {
    engine: Engine,
    cores: Cores,
    population: Arc<Population>,
    accounts: usize,
    site: Site,
    cluster: Option<Cluster>,
}

impl Trial {
    fn prepare(engine: Engine, folder: &Path, cores: Cores) -> Result<Self> {
        let cluster = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                Some(Cluster::make(&folder.join("cluster"), Commits::Durable, Some(cores.server))?)
            }
        };
        let url = cluster.as_ref().map(Cluster::url);
        let site = block_on(Site::make(&folder.join(engine.name()), url))??;
        let population = Arc::new(Population::empty()?);
        Ok(Self { engine, cores, population, accounts: 0, site, cluster })
    }

    fn grow(&mut self, accounts: usize) -> Result<()> {
        let population = Arc::get_mut(&mut self.population).ok_or("a client is still at work")?;
        block_on(population.grow(&self.site, accounts))??;
        self.accounts = accounts;
        Ok(())
    }

    /// A crowd of clients, then one alone, on a server that has just started.
    fn measure(&self, report: &mut Report) -> Result<()> {
        let instance = self.site.start("a", Some(self.cores.server))?;
        for (clients, time) in [CROWD, ALONE] {
            let before = Rates::on(self.cores.server, VERIFY)?;
            let run = block_on(self.run(&instance, clients, time))??;
            let bare = before.between(Rates::on(self.cores.server, VERIFY)?);
            self.tell(report, clients, &run, bare);
        }
        instance.stop()?;
        let bytes = block_on(population::size(&self.site))??;
        report.add(&format!("{}: the database", self.title()), bytes as f64 / f64::from(1 << 20), "MiB");
        Ok(())
    }

    async fn run(&self, instance: &Instance, clients: usize, time: Duration) -> Result<Run> {
        let client = self.site.client(&Target::new(instance.address()))?;
        load::authentications(&client, &self.population, clients, WARMING).await?;
        let before = self.usage(instance)?;
        let measured = load::authentications(&client, &self.population, clients, time).await?;
        let after = self.usage(instance)?;
        let each = measured.complete.len() as f64;
        let used = |of: fn(&Usage) -> f64| (of(&after) - of(&before)) / each;
        let (server, database) = (used(|u| u.server), used(|u| u.database));
        let busy = (after.client - before.client) / measured.seconds;
        Ok(Run { measured, server, database, busy })
    }

    fn usage(&self, instance: &Instance) -> Result<Usage> {
        let database = self.cluster.as_ref().map(Cluster::cpu_seconds).transpose()?.unwrap_or(0.0);
        let (server, client) = (instance.cpu_seconds()?, cpu_seconds(std::process::id())?);
        Ok(Usage { server, database, client })
    }

    fn title(&self) -> String {
        format!("{}, {} accounts", self.engine.name(), self.accounts)
    }

    fn tell(&self, report: &mut Report, clients: usize, run: &Run, bare: Rates) {
        let crowd = if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
        let title = format!("{}, {crowd}", self.title());
        report.add(&format!("{title}: bare verifications by ring"), bare.ring, "/s");
        report.add(&format!("{title}: bare verifications by p256"), bare.p256, "/s");
        report.add_compared(&format!("{title}: authentications"), run.measured.rate(), bare);
        let whole = run.server + run.database;
        report.add_compared(&format!("{title}: the same per CPU second"), 1.0 / whole, bare);
        report.add_compared(&format!("{title}: the same, the server's alone"), 1.0 / run.server, bare);
        report.add(&format!("{title}: CPU of the server for each"), run.server * 1e3, "ms");
        report.add(&format!("{title}: CPU of the database for each"), run.database * 1e3, "ms");
        report.add(&format!("{title}: CPU of the clients"), run.busy * 100.0, "%");
        report.add_times(&format!("{title}: open"), &run.measured.open);
        report.add_times(&format!("{title}: complete"), &run.measured.complete);
    }
}

/// CPU seconds so far. SQLite's are the server's.
struct Usage {
    server: f64,
    database: f64,
    client: f64,
}

struct Run {
    measured: Measured,
    /// CPU seconds for each authentication.
    server: f64,
    database: f64,
    /// The share of its core that the load needed: near one, it was the clients who could do no more.
    busy: f64,
}
