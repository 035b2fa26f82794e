//! What stands in a message, field by field, with the numbers written out a second time: the vectors show
//! it, and a second encoder writes it.

use serde::Serialize;
use vultus_protocol::assertion::Assertion;
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::{AuthenticationInfo, Challenge, DeregistrationInfo, RegistrationInfo};
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::registration::{
    AuthenticationReceipt, DeregistrationReceipt, KeyCertification, Receipt, RegistrationReceipt,
    RegistrationRequest,
};
use vultus_protocol::server_keys::TimedKey;
use vultus_protocol::{BiometricType, Evidence, Liveness, Policy, ServerKeys, Spectrum, Window};

use super::hex;

/// A value, as the vectors show it. Bytes are hexadecimal digits.
#[derive(Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    Bytes(String),
    Text(String),
    Uint(u64),
    Map(Vec<Field>),
    Array(Vec<Node>),
}

#[derive(Clone, Serialize)]
pub struct Field {
    pub key: u8,
    pub name: &'static str,
    #[serde(flatten)]
    pub value: Node,
}

/// What a message says.
pub trait Described {
    /// In ascending order of their keys; an optional field that is absent is left out.
    fn fields(&self) -> Vec<Field>;
}

pub fn field(key: u8, name: &'static str, value: Node) -> Field {
    Field { key, name, value }
}

pub fn bytes(bytes: &[u8]) -> Node {
    Node::Bytes(hex(bytes))
}

pub fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

fn map(value: &impl Described) -> Node {
    Node::Map(value.fields())
}

fn array(values: &[impl Described]) -> Node {
    Node::Array(values.iter().map(map).collect())
}

fn biometric(biometric: BiometricType) -> Node {
    let BiometricType::Face = biometric;
    Node::Uint(1)
}

fn liveness(liveness: Liveness) -> Node {
    Node::Uint(match liveness {
        Liveness::None => 0,
        Liveness::Passive => 1,
        Liveness::Active => 2,
    })
}

fn spectrum(spectrum: Spectrum) -> Node {
    Node::Uint(match spectrum {
        Spectrum::Colour => 0,
        Spectrum::Grey => 1,
    })
}

/// A second encoder, from RFC 8949 alone: definite lengths, shortest heads, fields in the order given.
pub fn encoded(node: &Node) -> Vec<u8> {
    match node {
        Node::Uint(n) => head(0, *n),
        Node::Bytes(digits) => string(&unhex(digits)),
        Node::Text(text) => [head(3, text.len() as u64), text.as_bytes().to_vec()].concat(),
        Node::Array(nodes) => {
            let items: Vec<u8> = nodes.iter().flat_map(encoded).collect();
            [head(4, nodes.len() as u64), items].concat()
        }
        Node::Map(fields) => {
            let entry = |f: &Field| [head(0, f.key.into()), encoded(&f.value)].concat();
            let entries: Vec<u8> = fields.iter().flat_map(entry).collect();
            [head(5, fields.len() as u64), entries].concat()
        }
    }
}

/// A byte string.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

/// Major type and argument, in the shortest form.
pub fn head(major: u8, argument: u64) -> Vec<u8> {
    let first = |low: u8| major << 5 | low;
    match argument {
        0..24 => vec![first(argument as u8)],
        24..0x100 => vec![first(24), argument as u8],
        0x100..0x1_0000 => [&[first(25)][..], &(argument as u16).to_be_bytes()].concat(),
        0x1_0000..0x1_0000_0000 => [&[first(26)][..], &(argument as u32).to_be_bytes()].concat(),
        _ => [&[first(27)][..], &argument.to_be_bytes()].concat(),
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

impl Described for Window {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "issued_at", Node::Uint(self.issued_at)),
            field(2, "expires_at", Node::Uint(self.expires_at)),
        ]
    }
}

impl Described for Policy {
    fn fields(&self) -> Vec<Field> {
        vec![field(1, "biometric", biometric(self.biometric)), field(2, "liveness", liveness(self.liveness))]
    }
}

impl Described for Evidence {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "liveness", liveness(self.liveness)),
            field(2, "spectrum", spectrum(self.spectrum)),
            field(3, "software", text(self.software.as_str())),
        ]
    }
}

impl Described for KeyCertification {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "public", bytes(&self.public)),
            field(2, "attest", bytes(&self.attest)),
            field(3, "signature", bytes(&self.signature)),
        ]
    }
}

impl Described for TimedKey {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "key", bytes(self.key.as_bytes())),
            field(2, "not_before", Node::Uint(self.not_before)),
            field(3, "not_after", Node::Uint(self.not_after)),
        ]
    }
}

impl Described for ServerKeys {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "server", text(self.server.as_str())),
            field(2, "version", Node::Uint(self.version)),
            field(3, "signing", array(&self.signing)),
            field(4, "sealing", array(&self.sealing)),
        ]
    }
}

