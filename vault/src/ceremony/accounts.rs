//! The service keys of users: one for each account of a service. Kept sealed; a key whose face is gone signs
//! nothing, and stays until it is removed.

use log::info;
use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Encode};
use vultus_ipc::Reason;
use vultus_ipc::vault::{AccountRecord, Confirmed};
use vultus_protocol::challenge::Challenge;
use vultus_protocol::{FeatureToken, ProtocolError, ServerName, VirtualAccount};
use zeroize::Zeroize;

use crate::VaultError;
use crate::attempt::Success;
use crate::ceremony::KeyRecord;
use crate::keys::{OpenState, first_free};
use crate::records::{Kind, RowName};

/// The most accounts of one user.
const MOST_ACCOUNTS: usize = 64;

/// (virtual account, biometric type, feature token) → service key, as one user has it.
#[derive(Encode, Decode, CborLen)]
pub struct Account {
    #[n(0)]
    pub server: String,
    #[n(1)]
    pub service: String,
    #[n(2)]
    pub account: String,
    #[n(3)]
    pub virtual_account: ByteArray<16>,
    #[n(4)]
    feature_token: ByteArray<32>,
    #[n(5)]
    pub key: KeyRecord,
    /// The registration that made the key.
    #[n(6)]
    pub ceremony: ByteArray<16>,
    #[n(7)]
    pub confirmed: Option<Confirmed>,
    /// The deregistration that was signed.
    #[n(8)]
    pub leaving: Option<ByteArray<16>>,
}

impl Drop for Account {
    fn drop(&mut self) {
        self.feature_token.zeroize();
    }
}

impl Account {
    /// A new account, not confirmed yet.
    pub fn new(challenge: &Challenge, token: &FeatureToken, key: KeyRecord) -> Self {
        Self {
            server: challenge.server.to_string(),
            service: challenge.service.to_string(),
            account: challenge.account.to_string(),
            virtual_account: super::bytes(challenge.virtual_account.as_bytes()),
            feature_token: super::bytes(token.as_bytes()),
            key,
            ceremony: super::bytes(challenge.ceremony.as_bytes()),
            confirmed: None,
            leaving: None,
        }
    }

    pub fn feature_token(&self) -> FeatureToken {
        FeatureToken::new(*self.feature_token)
    }

    /// Refuses a success of another face than the one that the account was registered with.
    pub fn check_face(&self, success: &Success) -> Result<(), VaultError> {
        let server = ServerName::new(self.server.as_str())?;
        let token =
            FeatureToken::of(success.token_key(), &server, &VirtualAccount::new(*self.virtual_account));
        if token.same(&self.feature_token()) { Ok(()) } else { Err(Reason::FaceChanged.into()) }
    }

    fn is(&self, challenge: &Challenge) -> bool {
        self.server == challenge.server.as_str()
            && self.service == challenge.service.as_str()
            && self.account == challenge.account.as_str()
            && *self.virtual_account == *challenge.virtual_account.as_bytes()
    }
}

pub fn all(state: &OpenState<'_>, uid: u32) -> Result<Vec<(u32, Account)>, VaultError> {
    state.records(Kind::Account, uid)
}

pub fn list(state: &OpenState<'_>, uid: u32) -> Result<Vec<AccountRecord>, VaultError> {
    let record = |(_, account): (u32, Account)| AccountRecord {
        server: account.server.clone(),
        service: account.service.clone(),
        account: account.account.clone(),
        confirmed: account.confirmed,
    };
    Ok(all(state, uid)?.into_iter().map(record).collect())
}

/// The account that a packet is about: the confirmed key first, or else the one that waits for its receipt,
/// which may have been lost on its way.
pub fn find(state: &OpenState<'_>, uid: u32, challenge: &Challenge) -> Result<(u32, Account), VaultError> {
    let mut known: Vec<_> = all(state, uid)?.into_iter().filter(|(_, a)| a.is(challenge)).collect();
    known.sort_by_key(|(_, a)| a.confirmed.is_none());
    Ok(known.into_iter().next().ok_or(Reason::NotRegistered)?)
}

