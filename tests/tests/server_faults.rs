//! The server under load while an instance is killed, its database stops, or it falls silent: what was
//! acknowledged is kept, no code counts twice, whoever asks gets an answer or a typed failure, and the audit
//! log stays whole. Times bound how long anything is waited for; none decides.

use std::error::Error;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vultus_protocol::api::{Completed, Refusal};
use vultus_protocol::{AccountName, CeremonyId, PairwiseDevice, VirtualAccount};
use vultus_remote_server::store::Store;
use vultus_remote_server::store::model::KeyStatus;
use vultus_tests::client::block_on;
use vultus_tests::load::client::packet_of;
use vultus_tests::load::cluster::Commits;
use vultus_tests::load::{Client, Cluster, Failure, Instance, Site, Target};
use vultus_tests::process::{PATIENCE, wait_until};
use vultus_tests::soft_device::SoftDevice;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
/// An error that may leave its thread.
type Told<T> = std::result::Result<T, String>;
type Answer<T> = std::result::Result<T, Failure>;

const NAMES: [&str; 2] = ["a", "b"];
/// Each of them does one thing at a time.
const DEVICES: usize = 8;
/// How many answers show that an instance is at work.
const AT_WORK: u64 = 100;
/// Between two ceremonies of a device, so that there is no more to look through afterwards than is of use.
const BREATH: Duration = Duration::from_millis(20);

/// A server with its instances, and the database where it is a process too. What ends first comes first.
struct Facility {
    instances: Vec<Instance>,
    targets: Vec<Target>,
    site: Site,
    cluster: Option<Cluster>,
    _folder: tempfile::TempDir,
}

impl Facility {
    fn on_sqlite() -> Result<Self> {
        Self::start(false, 1)
    }

    fn on_postgres(instances: usize) -> Result<Self> {
        Self::start(true, instances)
    }

    fn start(postgres: bool, instances: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // PostgreSQL runs as a user of its own.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let cluster = if postgres {
            Some(Cluster::make(&folder.path().join("cluster"), Commits::Quick, None)?)
        } else {
            None
        };
        let url = cluster.as_ref().map(Cluster::url);
        let site = block_on(Site::make(&folder.path().join("server"), url))??;
        let (mut running, mut targets) = (Vec::new(), Vec::new());
        for name in &NAMES[..instances] {
            let instance = site.start(name, None)?;
            targets.push(Target::new(instance.address()));
            running.push(instance);
        }
        Ok(Self { instances: running, targets, site, cluster, _folder: folder })
    }

    /// Ends an instance as a crash would.
    fn kill(&mut self, which: usize) -> Result<()> {
        self.instances[which].process.kill()?;
        Ok(())
    }

    fn restart(&mut self, which: usize) -> Result<()> {
        let instance = self.site.start(NAMES[which], None)?;
        self.targets[which].set(instance.address());
        self.instances[which] = instance;
        Ok(())
    }

    /// Two backends: one at each instance, or both at the only one.
    fn clients(&self) -> Result<[Client; 2]> {
        let first = self.targets.first().ok_or("no instance")?;
        let last = self.targets.last().ok_or("no instance")?;
        Ok([self.site.client(first)?, self.site.client(last)?])
    }

    /// New devices, in the registry.
    fn devices(&self, count: usize) -> Result<Vec<Arc<SoftDevice>>> {
        block_on(async {
            let [client, _] = self.clients()?;
            let store = self.site.store("test").await?;
            let mut devices = Vec::new();
            for _ in 0..count {
                let device = SoftDevice::new(client.pinned().await?)?;
                device.enrol(&store).await?;
                devices.push(Arc::new(device));
            }
            Ok(devices)
        })?
    }

    /// Every chain of the audit log is whole, and those of all instances are there.
    fn demand_whole_audit(&self) -> Result<()> {
        let done = self.site.verify_audit(NAMES[0])?;
        assert_eq!(done.status, 0, "{done:?}");
        let instances = block_on(async { self.site.store("test").await?.instances().await })??;
        for name in &NAMES[..self.instances.len()] {
            assert!(instances.iter().any(|instance| instance == name), "{name} is not in {instances:?}");
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Registration,
    Authentication,
}

/// One ceremony and its packet, and what every submission of the packet came to.
struct Submitted {
    kind: Kind,
    ceremony: String,
    packet: Vec<u8>,
    device: usize,
    account: String,
    answers: Vec<Answer<Completed>>,
}

impl Submitted {
    async fn complete(&self, client: &Client) -> Answer<Completed> {
        match self.kind {
            Kind::Registration => client.complete_registration(&self.ceremony, &self.packet).await,
            Kind::Authentication => client.complete_authentication(&self.ceremony, &self.packet).await,
        }
    }

    /// The first submission, to both at the same time.
    async fn complete_twice(&mut self, clients: &[Client; 2]) {
        let (one, other) = tokio::join!(self.complete(&clients[0]), self.complete(&clients[1]));
        self.answers.extend([one, other]);
    }

    fn acknowledged(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_ok()).count()
    }

    fn success(&self) -> Option<&Completed> {
        self.answers.iter().find_map(|answer| answer.as_ref().ok())
    }
}

