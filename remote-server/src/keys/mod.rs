//! The server's own keys: signs what the server says, and opens what is sealed to it. No private key leaves
//! this folder, and none is used outside the times that the published set gives it.

mod believed;
mod file;
mod sets;
mod state;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use log::{error, info};
use vultus_protocol::api::Refusal;
use vultus_protocol::{Envelope, KeyId, Message, ProtocolError, PublicKey, ServerKeys, ServerName, sealed};
use vultus_tpm::TpmError;

use crate::clock::Clock;
use crate::store::{Event, Store, StoreError};
use file::Held;
use state::State;

/// By how many seconds a device's clock may be wrong. Until so long after a new key begins to count, an
/// older one signs: a device whose clock is slow would not take the new one yet.
pub const CLOCK_TOLERANCE: u64 = 300;

/// Where the private keys are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of scalars that nobody but this user may read.
    File(PathBuf),
    /// A file of scalars that this machine's TPM sealed. They are unsealed when the keys are loaded.
    Tpm { tcti: String, file: PathBuf },
}

impl KeySource {
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Tpm { file: path, .. } => path,
        }
    }
}

/// How one set of keys gives way to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Seconds from the publication until the new keys count. Devices that fetch the keys in that time meet
    /// no key that they do not know.
    pub lead_s: u64,
    /// Seconds after that for which the old keys still count.
    pub overlap_s: u64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { lead_s: 3_600, overlap_s: 7 * 86_400 }
    }
}

/// Why there are no keys to work with. Named for what the administrator does next.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{}: {why}", .path.display())]
    BadFile { path: PathBuf, why: &'static str },
    #[error("the TPM: {0}")]
    Tpm(#[from] TpmError),
    #[error("this server's keys are published, but {} does not exist: copy it from the instance that has it",
        .0.display())]
    Missing(PathBuf),
    #[error("{} lacks a key of the published set of version {version}: copy it from the instance that has it",
        .path.display())]
    Incomplete { path: PathBuf, version: u64 },
    #[error("{} is of version {held}, but the published set of version {found}: this is an older database, \
        restore the newest copy of it", .path.display())]
    RolledBack { path: PathBuf, held: u64, found: u64 },
    #[error("the published set is of version {found} now, after {loaded}: this is an older database")]
    Older { loaded: u64, found: u64 },
    #[error("the published sets are not those that were loaded: somebody changed them in the database")]
    Rewritten,
    #[error("the published sets do not follow from one another, or the clock is wrong: {0}")]
    Chain(ProtocolError),
    #[error("the published sets are of the server {0}")]
    OtherServer(ServerName),
    #[error("no signing key counts at this time: is the clock right?")]
    NoneCounts,
    #[error("the newest key does not count before {0}: rotate after that")]
    TooSoon(u64),
    #[error("too many older keys still count: rotate when some of them have ended")]
    TooMany,
    #[error(
        "these sets do not begin with those that are published here: they are another server's, or older"
    )]
    Diverged,
    #[error("{} exists: keys are not written over others", .0.display())]
    Occupied(PathBuf),
    #[error("another instance published keys at the same time: look at them, then try again")]
    Outrun,
    #[error("it could not be signed")]
    NotSigned,
    #[error("no random numbers")]
    NoRandom,
    #[error("the keys' file was not finished with")]
    Interrupted,
}

/// The keys of this server. Each use takes those that count at that moment.
pub struct Keys {
    source: KeySource,
    name: ServerName,
    clock: Clock,
    state: RwLock<Arc<State>>,
}

impl Keys {
    /// Reads the private keys and the published sets, and checks that they belong together. Where nothing
    /// has been published yet, keys and the first set are made.
    pub async fn load(
        source: &KeySource,
        name: &ServerName,
        store: &Store,
        clock: &Clock,
    ) -> Result<Self, KeyError> {
        let now = clock.now();
        let mut published = published_sets(store).await?;
        if published.is_empty() {
            publish_first(source, name, store, now).await?;
            published = published_sets(store).await?;
        }
        let held = held_keys(source).await?;
        let set = sets::newest(name, &published, now)?;
        let state = State::of(source.path(), set, published, held, now)?;
        Ok(Self {
            source: source.clone(),
            name: name.clone(),
            clock: clock.clone(),
            state: RwLock::new(Arc::new(state)),
        })
    }

