//! The servers that root has pinned. A key that came with a packet is never believed.

use log::info;
use minicbor::bytes::ByteVec;
use minicbor::{CborLen, Decode, Encode};
use vultus_ipc::Reason;
use vultus_ipc::vault::ServerRecord;
use vultus_protocol::{Envelope, PinnedServer, ServerKeys, ServerName};

use crate::VaultError;
use crate::ceremony::now;
use crate::keys::{OpenState, first_free};
use crate::records::{Kind, RowName};

/// The most pinned servers.
const MOST_SERVERS: usize = 32;

#[derive(Encode, Decode, CborLen)]
struct Record {
    #[n(0)]
    keys: ByteVec,
}

fn all(state: &OpenState<'_>) -> Result<Vec<(u32, PinnedServer)>, VaultError> {
    let records = state.records::<Record>(Kind::Server, 0)?;
    let pinned = |(item, record): (u32, Record)| {
        Ok((item, PinnedServer::from_bytes(&record.keys).map_err(|_| VaultError::Altered)?))
    };
    records.into_iter().map(pinned).collect()
}

fn find(state: &OpenState<'_>, name: &ServerName) -> Result<Option<(u32, PinnedServer)>, VaultError> {
    Ok(all(state)?.into_iter().find(|(_, pinned)| pinned.name() == name))
}

fn keep(state: &OpenState<'_>, item: u32, pinned: &PinnedServer) -> Result<(), VaultError> {
    let record = Record { keys: pinned.to_bytes()?.into() };
    state.replace(Some((RowName::new(Kind::Server, 0, item), &record)), &[])
}

/// The pinned server of this name.
pub fn pinned(state: &OpenState<'_>, name: &ServerName) -> Result<PinnedServer, VaultError> {
    Ok(find(state, name)?.ok_or(Reason::ServerUnknown)?.1)
}

/// Pins a server's keys, because root says so. A server that is pinned already is not replaced: it is
/// unpinned first, or its keys are updated.
pub fn pin(state: &OpenState<'_>, packet: &[u8]) -> Result<(), VaultError> {
    let fresh = PinnedServer::first(packet)?;
    let known = all(state)?;
    if known.iter().any(|(_, pinned)| pinned.name() == fresh.name()) {
        return Err(Reason::BadRequest.into());
    }
    if known.len() >= MOST_SERVERS {
        return Err(Reason::TooManyKeys.into());
    }
    keep(state, first_free(known.iter().map(|(item, _)| *item)), &fresh)?;
    info!(vultus_server = fresh.name().as_str(); "server pinned");
    Ok(())
}

pub fn unpin(state: &OpenState<'_>, name: &str) -> Result<(), VaultError> {
    let (item, _) = find(state, &ServerName::new(name)?)?.ok_or(Reason::ServerUnknown)?;
    state.replace::<Record>(None, &[RowName::new(Kind::Server, 0, item)])?;
    info!(vultus_server = name; "server unpinned");
    Ok(())
}

/// Takes over a newer set of keys, where a key that is pinned signed it.
pub fn update(state: &OpenState<'_>, packet: &[u8]) -> Result<(), VaultError> {
    let name = Envelope::<ServerKeys>::parse(packet)?.claimed().server.clone();
    let (item, pinned) = find(state, &name)?.ok_or(Reason::ServerUnknown)?;
    let newer = pinned.rotate(packet, now()?)?;
    keep(state, item, &newer)?;
    info!(vultus_server = name.as_str(), vultus_version = newer.version(); "server keys updated");
    Ok(())
}

pub fn list(state: &OpenState<'_>) -> Result<Vec<ServerRecord>, VaultError> {
    let record = |(_, pinned): (u32, PinnedServer)| {
        let device = super::device::find(state, pinned.name())?.map(|d| d.identity()).transpose()?;
        Ok(ServerRecord {
            server: pinned.name().to_string(),
            version: pinned.version(),
            device: device.map(|identity| super::bytes(identity.as_bytes())),
        })
    };
    all(state)?.into_iter().map(record).collect()
}