/// What the load and whoever disturbs it tell each other.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    /// Decisions of each of the two.
    decided: [AtomicU64; 2],
    /// That the server could not decide.
    unavailable: AtomicU64,
    /// Requests without an answer.
    unanswered: AtomicU64,
}

impl Tally {
    /// Counts an answer. Anything that neither a decision nor a fault explains is an error.
    fn count<T>(&self, whose: usize, answer: &Answer<T>) -> Told<()> {
        let counter = match answer {
            Ok(_) => &self.decided[whose],
            Err(failure) if failure.is(Refusal::CodeUsed) => &self.decided[whose],
            Err(failure) if failure.is(Refusal::Unavailable) => &self.unavailable,
            Err(Failure::NoAnswer(_)) => &self.unanswered,
            Err(other) => return Err(format!("an answer that nothing explains: {other}")),
        };
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Devices that register and authenticate until they are stopped, on a thread of their own.
struct Load {
    tally: Arc<Tally>,
    thread: JoinHandle<Told<Vec<Submitted>>>,
}

impl Load {
    fn start(facility: &Facility, devices: &[Arc<SoftDevice>]) -> Result<Self> {
        let (clients, service) = (facility.clients()?, &facility.site.service);
        let actor = |(number, device): (usize, &Arc<SoftDevice>)| {
            let (device, pairwise) = (Arc::clone(device), device.pairwise(service));
            Actor { number, device, pairwise, clients: clients.clone() }
        };
        let actors: Vec<Actor> = devices.iter().enumerate().map(actor).collect();
        let tally = Arc::new(Tally::default());
        let shared = Arc::clone(&tally);
        let work = move || -> Told<Vec<Submitted>> {
            // Whoever waits for the load learns only that it ended.
            block_on(live_all(actors, shared)).map_err(text)?.inspect_err(|e| eprintln!("the load: {e}"))
        };
        Ok(Self { tally, thread: std::thread::spawn(work) })
    }

    /// Waits until something was counted so often more than it is now.
    fn wait_for(&self, what: &str, counter: impl Fn(&Tally) -> &AtomicU64) -> Result<()> {
        let tally: &Tally = &self.tally;
        let now = || counter(tally).load(Ordering::SeqCst);
        let enough = now() + AT_WORK;
        wait_until(what, || now() >= enough || self.thread.is_finished())?;
        if self.thread.is_finished() { Err(format!("the load ended: {what}").into()) } else { Ok(()) }
    }

    fn wait_for_decisions(&self, whose: usize) -> Result<()> {
        self.wait_for("an instance decides", |tally: &Tally| &tally.decided[whose])
    }

    fn stop(self) -> Result<Vec<Submitted>> {
        self.tally.stop.store(true, Ordering::SeqCst);
        Ok(self.thread.join().map_err(|_| "the load panicked")??)
    }
}

async fn live_all(actors: Vec<Actor>, tally: Arc<Tally>) -> Told<Vec<Submitted>> {
    let mut tasks = JoinSet::new();
    for actor in actors {
        tasks.spawn(actor.live(Arc::clone(&tally)));
    }
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        all.extend(ended.map_err(text)??);
    }
    Ok(all)
}

fn text(error: impl Error) -> String {
    error.to_string()
}

/// One device with two backends.
struct Actor {
    number: usize,
    device: Arc<SoftDevice>,
    pairwise: PairwiseDevice,
    clients: [Client; 2],
}

impl Actor {
    /// Registers one account after the other, and authenticates with each that was acknowledged.
    async fn live(self, tally: Arc<Tally>) -> Told<Vec<Submitted>> {
        let (mut all, mut round) = (Vec::new(), 0);
        while !tally.stop.load(Ordering::SeqCst) {
            // An account has one registration, so that no later one replaces what was acknowledged.
            let account = format!("account {round} of device {}", self.number);
            for kind in [Kind::Registration, Kind::Authentication] {
                let Some(submitted) = self.perform(kind, &account, round % 2, &tally).await? else { break };
                let acknowledged = submitted.acknowledged() > 0;
                all.push(submitted);
                if !acknowledged {
                    break;
                }
            }
            round += 1;
            tokio::time::sleep(BREATH).await;
        }
        Ok(all)
    }

