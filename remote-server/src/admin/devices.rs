//! Devices of the registry: shows them, and says which count. It shows neither their keys nor the secret
//! that their pairwise identities follow from, and what is revoked stays so.

use clap::Subcommand;
use serde_json::{Value, json};
use vultus_protocol::DeviceIdentity;

use super::{Desk, Error, Outcome, device_identity, table};
use crate::store::Event;
use crate::store::model::{Device, DeviceStatus};

#[derive(Subcommand)]
pub enum Action {
    /// List devices, the newest first.
    List {
        #[arg(long, default_value_t = 1000)]
        limit: u32,
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
    /// Show one device.
    Show {
        #[arg(value_parser = device_identity)]
        identity: DeviceIdentity,
    },
    /// Refuse a device until it is resumed.
    Suspend {
        #[arg(value_parser = device_identity)]
        identity: DeviceIdentity,
    },
    /// Let a suspended device take part again.
    Resume {
        #[arg(value_parser = device_identity)]
        identity: DeviceIdentity,
    },
    /// Refuse a device and its TPM for good.
    Revoke {
        #[arg(value_parser = device_identity)]
        identity: DeviceIdentity,
    },
}

pub async fn carry_out(desk: &Desk, action: Action) -> Result<Outcome, Error> {
    match action {
        Action::List { limit, offset } => {
            let devices = desk.store.devices(limit.into(), offset.into()).await?;
            Ok(listed(&devices))
        }
        Action::Show { identity } => show(desk, &identity).await,
        Action::Suspend { identity } => {
            set(desk, &identity, DeviceStatus::Suspended, "device-suspended").await
        }
        Action::Resume { identity } => set(desk, &identity, DeviceStatus::Active, "device-resumed").await,
        Action::Revoke { identity } => set(desk, &identity, DeviceStatus::Revoked, "device-revoked").await,
    }
}

async fn show(desk: &Desk, identity: &DeviceIdentity) -> Result<Outcome, Error> {
    match desk.store.device(identity).await? {
        Some(device) => Ok(listed(&[device])),
        None => Ok(Outcome::refused("there is no such device")),
    }
}

async fn set(
    desk: &Desk,
    identity: &DeviceIdentity,
    status: DeviceStatus,
    what: &'static str,
) -> Result<Outcome, Error> {
    let now = desk.clock.now();
    let event = Event { device: Some(identity.to_text()), ..desk.event(what, None) };
    let changed = desk.store.set_device_status(identity, status, now, event).await?;
    match desk.store.device(identity).await? {
        Some(device) if changed || device.status == status => Ok(listed(&[device])),
        Some(device) => Ok(Outcome::refused(&format!("the device is {}: that is final", device.status))),
        None => Ok(Outcome::refused("there is no such device")),
    }
}

fn listed(devices: &[Device]) -> Outcome {
    let row = |device: &Device| {
        vec![
            device.identity.to_text(),
            device.status.to_string(),
            device.tpm_vendor.clone(),
            device.manufacturer.to_string(),
            device.model.to_string(),
            device.enrolled_at.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = devices.iter().map(row).collect();
    let text = table(&["device", "status", "TPM", "manufacturer", "model", "enrolled at"], &rows);
    let objects: Vec<Value> = devices.iter().map(object).collect();
    Outcome::done(text, json!({ "ok": true, "devices": objects }))
}

fn object(device: &Device) -> Value {
    json!({
        "identity": device.identity.to_text(),
        "status": device.status.word(),
        "tpm_vendor": device.tpm_vendor,
        "manufacturer_self_asserted": device.manufacturer.as_str(),
        "model_self_asserted": device.model.as_str(),
        "key": device.public_key.id().to_string(),
        "enrolled_at": device.enrolled_at,
    })
}