    /// Takes over what another instance or the administrator published meanwhile; whether there was anything.
    /// After an error the keys that were loaded stay in use, each until the end that a newer set gives it.
    pub async fn reload(&self, store: &Store) -> Result<bool, KeyError> {
        let (present, published) = (self.state(), published_sets(store).await?);
        if present.complete && published == present.published {
            return Ok(false);
        }
        let now = self.clock.now();
        let set = present.next(&self.name, &published, now)?;
        let held = held_keys(&self.source).await;
        let state =
            held.and_then(|held| State::of(self.source.path(), set.clone(), published.clone(), held, now));
        match state {
            Ok(state) => self.replace(state).map(|()| true),
            Err(lacking) => {
                self.replace(present.under(set, published))?;
                Err(lacking)
            }
        }
    }

    /// Of two that reload at once, the one that read earlier may come later.
    fn replace(&self, state: State) -> Result<(), KeyError> {
        let mut present = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let (loaded, found) = (present.set.version, state.set.version);
        if found < loaded {
            return Err(KeyError::Older { loaded, found });
        }
        *present = Arc::new(state);
        Ok(())
    }

    /// Makes new keys and publishes them in a set that the newest present key signs; returns its version.
    pub async fn rotate(&self, store: &Store, rotation: Rotation) -> Result<u64, KeyError> {
        let _lock = file::lock(self.source.path())?;
        self.reload(store).await?;
        let now = self.clock.now();
        let present = self.state();
        let newest = present.newest(now)?;
        let source = self.source.clone();
        let held = blocking(move || file::read(&source)).await?;
        let held = held.ok_or_else(|| KeyError::Missing(self.source.path().to_owned()))?;
        let next = sets::after(&present.set, held, rotation, now)?;
        let (version, packet) = (next.set.version, newest.sign(&next.set)?);
        // The private keys come first: published keys that nobody holds could not be taken back.
        let source = self.source.clone();
        blocking(move || file::write(&source, &next.held)).await?;
        if !store.add_key_set(version, packet, publication(now)).await? {
            return Err(KeyError::Outrun);
        }
        self.reload(store).await?;
        Ok(version)
    }

    /// A packet that the key signed which devices know best at this moment.
    pub fn sign<M: Message>(&self, message: &M) -> Result<Vec<u8>, KeyError> {
        self.state().signing_key(self.clock.now()).ok_or(KeyError::NoneCounts)?.sign(message)
    }

    /// The packet inside, where it was sealed to a key that has not ended. Who signed it is not checked here.
    pub fn open<M: Message>(&self, bytes: &[u8]) -> Result<Envelope<M>, Refusal> {
        let sealed = sealed::parse(bytes)?;
        let state = self.state();
        let key = state.opening_key(sealed.key, self.clock.now()).ok_or(Refusal::NotOpened)?;
        let packet = key.open(&sealed, M::CONTEXT)?;
        Ok(Envelope::parse(&packet)?)
    }

    /// Every published set, oldest first.
    pub fn published(&self) -> Vec<Vec<u8>> {
        self.state().published.clone()
    }

    /// Whether all private keys of the newest set are here.
    pub fn complete(&self) -> bool {
        self.state().complete
    }

    /// Takes over what was published, as [`Self::reload`], and says in the log what came of it.
    pub async fn follow(&self, store: &Store) {
        match self.reload(store).await {
            Ok(true) => info!("keys that were published elsewhere are in use"),
            Ok(false) => {}
            Err(e) if self.complete() => error!("the server's keys stay as they were: {e}"),
            Err(e) => error!("a newer set of keys cannot be used, and older keys end as it says: {e}"),
        }
    }

    /// The version of the newest set.
    pub fn version(&self) -> u64 {
        self.state().set.version
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Nothing of the private keys is printed.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("server", &self.name).field("version", &self.version()).finish()
    }
}