impl Described for EnrolmentRequest {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "server", text(self.server.as_str())),
            field(2, "device_key", bytes(self.device_key.as_bytes())),
            field(3, "device_public", bytes(&self.device_public)),
            field(4, "attestation_public", bytes(&self.attestation_public)),
            field(5, "endorsement_public", bytes(&self.endorsement_public)),
            field(6, "endorsement_certificate", bytes(&self.endorsement_certificate)),
            field(7, "manufacturer", text(self.manufacturer.as_str())),
            field(8, "model", text(self.model.as_str())),
            field(9, "at", Node::Uint(self.at)),
        ]
    }
}

impl Described for EnrolmentChallenge {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "enrolment", bytes(self.enrolment.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "device", bytes(self.device.as_bytes())),
            field(4, "id_object", bytes(&self.id_object)),
            field(5, "encrypted_secret", bytes(&self.encrypted_secret)),
            field(6, "nonce", bytes(&self.nonce[..])),
            field(7, "window", map(&self.window)),
        ]
    }
}

impl Described for EnrolmentProof {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "enrolment", bytes(self.enrolment.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "device", bytes(self.device.as_bytes())),
            field(4, "secret", bytes(&self.secret)),
            field(5, "certification", map(&self.certification)),
            field(6, "pairwise_secret", bytes(self.pairwise_secret.as_bytes())),
        ]
    }
}

impl Described for EnrolmentReceipt {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "enrolment", bytes(self.enrolment.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "device", bytes(self.device.as_bytes())),
            field(4, "at", Node::Uint(self.at)),
        ]
    }
}

impl Described for Challenge {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            field(1, "ceremony", bytes(self.ceremony.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "service", text(self.service.as_str())),
            field(4, "account", text(self.account.as_str())),
            field(5, "virtual_account", bytes(self.virtual_account.as_bytes())),
            field(6, "device", bytes(self.device.as_bytes())),
            field(7, "code", bytes(self.code.as_bytes())),
            field(8, "window", map(&self.window)),
            field(9, "policy", map(&self.policy)),
        ];
        fields.extend(self.transaction.as_ref().map(|t| field(10, "transaction", text(t.as_str()))));
        fields
    }
}

impl Described for RegistrationRequest {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "ceremony", bytes(self.ceremony.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "service", text(self.service.as_str())),
            field(4, "device", bytes(self.device.as_bytes())),
            field(5, "device_identity", bytes(self.device_identity.as_bytes())),
            field(6, "virtual_account", bytes(self.virtual_account.as_bytes())),
            field(7, "biometric", biometric(self.biometric)),
            field(8, "feature_token", bytes(self.feature_token.as_bytes())),
            field(9, "code", bytes(self.code.as_bytes())),
            field(10, "service_key", bytes(self.service_key.as_bytes())),
            field(11, "certification", map(&self.certification)),
            field(12, "evidence", map(&self.evidence)),
        ]
    }
}

impl Described for AuthenticationRequest {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            field(1, "ceremony", bytes(self.ceremony.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "service", text(self.service.as_str())),
            field(4, "device", bytes(self.device.as_bytes())),
            field(5, "virtual_account", bytes(self.virtual_account.as_bytes())),
            field(6, "biometric", biometric(self.biometric)),
            field(7, "feature_token", bytes(self.feature_token.as_bytes())),
            field(8, "code", bytes(self.code.as_bytes())),
        ];
        fields.extend(self.transaction.map(|t| field(9, "transaction", bytes(t.as_bytes()))));
        fields.push(field(10, "evidence", map(&self.evidence)));
        fields
    }
}

impl Described for DeregistrationRequest {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "ceremony", bytes(self.ceremony.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "service", text(self.service.as_str())),
            field(4, "device", bytes(self.device.as_bytes())),
            field(5, "virtual_account", bytes(self.virtual_account.as_bytes())),
            field(6, "code", bytes(self.code.as_bytes())),
        ]
    }
}

impl Described for Receipt {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            field(1, "ceremony", bytes(self.ceremony.as_bytes())),
            field(2, "server", text(self.server.as_str())),
            field(3, "service", text(self.service.as_str())),
            field(4, "account", text(self.account.as_str())),
            field(5, "virtual_account", bytes(self.virtual_account.as_bytes())),
            field(6, "device", bytes(self.device.as_bytes())),
            field(7, "biometric", biometric(self.biometric)),
            field(8, "at", Node::Uint(self.at)),
        ];
        fields.extend(self.transaction.map(|t| field(9, "transaction", bytes(t.as_bytes()))));
        fields
    }
}

impl Described for Assertion {
    fn fields(&self) -> Vec<Field> {
        vec![
            field(1, "audience", text(self.audience.as_str())),
            field(2, "nonce", bytes(&self.nonce)),
            field(3, "uid", Node::Uint(self.uid.into())),
            field(4, "biometric", biometric(self.biometric)),
            field(5, "at", Node::Uint(self.at)),
            field(6, "evidence", map(&self.evidence)),
        ]
    }
}

/// Wrappers say what is in them.
macro_rules! wrapped {
    ($($name:ident),*) => {
        $(impl Described for $name {
            fn fields(&self) -> Vec<Field> {
                self.0.fields()
            }
        })*
    };
}

wrapped!(
    RegistrationInfo,
    AuthenticationInfo,
    DeregistrationInfo,
    RegistrationReceipt,
    AuthenticationReceipt,
    DeregistrationReceipt
);
