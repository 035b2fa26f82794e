//! What a server does by itself while it serves: forgets what is over, takes over keys that were published
//! elsewhere, and signs where its audit chain stands. It answers nobody.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log::error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use vultus_remote_server::admin;
use vultus_remote_server::ceremonies::Core;
use vultus_remote_server::configuration::Configuration;
use vultus_remote_server::http::{Server, stopped};
use vultus_remote_server::store::StoreError;

const SWEEPING: Duration = Duration::from_secs(30);
const SIGNING: Duration = Duration::from_secs(60);
const LOADING: Duration = Duration::from_secs(60);

/// Begins all of it, each as a part of its own until the server stops.
pub fn start(
    configuration: &Configuration,
    server: &Arc<Server>,
    checkpoints: &Arc<Checkpoints>,
    stopping: &watch::Receiver<bool>,
    parts: &mut JoinSet<()>,
) {
    parts.spawn(sweep(Arc::clone(server), configuration.keep_s, stopping.clone()));
    parts.spawn(load(Arc::clone(server), stopping.clone()));
    parts.spawn(sign(Arc::clone(server), Arc::clone(checkpoints), stopping.clone()));
}

/// Whether the server still runs after that time.
async fn after(pause: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
    timeout(pause, stopped(stopping)).await.is_err()
}

/// Ends by itself where this process may not write any more: that ends the server.
async fn sweep(server: Arc<Server>, keep_s: u64, mut stopping: watch::Receiver<bool>) {
    while after(SWEEPING, &mut stopping).await {
        server.limits.forget_the_quiet();
        match server.core.store.sweep(server.core.clock.now(), keep_s).await {
            Ok(_) => {}
            Err(e @ StoreError::InstanceTaken) => return error!("{e}"),
            Err(e) => error!("what is over could not be deleted: {e}"),
        }
    }
}

async fn load(server: Arc<Server>, mut stopping: watch::Receiver<bool>) {
    while after(LOADING, &mut stopping).await {
        server.core.keys.follow(&server.core.store).await;
    }
}

async fn sign(server: Arc<Server>, checkpoints: Arc<Checkpoints>, mut stopping: watch::Receiver<bool>) {
    while after(SIGNING, &mut stopping).await {
        checkpoints.sign(&server.core).await;
    }
}

/// The checkpoints of this instance's audit chain.
pub struct Checkpoints {
    file: Option<PathBuf>,
    /// The row of the newest: where nothing was decided since, there is nothing to sign.
    newest: AtomicU64,
}

impl Checkpoints {
    pub fn new(configuration: &Configuration) -> Self {
        Self { file: configuration.audit_checkpoints.clone(), newest: AtomicU64::new(0) }
    }

    /// Signs where this process's own chain ends, if that is not where it ended before, and if the database
    /// has it so.
    pub async fn sign(&self, core: &Core) {
        let (end, _) = core.store.head();
        if u64::try_from(end).unwrap_or(0) == self.newest.load(Ordering::SeqCst) {
            return;
        }
        let (file, at) = (self.file.as_deref(), core.clock.now());
        match admin::sign_end(&core.store, &core.keys, &core.name, file, at).await {
            Ok(signed) => self.newest.store(signed.unwrap_or(0), Ordering::SeqCst),
            Err(e) => error!("the audit log is not signed: {e}"),
        }
    }
}
