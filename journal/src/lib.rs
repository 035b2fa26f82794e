//! Where log records go: the journal with structured fields where the service manager connected this
//! process to it, standard error elsewhere.
//! It filters nothing out for secrecy: what is secret is never logged.
//!
//! Threat model: M31.
#![forbid(unsafe_code)]

use log::kv::{Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// Starts logging under this identifier. Keys of records become journal fields: `vultus_uid` arrives
/// as `VULTUS_UID`, so that a name in a value can forge neither a line nor a field.
pub fn start(identifier: &str) {
    // A service's standard error is the journal's own stream; a person's terminal or file is not.
    let journal = if connected_to_journal() { JournalLog::new().ok() } else { None };
    let installed = match journal {
        Some(journal) => journal.with_syslog_identifier(identifier.to_owned()).install(),
        None => log::set_boxed_logger(Box::new(StandardError(identifier.to_owned()))),
    };
    // A second start in one process keeps the first logger.
    if installed.is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

struct StandardError(String);

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut fields = Fields(String::new());
            // Collecting into a string does not fail.
            let _ = record.key_values().visit(&mut fields);
            let message = record.args().to_string();
            eprintln!("{} {}: {:?}{}", self.0, record.level(), message, fields.0);
        }
    }

    fn flush(&self) {}
}

struct Fields(String);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        self.0.push_str(&format!(" {key}={:?}", value.to_string()));
        Ok(())
    }
}