async fn published_sets(store: &Store) -> Result<Vec<Vec<u8>>, KeyError> {
    let mut sets = store.key_sets().await?;
    sets.sort_by_key(|(version, _)| *version);
    Ok(sets.into_iter().map(|(_, packet)| packet).collect())
}

/// The public keys that signed for this server, as far as the keys of its file vouch for them: a set is
/// believed where one of them signed it, or a key of a set that is believed already.
pub async fn believed(
    source: &KeySource,
    name: &ServerName,
    published: &[Vec<u8>],
) -> Result<HashMap<KeyId, PublicKey>, KeyError> {
    let held = held_keys(source).await?;
    Ok(believed::by(held.signing.iter().map(|key| key.public), name, published))
}

/// Takes over the sets that another database of this server published, where they go on from those that are
/// published here and their private keys are here already: published keys that nobody holds could not be
/// taken back. How many there were.
pub async fn import(
    source: &KeySource,
    name: &ServerName,
    store: &Store,
    packets: Vec<Vec<u8>>,
    now: u64,
) -> Result<usize, KeyError> {
    let _lock = file::lock(source.path())?;
    let newest = sets::newest(name, &packets, now)?;
    let present = published_sets(store).await?;
    let fresh = sets::beyond(&present, &packets)?.to_vec();
    State::of(source.path(), newest, packets, held_keys(source).await?, now)?;
    for packet in &fresh {
        let version = Envelope::<ServerKeys>::parse(packet).map_err(KeyError::Chain)?.claimed().version;
        if !store.add_key_set(version, packet.clone(), publication(now)).await? {
            return Err(KeyError::Outrun);
        }
    }
    Ok(fresh.len())
}

/// Writes the keys of one source to another that is not there yet, and reads them back.
pub async fn seal(from: &KeySource, to: &KeySource) -> Result<(), KeyError> {
    // No rotation comes in between.
    let _lock = file::lock(from.path())?;
    let held = held_keys(from).await?;
    let (wanted, target) = (publics(&held), to.clone());
    blocking(move || file::write_beside(&target, &held)).await?;
    let why = "the TPM gives other keys back than it was given";
    let read = held_keys(to).await.and_then(|unsealed| {
        let same = publics(&unsealed) == wanted;
        if same { Ok(()) } else { Err(KeyError::BadFile { path: to.path().to_owned(), why }) }
    });
    if read.is_err() {
        file::remove(to.path())?;
    }
    read
}

/// Whether a TPM seals, and gives back what it sealed.
pub async fn try_tpm(tcti: String) -> Result<(), KeyError> {
    blocking(move || file::try_tpm(&tcti)).await
}

fn publics(held: &Held) -> Vec<PublicKey> {
    held.signing.iter().chain(&held.sealing).map(|key| key.public).collect()
}

async fn held_keys(source: &KeySource) -> Result<Held, KeyError> {
    let from = source.clone();
    blocking(move || file::read(&from)).await?.ok_or_else(|| KeyError::Missing(source.path().to_owned()))
}

/// Makes the keys, unless a start before this one got no further than that, and publishes them.
async fn publish_first(
    source: &KeySource,
    name: &ServerName,
    store: &Store,
    now: u64,
) -> Result<(), KeyError> {
    // Of two instances with one file the second waits here, and then finds the keys of the first.
    let _lock = file::lock(source.path())?;
    let from = source.clone();
    let (held, fresh) = blocking(move || match file::read(&from)? {
        // Its sets were published once, and not in this database.
        Some(Held { version, .. }) if version > sets::FIRST => {
            Err(KeyError::RolledBack { path: from.path().to_owned(), held: version, found: 0 })
        }
        Some(held) => Ok((held, false)),
        None => {
            let held = Held::fresh(now.saturating_sub(CLOCK_TOLERANCE))?;
            file::write(&from, &held)?;
            Ok((held, true))
        }
    })
    .await?;
    let packet = sets::first(name, held)?;
    let ours = store.add_key_set(sets::FIRST, packet, publication(now)).await?;
    if fresh && !ours {
        // An instance elsewhere was first: keys that were never published must not be taken for its.
        file::remove(source.path())?;
    }
    Ok(())
}

