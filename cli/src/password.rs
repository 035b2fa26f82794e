//! A person's conversation with `vultus-password`, which ends in a ticket at the vault.
//!
//! Threat model: M13.

use std::path::Path;
use std::time::Duration;

use vultus_ipc::password::{Echo, PasswordRefusal, PasswordReply, PasswordRequest};
use vultus_ipc::vault::Action;
use vultus_ipc::{Connection, Deadline, IpcError, Uid};
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("the password service does not answer: {0}")]
    Ipc(#[from] IpcError),
    #[error("{0}")]
    Refused(PasswordRefusal),
    #[error("nothing could be read from the terminal: {0}")]
    Terminal(#[from] std::io::Error),
    #[error("the password service broke its protocol")]
    Protocol,
}

/// Redeems a ticket for one action of one user. The service must be root's: nobody else is told a
/// password. `answer` is asked for what the person types.
pub fn redeem(
    socket: &Path,
    service: Uid,
    (uid, action, nonce): (u32, Action, [u8; 32]),
    mut answer: impl FnMut(&str, Echo) -> std::io::Result<Zeroizing<String>>,
) -> Result<(), PasswordError> {
    let deadline = Deadline::after(PATIENCE);
    let mut connection = Connection::connect(socket, deadline)?;
    connection.send(&PasswordRequest::Begin { uid, action, nonce: nonce.into() }, deadline)?;
    loop {
        match connection.receive_from(service, deadline)? {
            PasswordReply::Ask { text, echo } => {
                let typed = answer(&text, echo)?;
                connection.send(&PasswordRequest::Answer(typed.to_string()), deadline)?;
            }
            PasswordReply::Tell(text) => eprintln!("{text}"),
            PasswordReply::Granted => return Ok(()),
            PasswordReply::Refused(refusal) => return Err(PasswordError::Refused(refusal)),
        }
    }
}

/// Asks at the terminal.
pub fn at_terminal(text: &str, echo: Echo) -> std::io::Result<Zeroizing<String>> {
    match echo {
        Echo::Hidden => rpassword::prompt_password(text).map(Zeroizing::new),
        Echo::Shown => {
            eprint!("{text}");
            from_stdin(text, echo)
        }
    }
}

/// Takes the next line of standard input.
pub fn from_stdin(_: &str, _: Echo) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line)?;
    Ok(Zeroizing::new(line.trim_end_matches('\n').to_owned()))
}
