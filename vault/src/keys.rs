//! The state key: thirty-two bytes that the TPM gives back for one operation, and the sealing of rows
//! under it. Without the TPM there are no rows to read, and none are touched.
//!
//! Threat model: M20.

use std::sync::{Mutex, PoisonError};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use minicbor::{CborLen, Decode, Encode};
use vultus_tpm::Tpm;
use zeroize::{Zeroize, Zeroizing};

use crate::lockout::Counter;
use crate::records::{CameraPairing, Kind, Past, RowName, Template, VERSION, from_bytes, to_bytes};
use crate::store::{Change, SealedRow, Store};
use crate::{VaultError, random};

const NONCE: usize = 12;

/// The state with its key at the TPM.
pub struct Keys {
    pub tpm: Tpm,
    /// The registers of a new key's policy.
    pub registers: Vec<u8>,
    pub store: Store,
    /// Held while a first key is made, so that two operations do not make two.
    pub making: Mutex<()>,
}

impl Keys {
    pub fn new(tpm: Tpm, registers: Vec<u8>, store: Store) -> Self {
        Self { tpm, registers, store, making: Mutex::new(()) }
    }

    /// Asks the TPM for the state key, for one operation.
    pub fn open(&self) -> Result<OpenState<'_>, VaultError> {
        let key = match self.store.state_key()? {
            Some(sealed) => self.tpm.unseal(&sealed)?,
            None => self.make()?,
        };
        Ok(OpenState { store: &self.store, cipher: Aes256Gcm::new((&*key).into()) })
    }

    /// The first state key, or the one that another operation has made in the meantime.
    fn make(&self) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sealed) = self.store.state_key()? {
            return Ok(self.tpm.unseal(&sealed)?);
        }
        let fresh = Zeroizing::new(random::<32>()?);
        self.store.keep_state_key(&self.tpm.seal(&fresh, &self.registers)?)?;
        Ok(fresh)
    }
}

/// The state while its key is at hand. The key is wiped when this is dropped.
pub struct OpenState<'a> {
    store: &'a Store,
    cipher: Aes256Gcm,
}

