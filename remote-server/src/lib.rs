//! The other end of Vultus: an authentication server that runs ceremonies with devices for relying parties, a
//! registry of devices, and a sample relying party. It believes nothing that it has not verified itself, by
//! a signature over bytes that `vultus_protocol` defines.
//!
//! ```text
//! http (TLS, limits, who asks) → ceremonies → attestation (what a TPM said)
//!                                    │      → registry (where devices are)
//!                                    │      → keys (what the server signs and opens)
//!                                    └──────→ store (SQLite, PostgreSQL) → audit (hash chain)
//! relying_party → http, as any other client
//! admin, initialise → store, keys
//! ```
#![forbid(unsafe_code)]

pub mod admin;
pub mod attestation;
pub mod audit;
pub mod ceremonies;
pub mod clock;
pub mod configuration;
pub mod guarded;
pub mod http;
pub mod initialise;
pub mod keys;
pub mod limits;
pub mod metrics;
pub mod registry;
pub mod relying_party;
pub mod store;