    /// A whole ceremony; nothing where it could not be opened. The packet goes to both backends at once.
    async fn perform(
        &self,
        kind: Kind,
        account: &str,
        opener: usize,
        tally: &Tally,
    ) -> Told<Option<Submitted>> {
        let client = &self.clients[opener];
        let opened = match kind {
            Kind::Registration => client.open_registration(&self.pairwise, account).await,
            Kind::Authentication => client.open_authentication(&self.pairwise, Some(account)).await,
        };
        tally.count(opener, &opened)?;
        let Ok(opened) = opened else { return Ok(None) };
        let challenge = packet_of(&opened).map_err(text)?;
        let packet = match kind {
            Kind::Registration => self.device.register(&challenge),
            Kind::Authentication => self.device.authenticate(&challenge),
        };
        let mut submitted = Submitted {
            kind,
            ceremony: opened.ceremony,
            packet: packet.map_err(text)?,
            device: self.number,
            account: account.to_owned(),
            answers: Vec::new(),
        };
        submitted.complete_twice(&self.clients).await;
        for (whose, answer) in submitted.answers.iter().enumerate() {
            tally.count(whose, answer)?;
        }
        Ok(Some(submitted))
    }
}

/// Everything that must hold once all is quiet and every instance runs again.
fn demand_consistency(
    facility: &Facility,
    devices: &[Arc<SoftDevice>],
    mut all: Vec<Submitted>,
) -> Result<()> {
    block_on(async {
        let clients = facility.clients()?;
        let store = facility.site.store("test").await?;
        for submitted in &mut all {
            settle(submitted, &clients, &store).await?;
        }
        let registrations = all.iter().filter(|one| one.kind == Kind::Registration);
        let mut kept = 0;
        for (submitted, completed) in registrations.filter_map(|one| Some((one, one.success()?))) {
            let device = &devices[submitted.device];
            demand_active_key(facility, &store, device, completed).await?;
            clients[kept % 2].authenticate(device, &submitted.account).await?;
            kept += 1;
        }
        assert!(kept >= DEVICES, "only {kept} registrations were acknowledged");
        Ok::<(), Box<dyn Error>>(())
    })??;
    facility.demand_whole_audit()
}

/// Submits a packet again to both: a code that was used stays used, and one that was not counts once.
async fn settle(submitted: &mut Submitted, clients: &[Client; 2], store: &Store) -> Result<()> {
    let id = CeremonyId::from_text(&submitted.ceremony)?;
    let known = store.ceremony(&id).await?.ok_or("a ceremony that was opened is gone")?;
    let mut used = known.consumed;
    assert!(used || submitted.acknowledged() == 0, "acknowledged, but not in the database");
    for client in clients {
        let answer = submitted.complete(client).await;
        match &answer {
            Ok(_) if !used => used = true,
            Err(failure) if used && failure.is(Refusal::CodeUsed) => {}
            Ok(_) => panic!("{:?} {}: a second success", submitted.kind, submitted.ceremony),
            Err(other) => {
                panic!("{:?} {}: {other}; used: {used}", submitted.kind, submitted.ceremony);
            }
        }
        submitted.answers.push(answer);
    }
    assert!(submitted.acknowledged() <= 1, "{:?} {}", submitted.kind, submitted.ceremony);
    Ok(())
}

/// The key that the device made for the account is the one that counts.
async fn demand_active_key(
    facility: &Facility,
    store: &Store,
    device: &SoftDevice,
    completed: &Completed,
) -> Result<()> {
    let service = &facility.site.service;
    let keys = store.keys_of_account(service, &AccountName::new(completed.account.as_str())?).await?;
    let active: Vec<_> = keys.iter().filter(|key| key.status == KeyStatus::Active).collect();
    assert_eq!(active.len(), 1, "{keys:?}");
    let made = device.public_key(service, &VirtualAccount::from_text(&completed.virtual_account)?);
    assert_eq!(Some(active[0].public_key), made);
    Ok(())
}

/// Kills each instance in turn, twice, in the middle of its work.
fn kill_in_turn(mut facility: Facility) -> Result<()> {
    let devices = facility.devices(DEVICES)?;
    let load = Load::start(&facility, &devices)?;
    let instances = facility.instances.len();
    for which in (0..instances).cycle().take(2 * instances) {
        load.wait_for_decisions(which)?;
        facility.kill(which)?;
        if instances > 1 {
            load.wait_for_decisions((which + 1) % instances)?;
        }
        facility.restart(which)?;
        load.wait_for_decisions(which)?;
    }
    demand_consistency(&facility, &devices, load.stop()?)
}

#[test]
fn of_two_instances_on_postgresql_each_may_be_killed() {
    kill_in_turn(Facility::on_postgres(2).unwrap()).unwrap();
}

#[test]
fn the_one_instance_on_sqlite_may_be_killed() {
    kill_in_turn(Facility::on_sqlite().unwrap()).unwrap();
}

#[test]
fn a_database_that_stops_makes_problems_and_no_silence() {
    let mut facility = Facility::on_postgres(1).unwrap();
    let devices = facility.devices(DEVICES).unwrap();
    let load = Load::start(&facility, &devices).unwrap();
    for _ in 0..2 {
        load.wait_for_decisions(0).unwrap();
        facility.cluster.as_mut().unwrap().stop().unwrap();
        load.wait_for("a problem is told", |tally: &Tally| &tally.unavailable).unwrap();
        facility.cluster.as_mut().unwrap().start().unwrap();
    }
    // It serves again without being started again.
    load.wait_for_decisions(0).unwrap();
    assert!(facility.instances[0].process.ended().unwrap().is_none());
    let tally = Arc::clone(&load.tally);
    let all = load.stop().unwrap();
    // Each request had an answer within the server's own deadline, which is shorter than the clients'.
    assert_eq!(tally.unanswered.load(Ordering::SeqCst), 0);
    demand_consistency(&facility, &devices, all).unwrap();
}

#[test]
fn a_ceremony_outlives_its_databases_rest() {
    let mut facility = Facility::on_postgres(1).unwrap();
    let devices = facility.devices(1).unwrap();
    let device = &devices[0];
    let pairwise = device.pairwise(&facility.site.service);
    let [client, _] = facility.clients().unwrap();
    let submitted = block_on(async {
        client.register(device, "alice").await?;
        let opened = client.open_authentication(&pairwise, None).await?;
        let packet = device.authenticate(&packet_of(&opened)?)?;
        let (kind, ceremony, account) = (Kind::Authentication, opened.ceremony, "alice".to_owned());
        Ok::<_, Failure>(Submitted { kind, ceremony, packet, device: 0, account, answers: Vec::new() })
    });
    let submitted = submitted.unwrap().unwrap();
    facility.cluster.as_mut().unwrap().stop().unwrap();
    // Connections belong to the runtime that they were made in.
    let [client, _] = facility.clients().unwrap();
    block_on(async {
        let refused = client.open_authentication(&pairwise, None).await.unwrap_err();
        assert!(refused.is(Refusal::Unavailable), "{refused}");
        let refused = submitted.complete(&client).await.unwrap_err();
        assert!(refused.is(Refusal::Unavailable), "{refused}");
    })
    .unwrap();
    facility.cluster.as_mut().unwrap().start().unwrap();
    let [client, other] = facility.clients().unwrap();
    block_on(async {
        // What could not be decided used nothing up.
        until_decided(&client, device).await;
        submitted.complete(&client).await.unwrap();
        let again = submitted.complete(&other).await.unwrap_err();
        assert!(again.is(Refusal::CodeUsed), "{again}");
    })
    .unwrap();
    facility.demand_whole_audit().unwrap();
}

/// Authenticates until it is not refused as undecided.
async fn until_decided(client: &Client, device: &SoftDevice) {
    let decided = async {
        loop {
            match client.authenticate(device, "alice").await {
                Err(failure) if failure.is(Refusal::Unavailable) => tokio::time::sleep(BREATH).await,
                done => return done,
            }
        }
    };
    let decided = tokio::time::timeout(PATIENCE, decided).await;
    decided.expect("the server does not come back").unwrap();
}

/// A login at the shop: the status, and what the application is told.
fn log_in(facility: &Facility, shop: &Instance, device: &SoftDevice) -> (u16, Value) {
    let url = format!("https://{}/api/login", shop.shop_address().unwrap());
    let http = facility.site.https().unwrap();
    let pairwise = device.pairwise(&facility.site.service).to_text();
    let asked = block_on(async {
        let answer = http.post(url).json(&json!({ "device": pairwise })).send().await?;
        Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.json().await?))
    });
    asked.unwrap().unwrap()
}

