//! Load on a real server, over HTTPS as relying parties speak it: many authentications at once, each whole,
//! with the time that each step took. It judges no figure.
//!
//! ```text
//! Site (folder, configuration) → Instance (a process) ←HTTPS─ Client ← SoftDevice | Population
//!   └→ database: SQLite in the folder, or a Cluster (PostgreSQL)
//! ```

pub mod client;
pub mod cluster;
pub mod cores;
pub mod population;
pub mod site;
pub mod verification;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

pub use client::{Client, Failure, Target};
pub use cluster::Cluster;
pub use population::Population;
pub use site::{Instance, Site};

/// What some clients did at the same time. Times are in milliseconds.
#[derive(Default)]
pub struct Measured {
    pub open: Vec<f64>,
    /// One for each authentication that the server acknowledged.
    pub complete: Vec<f64>,
    /// From the first request to the last answer.
    pub seconds: f64,
}

impl Measured {
    /// Whole authentications per second.
    pub fn rate(&self) -> f64 {
        self.complete.len() as f64 / self.seconds
    }

    fn take(&mut self, other: Self) {
        self.open.extend(other.open);
        self.complete.extend(other.complete);
    }
}

/// So many clients authenticate accounts of a population, one after the other each, until the time is over. A
/// single failure ends it all: what a server refuses it need not do.
pub async fn authentications(
    client: &Client,
    population: &Arc<Population>,
    clients: usize,
    time: Duration,
) -> Result<Measured, Failure> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        tasks.spawn(one_after_the_other(client.clone(), Arc::clone(population), begun + time));
    }
    let mut all = Measured::default();
    while let Some(ended) = tasks.join_next().await {
        all.take(ended??);
    }
    all.seconds = begun.elapsed().as_secs_f64();
    Ok(all)
}

async fn one_after_the_other(
    client: Client,
    population: Arc<Population>,
    until: Instant,
) -> Result<Measured, Failure> {
    let mut measured = Measured::default();
    while Instant::now() < until {
        let begun = Instant::now();
        let opened = client.open_authentication(&population.pick(), None).await?;
        measured.open.push(milliseconds(begun));
        let packet = population.answer(&opened)?;
        let begun = Instant::now();
        client.complete_authentication(&opened.ceremony, &packet).await?;
        measured.complete.push(milliseconds(begun));
    }
    Ok(measured)
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
