//! Makes the changes of all jobs that wait, in one transaction that it begins and the writer commits, and
//! appends their events to the audit chain. Jobs of one batch are simultaneous: it puts them into the order
//! that takes the fewest statements, and the chain has them in that order.

use std::collections::HashSet;

use sqlx::error::ErrorKind;
use vultus_protocol::CeremonyId;

use super::change::{Authentication, Change, Opening, make, standing};
use super::connection::{Connection, Record, Value};
use super::model::CeremonyKind;
use super::writer::Job;
use super::{Consumed, StoreError, statements};
use crate::audit::{Head, Line, links};

/// Why a batch was not committed.
pub(super) enum Failure {
    /// A statement of one job was refused: try them one by one.
    Statement(sqlx::Error),
    /// None of them is at fault: all get this answer.
    Whole(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if is_of_one_job(&error) { Self::Statement(error) } else { Self::Whole(error.into()) }
    }
}

/// A broken constraint, a value that the engine does not take (class 22 of the standard's codes), or
/// another transaction in the way (class 40). A full disk, or a lock that does not come free, meets all.
fn is_of_one_job(error: &sqlx::Error) -> bool {
    let Some(refused) = error.as_database_error() else { return false };
    let class = |code: &str| code.len() == 5 && (code.starts_with("22") || code.starts_with("40"));
    !matches!(refused.kind(), ErrorKind::Other) || refused.code().as_deref().is_some_and(class)
}

/// What became of each job, and the end of the audit chain with their events.
pub(super) struct Done {
    pub outcomes: Vec<Consumed>,
    pub head: Head,
}

/// Nothing is committed when this returns.
pub(super) async fn perform(
    db: &mut Connection,
    jobs: &[Job],
    instance: &str,
    head: Head,
) -> Result<Done, Failure> {
    db.begin().await.map_err(|error| Failure::Whole(error.into()))?;
    let sorted = Sorted::of(jobs);
    let mut outcomes = vec![Consumed::Yes(0); jobs.len()];
    open(db, &sorted.opening).await?;
    for place in &sorted.single {
        outcomes[*place] = make(&jobs[*place].change, db).await?;
    }
    authenticate(db, &sorted.authenticating, &mut outcomes).await?;
    for again in sorted.again.chunks(1) {
        authenticate(db, again, &mut outcomes).await?;
    }
    let lines: Vec<&Line> = sorted
        .order()
        .filter(|place| matches!(outcomes[*place], Consumed::Yes(_)))
        .filter_map(|place| jobs[place].line.as_ref())
        .collect();
    let head = append(db, &lines, instance, head).await?;
    Ok(Done { outcomes, head })
}

/// The places of the jobs, by how they are made.
struct Sorted<'a> {
    opening: Vec<(usize, &'a Opening)>,
    single: Vec<usize>,
    authenticating: Vec<(usize, &'a Authentication)>,
    /// Those for a ceremony that is among the former already: one statement changes a row once.
    again: Vec<(usize, &'a Authentication)>,
}

impl<'a> Sorted<'a> {
    fn of(jobs: &'a [Job]) -> Self {
        let mut sorted =
            Self { opening: Vec::new(), single: Vec::new(), authenticating: Vec::new(), again: Vec::new() };
        let mut seen = HashSet::new();
        for (place, job) in jobs.iter().enumerate() {
            match &job.change {
                Change::Open(opening) => sorted.opening.push((place, opening)),
                Change::Authenticate(one) if seen.insert(one.id) => sorted.authenticating.push((place, one)),
                Change::Authenticate(one) => sorted.again.push((place, one)),
                _ => sorted.single.push(place),
            }
        }
        sorted.single.sort_by_key(|place| jobs[*place].change.ceremony());
        // Two instances that consume the same codes lock the rows in the same order.
        sorted.authenticating.sort_unstable_by_key(|(_, one)| one.id);
        sorted
    }

    fn order(&self) -> impl Iterator<Item = usize> {
        let opening = self.opening.iter().map(|(place, _)| *place);
        let authenticating = self.authenticating.iter().chain(&self.again).map(|(place, _)| *place);
        opening.chain(self.single.iter().copied()).chain(authenticating)
    }
}

async fn open(db: &mut Connection, openings: &[(usize, &Opening)]) -> Result<(), Failure> {
    for (range, sql) in statements::OPEN_CEREMONIES.pieces(openings.len()) {
        let mut values = Vec::with_capacity(range.len() * 6);
        for (_, opening) in &openings[range] {
            values.extend([
                Value::from(opening.id.as_bytes()),
                Value::from(opening.kind.number()),
                Value::from(&opening.challenge),
                Value::from(opening.account_key),
                Value::from(opening.virtual_account.as_ref().map(|account| account.as_bytes().as_slice())),
                Value::from(opening.expires_at),
            ]);
        }
        db.execute(sql, &values).await?;
    }
    Ok(())
}

async fn authenticate(
    db: &mut Connection,
    jobs: &[(usize, &Authentication)],
    outcomes: &mut [Consumed],
) -> Result<(), Failure> {
    for (range, sql) in statements::AUTHENTICATE.pieces(jobs.len()) {
        let piece = &jobs[range];
        let mut values = Vec::with_capacity(piece.len() * 4);
        for (_, one) in piece {
            values.extend([
                Value::from(one.id.as_bytes()),
                Value::from(one.at),
                Value::from(one.key),
                Value::from(i64::from(one.local_registry)),
            ]);
        }
        let consumed = names(&db.fetch(sql, &values).await?)?;
        for (place, one) in piece {
            outcomes[*place] = if consumed.contains(&one.id) {
                Consumed::Yes(one.key)
            } else {
                let kind = CeremonyKind::Authentication;
                standing(db, &one.id, kind, one.at, Some(one.key), one.local_registry).await?
            };
        }
    }
    Ok(())
}

fn names(records: &[Record]) -> Result<HashSet<CeremonyId>, Failure> {
    let corrupt = |_| Failure::Whole(StoreError::Corrupt("a ceremony's name of another length"));
    records.iter().map(|record| CeremonyId::from_slice(record.bytes(0)?).map_err(corrupt)).collect()
}

/// Appends to this instance's chain. Its rows are its own: where one is there already, somebody else writes
/// under the same name.
async fn append(db: &mut Connection, lines: &[&Line], instance: &str, head: Head) -> Result<Head, Failure> {
    let (links, head) = links(instance, head, lines);
    for (range, sql) in statements::APPEND_AUDIT.pieces(links.len()) {
        let mut values = Vec::with_capacity(range.len() * 6);
        for (link, line) in links[range.clone()].iter().zip(&lines[range]) {
            values.extend([
                Value::from(instance),
                Value::from(link.sequence),
                Value::from(line.at),
                Value::from(&line.body),
                Value::from(&link.previous),
                Value::from(&link.hash),
            ]);
        }
        db.execute(sql, &values).await.map_err(|error| match error {
            sqlx::Error::Database(ref refused) if refused.is_unique_violation() => {
                Failure::Whole(StoreError::InstanceTaken)
            }
            other => other.into(),
        })?;
    }
    Ok(head)
}
