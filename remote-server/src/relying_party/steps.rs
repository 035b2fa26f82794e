//! Which arrow of a ceremony belongs to which step of the seed (000, FIG. 2, 3 and 5, 6). It is a table: it
//! decides nothing, and never says that a step was taken.

use serde::Serialize;

use super::ceremonies::Kind;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    Device,
    Application,
    Shop,
    Server,
    Registry,
}

use Lane::{Application, Device, Registry, Server, Shop};

/// One arrow.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The seed's number; empty where the seed has none.
    pub number: &'static str,
    pub from: Lane,
    pub to: Lane,
    pub what: &'static str,
    /// Whether the shop sees it happen. The others follow from what reaches the shop.
    pub seen: bool,
}

/// The arrows of one ceremony, in their order.
pub struct Steps {
    pub asked: [Step; 2],
    pub asked_server: Step,
    pub opened: Step,
    pub handed_on: Step,
    pub came: [Step; 3],
    pub forwarded: Step,
    pub resolved: Step,
    pub answered: Step,
    pub told: Step,
}

pub fn of(kind: Kind) -> &'static Steps {
    match kind {
        Kind::Registration => &REGISTRATION,
        Kind::Authentication | Kind::Payment => &AUTHENTICATION,
        Kind::Deregistration => &DEREGISTRATION,
    }
}

const fn seen(number: &'static str, from: Lane, to: Lane, what: &'static str) -> Step {
    Step { number, from, to, what, seen: true }
}

const fn inferred(number: &'static str, from: Lane, to: Lane, what: &'static str) -> Step {
    Step { number, from, to, what, seen: false }
}

static REGISTRATION: Steps = Steps {
    asked: [
        inferred("210", Device, Application, "device information"),
        seen("220", Application, Shop, "registration information request"),
    ],
    asked_server: seen("220", Shop, Server, "registration information request"),
    opened: seen("310", Server, Shop, "information response, signed"),
    handed_on: seen("310", Shop, Application, "information response"),
    came: [
        inferred("230", Device, Device, "local verification"),
        inferred("240", Device, Application, "registration request made"),
        seen("250", Application, Shop, "registration request"),
    ],
    forwarded: seen("320", Shop, Server, "registration request"),
    resolved: inferred("320", Server, Registry, "device key and status"),
    answered: seen("330", Server, Shop, "stored; signed receipt"),
    told: seen("330", Shop, Application, "receipt, checked"),
};

static AUTHENTICATION: Steps = Steps {
    asked: [
        inferred("510", Device, Application, "device information"),
        seen("520", Application, Shop, "authentication information request"),
    ],
    asked_server: seen("520", Shop, Server, "authentication information request"),
    opened: seen("610", Server, Shop, "information response, signed"),
    handed_on: seen("610", Shop, Application, "information response"),
    came: [
        inferred("530", Device, Device, "local verification"),
        inferred("540", Device, Application, "authentication request made"),
        seen("550", Application, Shop, "authentication request"),
    ],
    forwarded: seen("620", Shop, Server, "authentication request"),
    resolved: inferred("620", Server, Registry, "device status"),
    answered: seen("630", Server, Shop, "verified; signed receipt"),
    told: seen("630", Shop, Application, "receipt, checked"),
};

static DEREGISTRATION: Steps = Steps {
    asked: [
        inferred("", Device, Application, "device information"),
        seen("", Application, Shop, "deregistration information request"),
    ],
    asked_server: seen("", Shop, Server, "deregistration information request"),
    opened: seen("", Server, Shop, "information response, signed"),
    handed_on: seen("", Shop, Application, "information response"),
    came: [
        inferred("", Device, Device, "local verification"),
        inferred("", Device, Application, "deregistration request made"),
        seen("", Application, Shop, "deregistration request"),
    ],
    forwarded: seen("", Shop, Server, "deregistration request"),
    resolved: inferred("", Server, Registry, "device status"),
    answered: seen("", Server, Shop, "forgotten; signed receipt"),
    told: seen("", Shop, Application, "receipt, checked"),
};