/// The enrolled face that the account was registered with, which is the only one that may use its key.
pub fn face(state: &OpenState<'_>, uid: u32, account: &Account) -> Result<u32, VaultError> {
    let server = ServerName::new(account.server.as_str())?;
    let virtual_account = VirtualAccount::new(*account.virtual_account);
    let registered = account.feature_token();
    let same =
        |token_key: &[u8; 32]| FeatureToken::of(token_key, &server, &virtual_account).same(&registered);
    let found = state.templates(uid)?.into_iter().find(|(_, template)| same(&template.token_key));
    Ok(found.ok_or(Reason::FaceChanged)?.0)
}

/// Refuses a registration for which there would be no place, and a second key for one ceremony: its receipt
/// names the ceremony alone, and could be for either.
pub fn check_room(state: &OpenState<'_>, uid: u32, challenge: &Challenge) -> Result<(), VaultError> {
    let known = all(state, uid)?;
    if known.iter().any(|(_, a)| *a.ceremony == *challenge.ceremony.as_bytes()) {
        return Err(ProtocolError::Misdirected("ceremony").into());
    }
    let confirmed = known.iter().filter(|(_, a)| a.confirmed.is_some()).count();
    if confirmed >= MOST_ACCOUNTS { Err(Reason::TooManyKeys.into()) } else { Ok(()) }
}

/// Keeps a new key beside a confirmed one of the same account, in place of one that never was confirmed; and
/// where there is no place left, in place of any that never was.
pub fn keep(state: &OpenState<'_>, uid: u32, account: &Account) -> Result<(), VaultError> {
    let known = all(state, uid)?;
    let same = |a: &Account| a.server == account.server && a.virtual_account == account.virtual_account;
    let waiting = || known.iter().filter(|(_, a)| a.confirmed.is_none());
    let mut gone: Vec<u32> = waiting().filter(|(_, a)| same(a)).map(|(item, _)| *item).collect();
    if known.len() - gone.len() >= MOST_ACCOUNTS {
        let any = waiting().map(|(item, _)| *item).find(|item| !gone.contains(item));
        gone.push(any.ok_or(Reason::TooManyKeys)?);
    }
    let item = first_free(known.iter().map(|(item, _)| *item));
    put(state, uid, item, account, &gone)
}

/// Puts a changed record back in its place, and deletes others.
pub fn put(
    state: &OpenState<'_>,
    uid: u32,
    item: u32,
    account: &Account,
    delete: &[u32],
) -> Result<(), VaultError> {
    let names: Vec<RowName> = delete.iter().map(|&i| RowName::new(Kind::Account, uid, i)).collect();
    state.replace(Some((RowName::new(Kind::Account, uid, item), account)), &names)
}

/// Wipes keys.
pub fn wipe(state: &OpenState<'_>, uid: u32, items: &[u32]) -> Result<(), VaultError> {
    let names: Vec<RowName> = items.iter().map(|&i| RowName::new(Kind::Account, uid, i)).collect();
    state.replace::<Account>(None, &names)
}

/// Wipes the keys of an account because its owner says so.
pub fn remove(
    state: &OpenState<'_>,
    uid: u32,
    (server, service, name): (&str, &str, &str),
) -> Result<(), VaultError> {
    let same = |a: &Account| a.server == server && a.service == service && a.account == name;
    let items: Vec<u32> = all(state, uid)?.iter().filter(|(_, a)| same(a)).map(|(item, _)| *item).collect();
    if items.is_empty() {
        return Err(Reason::NotRegistered.into());
    }
    wipe(state, uid, &items)?;
    info!(vultus_uid = uid, vultus_service = service; "an account's key was wiped");
    Ok(())
}