impl OpenState<'_> {
    /// The faces of one user, by number.
    pub fn templates(&self, uid: u32) -> Result<Vec<(u32, Template)>, VaultError> {
        let rows = self.store.list(Kind::Template, uid)?;
        rows.into_iter()
            .map(|row| {
                let face = u32::try_from(row.name.item).map_err(|_| VaultError::Altered)?;
                Ok((face, Template::from_bytes(&self.open_row(row)?)?))
            })
            .collect()
    }

    /// A user's failures. Faces without a counter mean that somebody removed it.
    pub fn counter(&self, uid: u32) -> Result<Counter, VaultError> {
        match self.store.get(RowName::new(Kind::Counter, uid, 0))? {
            Some(row) => from_bytes(&self.open_row(row)?),
            None if self.store.list(Kind::Template, uid)?.is_empty() => Ok(Counter::default()),
            None => Err(VaultError::Altered),
        }
    }

    pub fn put_counter(&self, uid: u32, counter: &Counter) -> Result<(), VaultError> {
        let row = self.seal_row(RowName::new(Kind::Counter, uid, 0), to_bytes(counter)?)?;
        self.store.change(&[Change::Put(row)])
    }

    /// What a user's attempts showed. Faces without it mean that somebody removed it.
    pub fn past(&self, uid: u32) -> Result<Past, VaultError> {
        match self.store.get(past_row(uid))? {
            Some(row) => Past::from_bytes(&self.open_row(row)?),
            None if self.store.list(Kind::Template, uid)?.is_empty() => Past::empty(),
            None => Err(VaultError::Altered),
        }
    }

    pub fn put_past(&self, uid: u32, past: &Past) -> Result<(), VaultError> {
        let row = self.seal_row(past_row(uid), past.to_bytes()?)?;
        self.store.change(&[Change::Put(row)])
    }

    /// Keeps a new face, and the counter and the past that belong to it.
    pub fn put_template(&self, uid: u32, face: u32, template: &Template) -> Result<(), VaultError> {
        let (counter, past) = (self.counter(uid)?, self.past(uid)?);
        let rows = [
            self.seal_row(RowName::new(Kind::Counter, uid, 0), to_bytes(&counter)?)?,
            self.seal_row(past_row(uid), past.to_bytes()?)?,
            self.seal_row(RowName::new(Kind::Template, uid, face), template.to_bytes()?)?,
        ];
        self.store.change(&rows.map(Change::Put))
    }

    /// Deletes faces, and with any of them all that attempts showed: that is not told apart by face.
    pub fn delete_templates(&self, uid: u32, faces: &[u32]) -> Result<(), VaultError> {
        let deleted = |row: &SealedRow| faces.iter().any(|face| i64::from(*face) == row.name.item);
        let none_left = self.store.list(Kind::Template, uid)?.iter().all(deleted);
        let mut changes: Vec<Change> =
            faces.iter().map(|&face| Change::Delete(RowName::new(Kind::Template, uid, face))).collect();
        changes.push(if none_left {
            Change::Delete(past_row(uid))
        } else {
            // The faces that are left need one.
            Change::Put(self.seal_row(past_row(uid), Past::empty()?.to_bytes()?)?)
        });
        self.store.change(&changes)?;
        self.store.scrub()
    }

    /// The paired cameras.
    pub fn cameras(&self) -> Result<Vec<CameraPairing>, VaultError> {
        let rows = self.store.list(Kind::Camera, 0)?;
        rows.into_iter().map(|row| CameraPairing::from_bytes(&self.open_row(row)?)).collect()
    }

    /// Keeps a pairing in place of an older one of the same camera.
    pub fn put_camera(&self, pairing: &CameraPairing) -> Result<(), VaultError> {
        let taken = self.camera_items()?;
        let known = taken.iter().find(|(_, id)| *id == pairing.id).map(|(item, _)| *item);
        let item = known.unwrap_or_else(|| first_free(taken.iter().map(|(item, _)| *item)));
        let row = self.seal_row(RowName::new(Kind::Camera, 0, item), pairing.to_bytes()?)?;
        self.store.change(&[Change::Put(row)])
    }

    /// Whether there was such a camera.
    pub fn forget_camera(&self, id: &str) -> Result<Option<()>, VaultError> {
        let found = self.camera_items()?.into_iter().find(|(_, known)| known == id);
        let Some((item, _)) = found else {
            return Ok(None);
        };
        self.store.change(&[Change::Delete(RowName::new(Kind::Camera, 0, item))])?;
        self.store.scrub()?;
        Ok(Some(()))
    }

    /// One record of a kind that has no method of its own.
    pub fn record<T: for<'b> Decode<'b, ()>>(&self, name: RowName) -> Result<Option<T>, VaultError> {
        let row = self.store.get(name)?;
        row.map(|row| from_bytes(&self.open_row(row)?)).transpose()
    }

    /// All such records of one owner, by item.
    pub fn records<T: for<'b> Decode<'b, ()>>(
        &self,
        kind: Kind,
        uid: u32,
    ) -> Result<Vec<(u32, T)>, VaultError> {
        let rows = self.store.list(kind, uid)?;
        rows.into_iter()
            .map(|row| {
                let item = u32::try_from(row.name.item).map_err(|_| VaultError::Altered)?;
                Ok((item, from_bytes(&self.open_row(row)?)?))
            })
            .collect()
    }

    /// Keeps one such record and deletes others, all or nothing. What was deleted is overwritten.
    pub fn replace<T: Encode<()> + CborLen<()>>(
        &self,
        keep: Option<(RowName, &T)>,
        delete: &[RowName],
    ) -> Result<(), VaultError> {
        let mut changes: Vec<Change> = delete.iter().copied().map(Change::Delete).collect();
        if let Some((name, value)) = keep {
            changes.push(Change::Put(self.seal_row(name, to_bytes(value)?)?));
        }
        self.store.change(&changes)?;
        if delete.is_empty() { Ok(()) } else { self.store.scrub() }
    }

    fn camera_items(&self) -> Result<Vec<(u32, String)>, VaultError> {
        let rows = self.store.list(Kind::Camera, 0)?;
        rows.into_iter()
            .map(|row| {
                let item = u32::try_from(row.name.item).map_err(|_| VaultError::Altered)?;
                Ok((item, CameraPairing::from_bytes(&self.open_row(row)?)?.id))
            })
            .collect()
    }

    fn seal_row(&self, name: RowName, mut content: Zeroizing<Vec<u8>>) -> Result<SealedRow, VaultError> {
        let nonce: [u8; NONCE] = random()?;
        let associated = associated(name, VERSION)?;
        let mut bytes = std::mem::take(&mut *content);
        let sealed = self.cipher.encrypt_in_place(&Nonce::from(nonce), &associated, &mut bytes);
        if sealed.is_err() {
            bytes.zeroize();
            return Err(VaultError::Altered);
        }
        Ok(SealedRow { name, version: VERSION, content: [&nonce, bytes.as_slice()].concat() })
    }

    fn open_row(&self, row: SealedRow) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let SealedRow { name, version, mut content } = row;
        if version != VERSION || content.len() < NONCE {
            return Err(VaultError::Altered);
        }
        let mut bytes = Zeroizing::new(content.split_off(NONCE));
        let nonce: [u8; NONCE] = content.try_into().map_err(|_| VaultError::Altered)?;
        self.cipher
            .decrypt_in_place(&Nonce::from(nonce), &associated(name, version)?, &mut *bytes)
            .map_err(|_| VaultError::Altered)?;
        Ok(bytes)
    }
}

#[cfg(test)]
impl<'a> OpenState<'a> {
    /// Under a key that no TPM keeps.
    pub fn under(store: &'a Store, key: &[u8; 32]) -> Self {
        Self { store, cipher: Aes256Gcm::new(key.into()) }
    }
}

fn past_row(uid: u32) -> RowName {
    RowName::new(Kind::Past, uid, 0)
}

/// What a row is authenticated with.
fn associated(name: RowName, version: i64) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    to_bytes(&("vultus vault row", name, version))
}

/// The smallest number that is not taken.
pub fn first_free(taken: impl Iterator<Item = u32>) -> u32 {
    let mut taken: Vec<u32> = taken.collect();
    taken.sort_unstable();
    taken.iter().zip(0..).find(|&(&t, free)| t != free).map_or(taken.len() as u32, |(_, free)| free)
}

#[cfg(test)]
mod tests {
    use super::first_free;

    #[test]
    fn the_smallest_free_number() {
        assert_eq!(first_free([].into_iter()), 0);
        assert_eq!(first_free([2, 0, 1].into_iter()), 3);
        assert_eq!(first_free([3, 0].into_iter()), 1);
        assert_eq!(first_free([1].into_iter()), 0);
    }
}
