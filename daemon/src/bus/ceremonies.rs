//! What a ceremony asks of the vault, and what is refused before the vault is asked. Packets are opaque
//! here: no signature is checked, and nothing in them is believed.

use log::info;
use vultus_ipc::vault::{Ceremony, PACKET_LENGTH, VaultRequest};
use zbus::Connection;
use zbus::message::Header;

use crate::bus::camera::Camera;
use crate::bus::error::Error;
use crate::claims::Operation;

/// The longest name of a server, a service, an account or an audience that is passed on, in bytes. The
/// vault has bounds of its own for each.
const NAME_LENGTH: usize = 128;
/// The longest text of a transaction, in bytes: as the vault takes it.
const TEXT_LENGTH: usize = 512;
/// The nonce of an assertion, in bytes: as the vault takes it.
const NONCE_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

impl Camera {
    /// Verifies the claimed user, and has the vault answer a packet.
    pub(super) async fn perform(
        &self,
        ceremony: Ceremony,
        packet: Vec<u8>,
        bus: &Connection,
        header: &Header<'_>,
    ) -> Result<(), Error> {
        let (caller, uid, screen) = self.sitter(bus, header).await?;
        // The receipt is taken from the user whose account it is: nobody else's registration could be finished.
        if ceremony != Ceremony::Authentication && caller.uid.0 != uid {
            return Err(Error::PermissionDenied("an account is registered by its own user".into()));
        }
        let packet = checked_packet(packet)?.into();
        let wait_ms = self.shared.configuration.ceremony_ms;
        let camera = Some(self.record.id.clone());
        let request = VaultRequest::Perform { uid, ceremony, packet, camera, wait_ms, screen };
        info!(vultus_uid = uid, vultus_caller = caller.name.as_str(); "{} begins", noun(ceremony));
        self.start(bus, &caller.name, Operation::Ceremony, request, wait_ms).await
    }

    /// Verifies the claimed user, and has the vault sign an assertion of it.
    pub(super) async fn assert(
        &self,
        nonce: Vec<u8>,
        audience: String,
        bus: &Connection,
        header: &Header<'_>,
    ) -> Result<(), Error> {
        let (caller, uid, screen) = self.sitter(bus, header).await?;
        checked_audience(&audience)?;
        if !NONCE_LENGTHS.contains(&nonce.len()) {
            return Err(Error::InvalidArgument("a nonce has 16 to 64 bytes".into()));
        }
        let wait_ms = self.shared.configuration.ceremony_ms;
        let (nonce, camera) = (nonce.into(), Some(self.record.id.clone()));
        info!(vultus_uid = uid, vultus_caller = caller.name.as_str(); "verification for an assertion begins");
        let request = VaultRequest::Assert { uid, audience, nonce, camera, wait_ms, screen };
        self.start(bus, &caller.name, Operation::Ceremony, request, wait_ms).await
    }
}

/// A packet that the vault's boundary takes.
pub(super) fn checked_packet(packet: Vec<u8>) -> Result<Vec<u8>, Error> {
    if packet.len() > PACKET_LENGTH {
        return Err(Error::InvalidArgument(format!("a packet has at most {PACKET_LENGTH} bytes")));
    }
    Ok(packet)
}

/// Names that the vault's boundary takes.
pub(super) fn checked_names(names: &[&str]) -> Result<(), Error> {
    if names.iter().any(|name| name.is_empty() || name.len() > NAME_LENGTH) {
        return Err(Error::InvalidArgument(format!("a name has 1 to {NAME_LENGTH} bytes")));
    }
    Ok(())
}

/// A text that a transaction may have.
pub(super) fn checked_text(text: &str) -> Result<(), Error> {
    if text.is_empty() || text.len() > TEXT_LENGTH {
        return Err(Error::InvalidArgument(format!("a transaction has 1 to {TEXT_LENGTH} bytes")));
    }
    Ok(())
}

/// As the vault takes it.
pub(super) fn checked_audience(audience: &str) -> Result<(), Error> {
    checked_names(&[audience])?;
    if !audience.chars().all(|c| c.is_ascii_graphic()) {
        return Err(Error::InvalidArgument("an audience is of visible ASCII characters".into()));
    }
    Ok(())
}

fn noun(ceremony: Ceremony) -> &'static str {
    match ceremony {
        Ceremony::Registration => "registration",
        Ceremony::Authentication => "authentication",
        Ceremony::Deregistration => "deregistration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_not_passed_on() {
        assert!(checked_packet(vec![0; PACKET_LENGTH]).is_ok());
        assert!(checked_packet(vec![0; PACKET_LENGTH + 1]).is_err());
        assert!(checked_names(&["a", &"a".repeat(NAME_LENGTH)]).is_ok());
        assert!(checked_text(&"a".repeat(TEXT_LENGTH)).is_ok());
        assert!(checked_text("").is_err() && checked_text(&"a".repeat(TEXT_LENGTH + 1)).is_err());
        assert!(checked_names(&["a", ""]).is_err());
        assert!(checked_names(&["a", &"a".repeat(NAME_LENGTH + 1)]).is_err());
        assert!(checked_audience("org.example.App").is_ok());
        for bad in ["", "a b", "a\n", "ä"] {
            assert!(checked_audience(bad).is_err(), "{bad:?}");
        }
    }
}
