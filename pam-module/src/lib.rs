//! `pam_vultus.so`: asks one question and maps one answer to one PAM code. It starts no thread, reads
//! no environment and leaves no descriptor behind; it never says `PAM_IGNORE`.
//!
//! Threat model: M30.
#![deny(unsafe_code)]

mod arguments;
mod question;

use std::ffi::CStr;

use pam::constants::{PAM_TEXT_INFO, PamFlag, PamResultCode};
use pam::conv::Conv;
use pam::items::{RHost, Service};
use pam::module::{PamHandle, PamHooks};
use vultus_ipc::login::never_by_face;

use crate::arguments::Arguments;
use crate::question::{Answer, ask};

struct PamVultus;

// The entry points that libpam calls are foreign functions with exported names.
#[allow(unsafe_code)]
mod entry {
    use super::PamVultus;
    pam::pam_hooks!(PamVultus);
}

impl PamHooks for PamVultus {
    fn sm_authenticate(handle: &mut PamHandle, arguments: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        silence_panics();
        match authenticate(handle, &arguments, flags) {
            // The one place that lets somebody in.
            Answer::Accepted => PamResultCode::PAM_SUCCESS,
            Answer::Refused => PamResultCode::PAM_AUTH_ERR,
            Answer::TooMany => PamResultCode::PAM_MAXTRIES,
            Answer::Unavailable => PamResultCode::PAM_AUTHINFO_UNAVAIL,
        }
    }

    /// A face brings no credentials: there is nothing to set, and that succeeds.
    fn sm_setcred(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SUCCESS
    }

    /// Whether an account may be used is for others to say: alone in a stack, this refuses.
    fn acct_mgmt(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_PERM_DENIED
    }

    fn sm_open_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SESSION_ERR
    }

    fn sm_close_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SESSION_ERR
    }

    /// A face is not changed here.
    fn sm_chauthtok(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_AUTHTOK_ERR
    }
}

/// A panic ends in `PAM_ABORT`; its default message would go to the user's terminal.
fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

/// Everything that cannot be checked makes the face unavailable, and the stack goes on.
fn authenticate(handle: &mut PamHandle, arguments: &[&CStr], flags: PamFlag) -> Answer {
    let Some(arguments) = Arguments::parse(arguments) else {
        return Answer::Unavailable;
    };
    let Some((service, uid)) = who(handle) else {
        return Answer::Unavailable;
    };
    let quiet = flags & pam::constants::PAM_SILENT != 0;
    let conversation = if quiet { None } else { handle.get_item::<Conv<'_>>().ok().flatten() };
    ask(&arguments, uid, service, |text| {
        if let Some(conversation) = &conversation {
            // An application that shows nothing is no reason to refuse.
            let _ = conversation.send(PAM_TEXT_INFO, text);
        }
    })
}

/// The service and the user's number, where this is a local login of somebody known.
fn who(handle: &mut PamHandle) -> Option<(String, u32)> {
    // A remote person is not in front of this camera.
    match handle.get_item::<RHost<'_>>() {
        Ok(None) => {}
        Ok(Some(host)) if host.0.is_empty() => {}
        _ => return None,
    }
    let service = handle.get_item::<Service<'_>>().ok()??.0.to_str().ok()?.to_owned();
    if never_by_face(&service) {
        return None;
    }
    let name = handle.get_user(None).ok()?;
    let user = nix::unistd::User::from_name(&name).ok()??;
    Some((service, user.uid.as_raw()))
}
