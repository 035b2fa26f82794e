//! The normal area: callers, policy, sessions. It holds no camera, no TPM, no template and no network, and
//! what it says is not evidence to the vault.
//!
//! ```text
//! bus/ (manager, remote, camera) → authorisation → claims → vault_client → vultus-vault
//! login  (PAM)                   → logind        → hands the connection on
//! ```

pub mod authorisation;
pub mod bus;
pub mod claims;
pub mod configuration;
pub mod hardware;
pub mod login;
pub mod logind;
pub mod vault_client;
