//! The module's arguments, which only root can write: where to ask, who may answer and how long to
//! wait. An argument that is not understood makes the module unavailable.

use std::ffi::CStr;
use std::path::PathBuf;
use std::time::Duration;

use vultus_ipc::Uid;

/// The user of the vault in the packaged installation, by name.
const VAULT_USER: &str = "vultus-vault";
const SOCKET: &str = "/run/vultus/login.sock";
const WAIT: Duration = Duration::from_secs(20);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub struct Arguments {
    /// `socket=PATH`
    pub socket: PathBuf,
    /// `vault_uid=NUMBER`: whose word counts.
    pub vault: Uid,
    /// `timeout=SECONDS`: for everything.
    pub wait: Duration,
}

impl Arguments {
    pub fn parse(arguments: &[&CStr]) -> Option<Self> {
        let (mut socket, mut vault, mut wait) = (PathBuf::from(SOCKET), None, WAIT);
        for argument in arguments {
            let (key, value) = argument.to_str().ok()?.split_once('=')?;
            match key {
                "socket" if value.starts_with('/') => socket = PathBuf::from(value),
                "vault_uid" => vault = Some(Uid(value.parse().ok()?)),
                "timeout" => wait = Duration::from_secs(value.parse().ok()?),
                _ => return None,
            }
        }
        let vault = match vault {
            Some(uid) => uid,
            None => Uid(nix::unistd::User::from_name(VAULT_USER).ok()??.uid.as_raw()),
        };
        (wait <= LONGEST_WAIT).then_some(Self { socket, vault, wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_arguments_are_taken() {
        let parsed = Arguments::parse(&[c"socket=/x", c"vault_uid=7", c"timeout=3"]).unwrap();
        assert_eq!((parsed.socket, parsed.vault.0, parsed.wait.as_secs()), ("/x".into(), 7, 3));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [c"socket=relative", c"vault_uid=-1", c"vault_uid=", c"timeout=61", c"debug", c"x=1"] {
            assert!(Arguments::parse(&[c"vault_uid=7", bad]).is_none(), "{bad:?}");
        }
    }
}
