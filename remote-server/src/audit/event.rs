//! What one event of the audit log says, and its bytes. It says what it is told.

use std::borrow::Cow;

use minicbor::{CborLen, Decode, Encode};
use vultus_protocol::api::Refusal;
use vultus_protocol::{CeremonyId, ServiceName, VirtualAccount, encoding};

use super::Row;
use crate::store::StoreError;

/// The most bytes of an entry.
const LONGEST: usize = 1024;

/// A decision, as whoever made it says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Seconds since 1970.
    pub at: u64,
    /// A stable word: `registration-opened`, `registered`, `authenticated`, `refused` …
    pub what: &'static str,
    pub service: Option<ServiceName>,
    /// A pairwise device, or a device identity where the registry is meant; as text.
    pub device: Option<String>,
    pub virtual_account: Option<VirtualAccount>,
    pub ceremony: Option<CeremonyId>,
    pub reason: Option<Refusal>,
    /// `service`, `device`, `admin` or `registry`.
    pub by: &'static str,
}

/// The same as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Entry {
    #[n(1)]
    pub at: u64,
    #[n(2)]
    pub what: Cow<'static, str>,
    #[n(3)]
    pub service: Option<ServiceName>,
    #[n(4)]
    pub device: Option<String>,
    #[n(5)]
    pub virtual_account: Option<VirtualAccount>,
    #[n(6)]
    pub ceremony: Option<CeremonyId>,
    #[n(7)]
    pub reason: Option<String>,
    #[n(8)]
    pub by: Cow<'static, str>,
}

/// An event that waits for its place in the chain.
pub(crate) struct Line {
    pub at: i64,
    pub body: Vec<u8>,
}

impl Event {
    pub(crate) fn into_line(self) -> Result<Line, StoreError> {
        let entry = Entry {
            at: self.at,
            what: Cow::Borrowed(self.what),
            service: self.service,
            device: self.device,
            virtual_account: self.virtual_account,
            ceremony: self.ceremony,
            reason: self.reason.map(Refusal::word),
            by: Cow::Borrowed(self.by),
        };
        let body =
            encoding::encode(&entry).map_err(|_| StoreError::Corrupt("an event that cannot be encoded"))?;
        Ok(Line { at: i64::try_from(entry.at).unwrap_or(i64::MAX), body })
    }
}

impl Row {
    /// What the row says, where it is an event of this program and its time is the row's.
    pub fn entry(&self) -> Option<Entry> {
        let entry: Entry = encoding::decode(&self.body, LONGEST).ok()?;
        (i64::try_from(entry.at).unwrap_or(i64::MAX) == self.at).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_as_it_went() {
        let event = Event {
            at: 1_700_000_000,
            what: "refused",
            service: ServiceName::new("shop.example").ok(),
            device: Some("AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
            virtual_account: Some(VirtualAccount::new([1; 16])),
            ceremony: Some(CeremonyId::new([2; 16])),
            reason: Some(Refusal::CodeUsed),
            by: "device",
        };
        let line = event.clone().into_line().unwrap();
        let mut row = Row {
            instance: "a".to_owned(),
            sequence: 1,
            at: line.at,
            body: line.body,
            previous: vec![0; 32],
            hash: Vec::new(),
        };
        let entry = row.entry().unwrap();
        assert_eq!((entry.at, &*entry.what, &*entry.by), (event.at, event.what, event.by));
        assert_eq!(entry.reason.as_deref(), Some("code-used"));
        assert_eq!((entry.service, entry.ceremony), (event.service, event.ceremony));
        row.at += 1;
        assert_eq!(row.entry(), None);
    }
}
