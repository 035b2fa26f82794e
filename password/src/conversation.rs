//! Carries PAM's questions to the person's program, and the answers back. Answers are wiped once PAM
//! has its copy.

use std::ffi::{CStr, CString};

use pam_client2::{ConversationHandler, ErrorCode};
use vultus_ipc::password::{Echo, PasswordReply, PasswordRequest};
use vultus_ipc::{Connection, Deadline};
use zeroize::Zeroizing;

/// The person at the other end of a connection.
pub struct Remote<'a> {
    pub connection: &'a mut Connection,
    pub deadline: Deadline,
}

/// What PAM says may be longer than a message can be.
const MOST_TEXT: usize = 512;

impl Remote<'_> {
    fn ask(&mut self, prompt: &CStr, echo: Echo) -> Result<CString, ErrorCode> {
        let question = PasswordReply::Ask { text: text(prompt), echo };
        self.connection.send(&question, self.deadline).map_err(|_| ErrorCode::CONV_ERR)?;
        match self.connection.receive(self.deadline) {
            Ok(PasswordRequest::Answer(answer)) => {
                let answer = Zeroizing::new(answer);
                CString::new(answer.as_str()).map_err(|_| ErrorCode::CONV_ERR)
            }
            _ => Err(ErrorCode::CONV_ERR),
        }
    }

    fn tell(&mut self, message: &CStr) {
        // A person who hung up fails at the next question.
        let _ = self.connection.send(&PasswordReply::Tell(text(message)), self.deadline);
    }
}

fn text(message: &CStr) -> String {
    message.to_string_lossy().chars().filter(|c| !c.is_control()).take(MOST_TEXT / 4).collect()
}

impl ConversationHandler for Remote<'_> {
    fn prompt_echo_on(&mut self, prompt: &CStr) -> Result<CString, ErrorCode> {
        self.ask(prompt, Echo::Shown)
    }

    fn prompt_echo_off(&mut self, prompt: &CStr) -> Result<CString, ErrorCode> {
        self.ask(prompt, Echo::Hidden)
    }

    fn text_info(&mut self, message: &CStr) {
        self.tell(message);
    }

    fn error_msg(&mut self, message: &CStr) {
        self.tell(message);
    }
}