fn publication(at: u64) -> Event {
    Event {
        at,
        what: "keys-published",
        service: None,
        device: None,
        virtual_account: None,
        ceremony: None,
        reason: None,
        by: "admin",
    }
}

/// Files and the TPM block, the latter for seconds: not on the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(KeyError::Interrupted))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const ROTATION: Rotation = Rotation { lead_s: 60, overlap_s: 600 };

    struct Place {
        folder: tempfile::TempDir,
        store: Store,
        clock: Clock,
        name: ServerName,
    }

    impl Place {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", folder.path().join("server.db").display());
            let store = Store::open(&url, "one").await.unwrap();
            let name = ServerName::new("auth.example").unwrap();
            Self { folder, store, clock: Clock::fixed(NOW), name }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        async fn load(&self, file: &str) -> Result<Keys, KeyError> {
            Keys::load(&KeySource::File(self.file(file)), &self.name, &self.store, &self.clock).await
        }

        /// As an administrator copies it to another machine.
        fn copy(&self, from: &str, to: &str) {
            fs::copy(self.file(from), self.file(to)).unwrap();
        }

        /// Another database, with the first so many of the published sets.
        async fn older(&self, keys: &Keys, sets: usize) -> Store {
            let url = format!("sqlite:{}", self.file(&format!("older-{sets}.db")).display());
            let store = Store::open(&url, "one").await.unwrap();
            for (version, packet) in (1..).zip(keys.published()).take(sets) {
                assert!(store.add_key_set(version, packet, publication(NOW)).await.unwrap());
            }
            store
        }
    }

    fn signs(keys: &Keys) -> bool {
        keys.state().signing_key(keys.clock.now()).is_some()
    }

    #[tokio::test]
    async fn keys_end_as_published_where_the_new_ones_are_missing() {
        let place = Place::new().await;
        let keys = place.load("keys.toml").await.unwrap();
        place.copy("keys.toml", "other.toml");
        let other = place.load("other.toml").await.unwrap();
        assert_eq!(keys.rotate(&place.store, ROTATION).await.unwrap(), 2);

        assert!(other.complete());
        let lacking = other.reload(&place.store).await;
        assert!(matches!(lacking, Err(KeyError::Incomplete { version: 2, .. })), "{lacking:?}");
        assert!(!other.complete() && signs(&other));
        assert_eq!((other.version(), other.published()), (2, keys.published()));
        let end = NOW + ROTATION.lead_s + ROTATION.overlap_s;
        place.clock.set(end - 1);
        assert!(signs(&other));
        place.clock.set(end);
        assert!(!signs(&other) && signs(&keys));
        let old = other.state().set.sealing[1].key.id();
        assert!(other.state().opening_key(old, end).is_none());

        assert!(other.reload(&place.store).await.is_err(), "it still lacks keys");
        place.copy("keys.toml", "other.toml");
        assert!(other.reload(&place.store).await.unwrap());
        assert!(other.complete() && signs(&other));
        assert!(!other.reload(&place.store).await.unwrap());
    }

    #[tokio::test]
    async fn a_set_that_was_published_is_never_taken_back() {
        let place = Place::new().await;
        let keys = place.load("keys.toml").await.unwrap();
        keys.rotate(&place.store, ROTATION).await.unwrap();
        let older = place.older(&keys, 1).await;
        let refused = keys.reload(&older).await;
        assert!(matches!(refused, Err(KeyError::Older { loaded: 2, found: 1 })), "{refused:?}");
        assert!(keys.complete() && keys.version() == 2);

        let stranger = Place::new().await;
        let strange = stranger.load("keys.toml").await.unwrap();
        strange.rotate(&stranger.store, ROTATION).await.unwrap();
        assert!(matches!(keys.reload(&stranger.store).await, Err(KeyError::Rewritten)));
    }

    /// The second database of a pair: it has the first one's key file, and nothing yet.
    struct Pair {
        place: Place,
        keys: Keys,
        second: Store,
        source: KeySource,
    }

    impl Pair {
        async fn new() -> Self {
            let place = Place::new().await;
            let keys = place.load("keys.toml").await.unwrap();
            let url = format!("sqlite:{}", place.file("second.db").display());
            let second = Store::open(&url, "two").await.unwrap();
            place.copy("keys.toml", "copy.toml");
            let source = KeySource::File(place.file("copy.toml"));
            Self { place, keys, second, source }
        }

        async fn import(&self, packets: Vec<Vec<u8>>) -> Result<usize, KeyError> {
            import(&self.source, &self.place.name, &self.second, packets, NOW + 100).await
        }

        async fn rotate(&self) {
            self.place.clock.set(NOW + 100);
            self.keys.rotate(&self.place.store, ROTATION).await.unwrap();
        }
    }

    #[tokio::test]
    async fn sets_are_taken_over_once_their_private_keys_are_here() {
        let pair = Pair::new().await;
        assert_eq!(pair.import(pair.keys.published()).await.unwrap(), 1);
        pair.rotate().await;
        let both = pair.keys.published();
        let lacking = pair.import(both.clone()).await;
        assert!(matches!(lacking, Err(KeyError::Incomplete { version: 2, .. })), "{lacking:?}");
        assert_eq!(published_sets(&pair.second).await.unwrap().len(), 1);
        pair.place.copy("keys.toml", "copy.toml");
        assert_eq!(pair.import(both.clone()).await.unwrap(), 1);
        assert_eq!(pair.import(both.clone()).await.unwrap(), 0);
        assert_eq!(published_sets(&pair.second).await.unwrap(), both);
        // Fewer than are here already are an older row.
        let older = pair.import(both[..1].to_vec()).await;
        assert!(matches!(older, Err(KeyError::Diverged)), "{older:?}");
    }

    #[tokio::test]
    async fn the_same_keys_signed_anew_are_the_same() {
        let pair = Pair::new().await;
        // It was started before anything was taken over.
        let loaded = Keys::load(&pair.source, &pair.place.name, &pair.second, &pair.place.clock).await;
        assert_ne!(loaded.unwrap().published(), pair.keys.published());
        pair.rotate().await;
        pair.place.copy("keys.toml", "copy.toml");
        assert_eq!(pair.import(pair.keys.published()).await.unwrap(), 1);
        Keys::load(&pair.source, &pair.place.name, &pair.second, &pair.place.clock).await.unwrap();
    }

    #[tokio::test]
    async fn sets_of_other_keys_or_of_another_server_are_not_taken_over() {
        let (pair, other) = (Pair::new().await, Pair::new().await);
        let strange = other.keys.published();
        let lacking = pair.import(strange.clone()).await;
        assert!(matches!(lacking, Err(KeyError::Incomplete { .. })), "{lacking:?}");
        pair.import(pair.keys.published()).await.unwrap();
        assert!(matches!(pair.import(strange.clone()).await, Err(KeyError::Diverged)));
        let name = ServerName::new("other.example").unwrap();
        let named = import(&other.source, &name, &other.second, strange, NOW).await;
        assert!(matches!(named, Err(KeyError::OtherServer(_))), "{named:?}");
        assert!(published_sets(&other.second).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_key_file_is_of_one_version_more_at_most() {
        let place = Place::new().await;
        let keys = place.load("keys.toml").await.unwrap();
        for rotations in 1..3 {
            place.clock.set(NOW + rotations * 100);
            keys.rotate(&place.store, ROTATION).await.unwrap();
        }
        let source = KeySource::File(place.file("keys.toml"));
        let load = async |store: &Store| Keys::load(&source, &place.name, store, &place.clock).await;
        for (sets, good) in [(0, false), (1, false), (3, true)] {
            let loaded = load(&place.older(&keys, sets).await).await;
            let rolled_back = matches!(loaded, Err(KeyError::RolledBack { held: 3, .. }));
            assert_eq!((loaded.is_ok(), rolled_back), (good, !good), "{sets}");
        }
    }
}
