//! The part of the demo that needs a server: enrolment, the ceremonies of a shop, and what is refused. Each
//! function is one step, and gives the detail that is told of it.

use std::error::Error;
use std::path::Path;

use serde_json::json;
use vultus_protocol::api::to_text;

use crate::backend::{AUTHENTICATIONS, Backend, Https, last_refusal};
use crate::browser::Browser;
use crate::device::{self, HERSELF, Order, STRANGER, perform, said, shop};
use crate::machine::Machine;
use crate::process::Finished;
use crate::server::{Plan, SHOP, Server, accepted};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SERVER: &str = "auth.example";

/// A server with its shop, and the machine whose owner deals with it.
pub struct Stage<'a> {
    machine: &'a Machine,
    server: Server,
    /// What the server calls the device.
    identity: String,
}

impl<'a> Stage<'a> {
    pub fn server_up(machine: &'a Machine) -> Result<(Self, String)> {
        let plan = Plan::new(SERVER, vec![machine.endorsement_roots()]);
        let server = Server::start(machine.path("server"), plan)?;
        let detail = format!("{SERVER} at {}, the shop {SHOP} at {}", server.api_url()?, server.shop_url()?);
        Ok((Self { machine, server, identity: String::new() }, detail))
    }

    pub fn device_enrolled(&mut self) -> Result<String> {
        self.identity = device::enrol_device(self.machine, &self.server)?;
        let devices = said(&self.server.admin(&["device", "show", &self.identity])?, 0)?;
        Ok(format!("device {}, TPM {}", self.identity, devices["devices"][0]["tpm_vendor"]))
    }

    pub fn registered(&self) -> Result<String> {
        self.machine.play(HERSELF)?;
        let told = said(&self.at_shop(&["register", "alice"])?, 0)?;
        let confirmed = device::accounts(self.machine)?.iter().any(|account| account.confirmed);
        if !confirmed {
            return Err("the receipt did not reach the device".into());
        }
        Ok(format!("{} as {}; the receipt is on the device", told["result"], told["account"]))
    }

    pub fn authenticated(&self) -> Result<String> {
        let told = said(&self.at_shop(&["authenticate"])?, 0)?;
        Ok(format!("{} as {}, found by the device alone", told["result"], told["account"]))
    }

    pub fn paid(&self) -> Result<String> {
        let payment = ["pay", "alice", "--amount", "12.34", "--to", "Bob's Books"];
        let declined = said(&shop(self.machine, &self.server, &payment, "n\n")?, 1)?;
        if declined["signed"] != json!(false) {
            return Err("it was signed without consent".into());
        }
        let done = self.at_shop(&[&payment[..], &["--yes"]].concat())?;
        said(&done, 0)?;
        let shown = done.err.lines().find_map(|line| line.strip_prefix("| "));
        let shown = shown.filter(|line| line.starts_with("Pay ")).ok_or("nothing was shown")?;
        Ok(format!("shown and signed: {shown:?}; declined first: {}", declined["result"]))
    }

    pub fn stranger(&self) -> Result<String> {
        self.machine.play(STRANGER)?;
        let told = said(&self.at_shop(&["authenticate", "alice"])?, 1)?;
        self.machine.play(HERSELF)?;
        if told["result"] != json!("verify-no-match") || told["signed"] != json!(false) {
            return Err(told.to_string().into());
        }
        Ok("verify-no-match, and no packet left the device".to_owned())
    }

    /// Somebody else brings Alice's packet to the server before her shop does.
    pub fn replayed(&self) -> Result<String> {
        let https = Https::new(&self.server.ca())?;
        let login = format!("{}/api/login", self.server.shop_url()?);
        let towards = device::towards(self.machine, &self.server, SHOP)?;
        let opened =
            https.post(&login, None, &json!({ "device": towards, "account": "alice" }))?.accepted()?;
        let signed = perform(self.machine, "alice", Order::Authenticate(&opened.packet()?))?.signed()?;
        let ceremony = opened.text("ceremony");
        Backend::of(&self.server, SHOP)?.complete(AUTHENTICATIONS, ceremony, &signed)?.accepted()?;
        let body = json!({ "packet": to_text(&signed) });
        let told = https.post(&format!("{login}/{ceremony}"), None, &body)?;
        let reason = last_refusal(&self.server)?;
        if (told.status, reason.as_str()) != (409, "code-used") {
            return Err(format!("{told:?}, {reason}").into());
        }
        Ok(format!("{reason}; the application is told: {}", told.text("advice")))
    }

    pub fn revoked(&self) -> Result<String> {
        accepted(&self.server.admin(&["device", "revoke", &self.identity])?)?;
        let told = said(&self.at_shop(&["authenticate", "alice"])?, 1)?;
        let reason = last_refusal(&self.server)?;
        if told["signed"] != json!(false) || reason != "device-revoked" {
            return Err(format!("{told}, {reason}").into());
        }
        Ok(format!("{reason}; nothing was signed"))
    }

    pub fn page(&self, folder: &Path) -> Result<String> {
        let browser = Browser::new(self.machine.path("browser"), &self.server.ca())?;
        let url = self.server.shop_url()?;
        let document = browser.document(&url)?;
        for words in ["payment agreed to by face", "refused: code-used", "refused: device-revoked"] {
            if !document.contains(words) {
                return Err(format!("no {words:?} on the page").into());
            }
        }
        let picture = folder.join("relying-party.png");
        browser.picture(&url, &picture)?;
        Ok(picture.display().to_string())
    }

    pub fn audited(&self) -> Result<String> {
        let told = said(&self.server.verify_audit()?, 0)?;
        let chains = told["report"]["instances"].as_array().ok_or("no chains")?;
        let rows: u64 = chains.iter().filter_map(|chain| chain["rows"].as_u64()).sum();
        Ok(format!("{rows} decisions in {} chains", chains.len()))
    }

    fn at_shop(&self, action: &[&str]) -> Result<Finished> {
        shop(self.machine, &self.server, action, "")
    }
}