#[test]
fn a_server_that_is_gone_is_told_as_such() {
    let mut facility = Facility::on_sqlite().unwrap();
    let devices = facility.devices(1).unwrap();
    let device = &devices[0];
    let pairwise = device.pairwise(&facility.site.service);
    let [client, _] = facility.clients().unwrap();
    block_on(async { client.register(device, "alice").await.unwrap() }).unwrap();
    let shop = facility.site.start_shop(facility.instances[0].address()).unwrap();
    assert_eq!(log_in(&facility, &shop, device).0, 200);

    // It is there, and says nothing: whoever asks gives up in time.
    facility.instances[0].process.signal(Signal::STOP).unwrap();
    let (status, told) = log_in(&facility, &shop, device);
    assert_eq!((status, &told["advice"]), (503, &json!("later")), "{told}");
    facility.instances[0].process.signal(Signal::CONT).unwrap();
    wait_until("the shop logs in again", || log_in(&facility, &shop, device).0 == 200).unwrap();

    facility.kill(0).unwrap();
    let (status, told) = log_in(&facility, &shop, device);
    assert_eq!((status, &told["advice"]), (503, &json!("later")), "{told}");
    let [client, _] = facility.clients().unwrap();
    let failed = block_on(client.open_authentication(&pairwise, None)).unwrap().unwrap_err();
    assert!(matches!(failed, Failure::NoAnswer(_)), "{failed}");
}
