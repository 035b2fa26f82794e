//! The camera process: it talks to the hardware, decodes what comes from it and seals raw frames for
//! the vault. Its one asset is the key that signs them; it knows no user, no template and no TPM.
//!
//! [`server`] speaks to the vault, [`source`] is what it needs of a camera, [`v4l2`] is the kernel's.
//! [`record`] is of another program, `vultus-record`, with which people record themselves to measure.

pub mod convert;
pub mod keyring;
pub mod record;
pub mod server;
pub mod source;
pub mod v4l2;
