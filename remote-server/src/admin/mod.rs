//! What an administrator may see and change of a server: its services, devices, accounts, keys and audit log.
//! It works on the database itself, beside running servers; every change is in the audit log as its own.

mod accounts;
mod audit;
mod devices;
mod keys;
mod services;

use std::io;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};
use vultus_protocol::{AccountName, DeviceIdentity, ProtocolError, ServiceName};

pub use audit::{Action as AuditAction, SignError, sign_end};

use crate::clock::Clock;
use crate::configuration::Configuration;
use crate::store::{Event, Store};

type Error = Box<dyn std::error::Error>;

/// What a command is about.
#[derive(Subcommand)]
pub enum Matter {
    /// The services of relying parties.
    Service {
        #[command(subcommand)]
        action: services::Action,
    },
    /// The devices of the registry.
    Device {
        #[command(subcommand)]
        action: devices::Action,
    },
    /// The accounts of a service.
    Account {
        #[command(subcommand)]
        action: accounts::Action,
    },
    /// The server's own keys.
    Keys {
        #[command(subcommand)]
        action: keys::Action,
    },
}

/// What a command has to say: a table or sentence for people, an object for programs.
pub struct Outcome {
    pub text: String,
    pub json: Value,
    /// Whether what was asked for came about.
    pub done: Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Yes,
    No,
}

impl Outcome {
    /// It came about.
    pub fn done(text: String, json: Value) -> Self {
        Self { text, json, done: Done::Yes }
    }

    /// It did not, and nothing has changed.
    pub fn refused(why: &str) -> Self {
        Self { text: why.to_owned(), json: json!({ "ok": false, "error": why }), done: Done::No }
    }
}

/// A command at work: the database, under a name of its own in the audit log, and the clock.
struct Desk {
    store: Store,
    clock: Clock,
}

impl Desk {
    async fn open(configuration: &Configuration) -> Result<Self, Error> {
        let clock = Clock::System;
        let store = Store::open(&configuration.database, &instance(&clock)?).await?;
        Ok(Self { store, clock })
    }

    fn event(&self, what: &'static str, service: Option<ServiceName>) -> Event {
        event(self.clock.now(), what, service)
    }
}

pub async fn administer(configuration: &Configuration, matter: Matter) -> Result<Outcome, Error> {
    let desk = Desk::open(configuration).await?;
    let outcome = match matter {
        Matter::Service { action } => services::carry_out(&desk, action).await,
        Matter::Device { action } => devices::carry_out(&desk, action).await,
        Matter::Account { action } => accounts::carry_out(&desk, action).await,
        Matter::Keys { action } => keys::carry_out(&desk, configuration, action).await,
    };
    audit::sign_off(&desk, configuration).await;
    outcome
}

pub async fn audit(configuration: &Configuration, action: AuditAction) -> Result<Outcome, Error> {
    let desk = Desk::open(configuration).await?;
    audit::carry_out(&desk, configuration, action).await
}

/// The name of one command in the audit log: no other command, and no server, ever has the same.
pub fn instance(clock: &Clock) -> Result<String, getrandom::Error> {
    let random = getrandom::u64()?;
    Ok(format!("admin:{}-{random:016x}", clock.now()))
}

/// What an administrator did.
pub fn event(at: u64, what: &'static str, service: Option<ServiceName>) -> Event {
    Event {
        at,
        what,
        service,
        device: None,
        virtual_account: None,
        ceremony: None,
        reason: None,
        by: "admin",
    }
}

/// A path as it is meant where the command is given: the configuration's folder is entered later.
pub fn absolute(text: &str) -> io::Result<PathBuf> {
    std::path::absolute(text)
}

fn service_name(text: &str) -> Result<ServiceName, ProtocolError> {
    ServiceName::new(text)
}

fn account_name(text: &str) -> Result<AccountName, ProtocolError> {
    AccountName::new(text)
}

fn device_identity(text: &str) -> Result<DeviceIdentity, ProtocolError> {
    DeviceIdentity::from_text(text)
}

/// Rows under their heading, in columns.
fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading = std::iter::once(line(heading.to_vec()));
    let rows = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    heading.chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["ä".to_owned(), "2".to_owned()], vec!["long".to_owned(), "3".to_owned()]];
        assert_eq!(table(&["a", "b"], &rows), "a     b\nä     2\nlong  3");
    }

    #[test]
    fn no_two_commands_have_one_name() {
        let clock = Clock::fixed(7);
        let (one, other) = (instance(&clock).unwrap(), instance(&clock).unwrap());
        assert!(one.starts_with("admin:7-") && one != other && one.len() <= 64);
    }
}
