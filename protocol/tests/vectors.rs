//! The test vectors of docs/protocol.md: what this code makes of fixed keys and fixed bytes, and what it
//! refuses, as files that other implementations can be tried with.
//!
//! ```text
//! cargo test -p vultus-protocol --test vectors -- --ignored    writes them anew
//! ```

mod samples;

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use samples::described::{self, Described, Field, field, head, string};
use samples::raw::{Raw, protected};
use samples::{Each, Key, NEW_SEALING, SEALING, SERVER, SERVICE, Sample, hex};
use serde::Serialize;
use vultus_protocol::assertion::Assertion;
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::enrolment::{EnrolmentProof, EnrolmentRequest};
use vultus_protocol::registration::{AuthenticationReceipt, RegistrationReceipt, RegistrationRequest};
use vultus_protocol::sealed::{self, SealingKey};
use vultus_protocol::{
    Context, DeviceIdentity, Draft, Envelope, FeatureToken, Message, PairwiseSecret, ProtocolError,
    PublicKey, TransactionHash, VirtualAccount, encoding,
};

#[test]
fn the_vectors_are_what_this_code_makes() {
    let made = files();
    for (name, text) in &made {
        let found = fs::read_to_string(folder().join(name)).unwrap();
        let differs = found.lines().zip(text.lines()).position(|(one, other)| one != other);
        let differs = differs.or((found != *text).then_some(usize::MAX));
        assert_eq!(differs, None, "{name} differs from this line on, counted from 0");
    }
    let mut there: Vec<_> =
        fs::read_dir(folder()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(there, made.map(|(name, _)| name));
}

#[test]
#[ignore = "it writes the files that the other test reads"]
fn write_the_vectors() {
    for (name, text) in files() {
        fs::write(folder().join(name), text).unwrap();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// In the order of their names.
fn files() -> [(&'static str, String); 4] {
    [
        ("derived.json", json(&derived())),
        ("refused.json", json(&refused())),
        ("sealed.json", json(&sealed_vectors())),
        ("signed.json", json(&signed())),
    ]
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

// Signed packets.

#[derive(Serialize)]
struct KeyText {
    scalar: String,
    point: String,
    id: String,
}

impl KeyText {
    fn of(scalar: &[u8; 32], public: &PublicKey) -> Self {
        Self { scalar: hex(scalar), point: hex(public.as_bytes()), id: hex(public.id().as_bytes()) }
    }
}

#[derive(Serialize)]
struct Signed {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    context: &'static str,
    cap: usize,
    message: Vec<Field>,
    key: KeyText,
    payload: String,
    to_be_signed: String,
    digest: String,
    signature: String,
    packet: String,
}

struct All(Vec<Signed>);

impl Each for All {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>) {
        let (public, fields) = (sample.key.public(), sample.message.fields());
        let payload = encoding::encode(&sample.message).unwrap();
        // What two encoders and two writers of the signed structure agree on.
        assert_eq!(hex(&payload), hex(&described::encoded(&described::Node::Map(fields.clone()))));
        let raw = Raw::like(&sample);
        let draft = Draft::new(&sample.message, public.id()).unwrap();
        assert_eq!(hex(draft.to_be_signed()), hex(&raw.to_be_signed()));
        let (to_be_signed, digest) = (hex(draft.to_be_signed()), draft.digest());
        let signature = sample.key.sign_digest(&digest);
        let packet = draft.finish(signature).unwrap();
        assert_eq!(hex(&packet), hex(&raw.bytes()));
        let read = Envelope::<M>::parse(&packet).unwrap().verify(&public).unwrap();
        assert_eq!(read, sample.message);
        self.0.push(Signed {
            name: sample.name,
            kind: sample.kind(),
            context: M::CONTEXT.0,
            cap: M::CAP,
            message: fields,
            key: KeyText::of(&sample.key.scalar, &public),
            payload: hex(&payload),
            to_be_signed,
            digest: hex(&digest),
            signature: hex(&signature),
            packet: hex(&packet),
        });
    }
}

fn signed() -> Vec<Signed> {
    let mut all = All(Vec::new());
    samples::every(&mut all);
    all.0
}

// Sealed packets.

#[derive(Serialize)]
struct SealedVector {
    name: &'static str,
    context: &'static str,
    recipient: Recipient,
    /// The random bytes that the sealing was given.
    random: String,
    /// What the ephemeral key was derived from: SHA-256 of those bytes and four zeros.
    ephemeral: String,
    packet: String,
    encapsulated: String,
    ciphertext: String,
    sealed: String,
}

#[derive(Serialize)]
struct Recipient {
    /// What the key was derived from.
    random: String,
    #[serde(flatten)]
    key: KeyText,
}

fn sealed_vectors() -> Vec<SealedVector> {
    vec![
        sealed_vector::<EnrolmentRequest>("enrolment-request", samples::enrolment_request(), 0x81),
        sealed_vector::<EnrolmentProof>("enrolment-proof", samples::enrolment_proof(), 0x82),
        sealed_vector::<RegistrationRequest>("registration-request", samples::registration_request(), 0x83),
    ]
}

fn sealed_vector<M: Message>(name: &'static str, message: M, random: u8) -> SealedVector {
    use sha2::{Digest, Sha256};
    let recipient = SealingKey::derive(&SEALING);
    let (public, random) = (recipient.public().unwrap(), [random; 32]);
    let packet = Key::new(samples::DEVICE).packet(&message);
    let bytes = sealed::seal(&packet, &public, M::CONTEXT, &random).unwrap();
    let parsed = sealed::parse(&bytes).unwrap();
    assert_eq!(hex(&recipient.open(&parsed, M::CONTEXT).unwrap()), hex(&packet));
    let ephemeral: [u8; 32] = Sha256::digest([&random[..], &[0_u8; 4]].concat()).into();
    assert_eq!(SealingKey::derive(&ephemeral).public().unwrap().as_bytes(), &*parsed.encapsulated);
    SealedVector {
        name,
        context: M::CONTEXT.0,
        recipient: Recipient { random: hex(&SEALING), key: KeyText::of(recipient.as_bytes(), &public) },
        random: hex(&random),
        ephemeral: hex(&ephemeral),
        packet: hex(&packet),
        encapsulated: hex(&parsed.encapsulated[..]),
        ciphertext: hex(&parsed.ciphertext),
        sealed: hex(&bytes),
    }
}

// Names that follow from other names.

#[derive(Serialize)]
struct Derived {
    hashed: Vec<Hashed>,
    keyed: Vec<Keyed>,
}

/// The first bytes of a SHA-256.
#[derive(Serialize)]
struct Hashed {
    name: &'static str,
    input: String,
    value: String,
}

/// The first bytes of an HMAC-SHA-256.
#[derive(Serialize)]
struct Keyed {
    name: &'static str,
    key: String,
    purpose: &'static str,
    names: Vec<String>,
    rest: String,
    input: String,
    value: String,
}

fn derived() -> Derived {
    let point = Key::new(samples::DEVICE).public();
    let hashed = |name, input: &[u8], value: &[u8]| Hashed { name, input: hex(input), value: hex(value) };
    let text = samples::transaction();
    let (server, service, account) = (samples::server(), samples::service(), samples::account());
    let device = PairwiseSecret::new(samples::PAIRWISE_SECRET).device_for(&server, &service);
    let virtual_account = VirtualAccount::of(&samples::ACCOUNT_SECRET, &service, &account);
    let token = FeatureToken::of(&samples::FACE_KEY, &server, &virtual_account);
    let (server, service, account) = (server.as_str(), service.as_str(), account.as_str());
    Derived {
        hashed: vec![
            hashed("key-id", point.as_bytes(), point.id().as_bytes()),
            hashed("device-identity", point.as_bytes(), DeviceIdentity::of(&point).as_bytes()),
            hashed("transaction-hash", text.as_str().as_bytes(), TransactionHash::of(&text).as_bytes()),
        ],
        keyed: vec![
            keyed(
                "pairwise-device",
                &samples::PAIRWISE_SECRET,
                ("pairwise device", &[server, service], &[]),
                device.as_bytes(),
            ),
            keyed(
                "virtual-account",
                &samples::ACCOUNT_SECRET,
                ("virtual account", &[service, account], &[]),
                virtual_account.as_bytes(),
            ),
            keyed(
                "feature-token",
                &samples::FACE_KEY,
                ("feature token", &[server], virtual_account.as_bytes()),
                token.as_bytes(),
            ),
        ],
    }
}

fn keyed(
    name: &'static str,
    key: &[u8; 32],
    (purpose, names, rest): (&'static str, &[&str], &[u8]),
    value: &[u8],
) -> Keyed {
    let mut input = Vec::new();
    for text in std::iter::once(&purpose).chain(names) {
        input.extend((text.len() as u32).to_be_bytes());
        input.extend(text.as_bytes());
    }
    input.extend(rest);
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), &input);
    assert_eq!(hex(&tag.as_ref()[..value.len()]), hex(value), "{name}");
    Keyed {
        name,
        key: hex(key),
        purpose,
        names: names.iter().map(|&n| n.to_owned()).collect(),
        rest: hex(rest),
        input: hex(&input),
        value: hex(value),
    }
}

// What is refused.

#[derive(Serialize)]
struct Refused {
    name: &'static str,
    /// The message that it is taken for.
    #[serde(rename = "type")]
    kind: &'static str,
    context: &'static str,
    /// The point that must have signed, or the scalar that must open.
    key: String,
    /// `parse`: its form is refused, whatever the keys are; `verify` and `open`: its form is good.
    stage: &'static str,
    error: &'static str,
    /// What this implementation says besides.
    detail: String,
    bytes: String,
}

impl Refused {
    fn new<M: Message>(name: &'static str, key: &[u8], bytes: &[u8], error: ProtocolError) -> Self {
        let kind = M::CONTEXT.0.strip_prefix(samples::PREFIX).unwrap();
        let (stage, word, detail) = described_error(error);
        let (key, bytes) = (hex(key), hex(bytes));
        Self { name, kind, context: M::CONTEXT.0, key, stage, error: word, detail, bytes }
    }
}

fn described_error(error: ProtocolError) -> (&'static str, &'static str, String) {
    match error {
        ProtocolError::Malformed(what) => ("parse", "malformed", what.to_owned()),
        ProtocolError::Oversize(length) => ("parse", "oversize", length.to_string()),
        ProtocolError::BadSignature => ("verify", "bad-signature", String::new()),
        ProtocolError::UnknownKey => ("verify", "unknown-key", String::new()),
        ProtocolError::NotOpened => ("open", "not-opened", String::new()),
        other => unreachable!("{other}"),
    }
}

/// A packet that this key should have signed: refused with this error, and no sooner or later than it says.
fn packet<M: Message>(name: &'static str, bytes: &[u8], key: &PublicKey, expected: ProtocolError) -> Refused {
    let refused = Refused::new::<M>(name, key.as_bytes(), bytes, expected);
    let parsed = Envelope::<M>::parse(bytes);
    assert_eq!(parsed.is_ok(), refused.stage == "verify", "{name}");
    assert_eq!(parsed.and_then(|envelope| envelope.verify(key)).err(), Some(expected), "{name}");
    refused
}

/// A sealed packet that this key should open.
fn seal<M: Message>(name: &'static str, bytes: &[u8], key: &SealingKey, expected: ProtocolError) -> Refused {
    let refused = Refused::new::<M>(name, key.as_bytes(), bytes, expected);
    let parsed = sealed::parse(bytes);
    assert_eq!(parsed.is_ok(), refused.stage == "open", "{name}");
    assert_eq!(parsed.and_then(|s| key.open(&s, M::CONTEXT)).err(), Some(expected), "{name}");
    refused
}

const UNKNOWN_FORM: ProtocolError = ProtocolError::Malformed("unknown form");
const NOT_CANONICAL: ProtocolError = ProtocolError::Malformed("not canonical");
const NOT_SIGN1: ProtocolError = ProtocolError::Malformed("not a COSE_Sign1");
const HEADER: ProtocolError = ProtocolError::Malformed("an unknown header");
const KEY_NAME: ProtocolError = ProtocolError::Malformed("not a key's name");

#[derive(Serialize)]
struct AllRefused {
    packets: Vec<Refused>,
    sealed: Vec<Refused>,
}

fn refused() -> AllRefused {
    let packets = [fields(), payloads(), headers(), outer_forms(), signatures()];
    AllRefused { packets: packets.into_iter().flatten().collect(), sealed: seals() }
}

/// Most of what is refused would be this message. It is small, and has one field of each kind.
type Plain = DeregistrationRequest;

fn plain() -> Raw {
    let payload = encoding::encode(&samples::deregistration_request()).unwrap();
    Raw::of::<Plain>(Key::new(SERVICE), payload)
}

fn plain_packet(name: &'static str, bytes: &[u8], expected: ProtocolError) -> Refused {
    packet::<Plain>(name, bytes, &Key::new(SERVICE).public(), expected)
}

fn with_payload<M: Message>(
    name: &'static str,
    signer: u8,
    payload: Vec<u8>,
    expected: ProtocolError,
) -> Refused {
    let key = Key::new(signer);
    let public = key.public();
    packet::<M>(name, &Raw::of::<M>(key, payload).bytes(), &public, expected)
}

/// Properly signed and properly encoded, with other fields than the message has.
fn fields() -> Vec<Refused> {
    use described::Node::{Map, Text, Uint};
    let change = |name, expected, change: fn(&mut Vec<Field>)| {
        let mut fields = samples::deregistration_request().fields();
        change(&mut fields);
        with_payload::<Plain>(name, SERVICE, described::encoded(&Map(fields)), expected)
    };
    vec![
        change("unknown-field-after", NOT_CANONICAL, |f| f.push(field(7, "unknown", Uint(0)))),
        change("unknown-field-before", NOT_CANONICAL, |f| f.insert(0, field(0, "unknown", Uint(0)))),
        change("keys-out-of-order", NOT_CANONICAL, |f| f.swap(0, 1)),
        change("duplicate-key", NOT_CANONICAL, |f| f.push(f[5].clone())),
        change("missing-field", UNKNOWN_FORM, |f| f.truncate(5)),
        change("field-too-short", UNKNOWN_FORM, |f| f[0].value = described::bytes(&[7; 15])),
        change("field-too-long", UNKNOWN_FORM, |f| f[5].value = described::bytes(&[7; 33])),
        change("text-for-bytes", UNKNOWN_FORM, |f| f[3].value = Text("0123456789abcdef".to_owned())),
        change("bytes-for-text", UNKNOWN_FORM, |f| f[1].value = described::bytes(b"auth.example.org")),
        change("empty-name", UNKNOWN_FORM, |f| f[1].value = Text(String::new())),
        change("name-too-long", UNKNOWN_FORM, |f| f[1].value = Text("a".repeat(65))),
        change("name-in-capitals", UNKNOWN_FORM, |f| f[1].value = Text("Auth.example.org".to_owned())),
        assertion("unknown-biometric-type", |f| f[3].value = Uint(2)),
        assertion("number-too-large", |f| f[2].value = Uint(1 << 32)),
    ]
}

fn assertion(name: &'static str, change: fn(&mut Vec<Field>)) -> Refused {
    let mut fields = samples::assertion().fields();
    change(&mut fields);
    let payload = described::encoded(&described::Node::Map(fields));
    with_payload::<Assertion>(name, samples::AUDIENCE, payload, UNKNOWN_FORM)
}

/// Properly signed, with another spelling of the payload.
fn payloads() -> Vec<Refused> {
    let payload = plain().payload;
    // A map of six, the key 1, and sixteen bytes.
    assert_eq!(payload[..3], [0xa6, 0x01, 0x50]);
    let spelled = |name, expected, begin: &[u8], skip: usize, end: &[u8]| {
        let payload = [begin, &payload[skip..], end].concat();
        with_payload::<Plain>(name, SERVICE, payload, expected)
    };
    let null = {
        let mut fields = samples::authentication_request(None).fields();
        let evidence = fields.split_off(8);
        let entries: Vec<u8> =
            fields.iter().flat_map(|f| [vec![f.key], described::encoded(&f.value)].concat()).collect();
        let last = [vec![evidence[0].key], described::encoded(&evidence[0].value)].concat();
        [head(5, 10), entries, vec![0x09, 0xf6], last].concat()
    };
    let cap = Plain::CAP;
    vec![
        spelled("long-map-head", NOT_CANONICAL, &[0xb8, 0x06], 1, &[]),
        spelled("long-key", NOT_CANONICAL, &[0xa6, 0x18, 0x01], 2, &[]),
        spelled("long-length", NOT_CANONICAL, &[0xa6, 0x01, 0x58, 0x10], 3, &[]),
        spelled("indefinite-map", NOT_CANONICAL, &[0xbf], 1, &[0xff]),
        spelled("trailing-byte-in-payload", NOT_CANONICAL, &[], 0, &[0x00]),
        spelled("array-for-map", UNKNOWN_FORM, &[0x86], 1, &[]),
        spelled("empty-payload", UNKNOWN_FORM, &[], payload.len(), &[]),
        with_payload::<Plain>("cut-payload", SERVICE, payload[..payload.len() - 1].to_vec(), UNKNOWN_FORM),
        with_payload::<AuthenticationRequest>("null-for-absent-field", SERVICE, null, NOT_CANONICAL),
        spelled(
            "payload-over-cap",
            ProtocolError::Oversize(cap + 1),
            &[],
            0,
            &vec![0; cap + 1 - payload.len()],
        ),
    ]
}

/// Properly signed, with another protected or unprotected header.
fn headers() -> Vec<Refused> {
    let id = Key::new(SERVICE).public().id();
    let (alg, kid) = (vec![0x01, 0x26], [vec![0x04], string(id.as_bytes())].concat());
    let protected_header = |name, expected, header: Vec<u8>| {
        let raw = Raw { protected: header, ..plain() };
        plain_packet(name, &raw.bytes(), expected)
    };
    let entries = |count: u8, entries: &[&[u8]]| [&[0xa0 | count][..], &entries.concat()].concat();
    let named = |bytes: &[u8]| [&[0xa2_u8, 0x01, 0x26, 0x04][..], &string(bytes)].concat();
    let unprotected =
        |name, unprotected: Vec<u8>| plain_packet(name, &Raw { unprotected, ..plain() }.bytes(), NOT_SIGN1);
    vec![
        protected_header("other-algorithm", HEADER, protected(-35, id)),
        protected_header("no-algorithm", HEADER, entries(1, &[&kid])),
        protected_header("critical-header", HEADER, entries(3, &[&alg, &[0x02, 0x81, 0x04], &kid])),
        protected_header("content-type", HEADER, entries(3, &[&alg, &[0x03, 0x18, 0x3c], &kid])),
        protected_header("unknown-header", HEADER, entries(3, &[&alg, &kid, &[0x18, 0x63, 0x00]])),
        protected_header("header-out-of-order", HEADER, entries(2, &[&kid, &alg])),
        protected_header("indefinite-header", HEADER, [&[0xbf_u8][..], &alg, &kid, &[0xff]].concat()),
        protected_header("empty-header", HEADER, Vec::new()),
        protected_header("no-key-id", KEY_NAME, entries(1, &[&alg])),
        protected_header("key-id-of-7-bytes", KEY_NAME, named(&id.as_bytes()[..7])),
        protected_header("key-id-of-9-bytes", KEY_NAME, named(&[&id.as_bytes()[..], &[0]].concat())),
        unprotected("unprotected-key-id", entries(1, &[&kid])),
        unprotected("unprotected-unknown", entries(1, &[&[0x18, 0x63, 0x00]])),
    ]
}

/// Properly signed, with another form around it.
fn outer_forms() -> Vec<Refused> {
    let raw = plain();
    let (payload, signature) = (string(&raw.payload), raw.signature());
    let begin = |begin: &[u8]| Raw { begin: begin.to_vec(), ..plain() }.bytes();
    let signed = |signature: &[u8]| raw.with(&payload, &string(signature));
    let chunked = [&[0x5f_u8][..], &payload, &[0xff]].concat();
    let long = {
        let length = u16::try_from(raw.payload.len()).unwrap();
        [&[0x5a_u8, 0, 0][..], &length.to_be_bytes(), &raw.payload].concat()
    };
    let over = Plain::CAP + 129;
    vec![
        plain_packet("no-tag", &begin(&[0x84]), NOT_SIGN1),
        plain_packet("tag-of-cose-sign", &begin(&[0xd8, 0x62, 0x84]), NOT_SIGN1),
        plain_packet("tag-of-cose-mac0", &begin(&[0xd1, 0x84]), NOT_SIGN1),
        plain_packet("two-tags", &begin(&[0xd2, 0xd2, 0x84]), NOT_SIGN1),
        plain_packet("long-tag", &begin(&[0xd8, 0x12, 0x84]), NOT_CANONICAL),
        plain_packet("indefinite-array", &[&begin(&[0xd2, 0x9f])[..], &[0xff]].concat(), NOT_CANONICAL),
        plain_packet("array-of-five", &[&begin(&[0xd2, 0x85])[..], &[0xf6]].concat(), NOT_SIGN1),
        plain_packet("missing-payload", &raw.with(&[0xf6], &string(&signature)), NOT_SIGN1),
        plain_packet("payload-in-chunks", &raw.with(&chunked, &string(&signature)), NOT_CANONICAL),
        plain_packet("payload-with-long-head", &raw.with(&long, &string(&signature)), NOT_CANONICAL),
        plain_packet("signature-of-63-bytes", &signed(&signature[..63]), NOT_SIGN1),
        plain_packet("signature-of-65-bytes", &signed(&[&signature[..], &[0]].concat()), NOT_SIGN1),
        plain_packet("no-signature", &signed(&[]), NOT_SIGN1),
        plain_packet("trailing-byte-in-packet", &[&raw.bytes()[..], &[0]].concat(), NOT_SIGN1),
        plain_packet("cut-packet", &raw.bytes()[..40], NOT_SIGN1),
        plain_packet("empty-packet", &[], NOT_SIGN1),
        plain_packet("packet-over-cap", &vec![0xd2; over], ProtocolError::Oversize(over)),
    ]
}

/// Everything in its form, but not signed as it must be.
fn signatures() -> Vec<Refused> {
    let bad = ProtocolError::BadSignature;
    let raw = plain();
    let signature = raw.signature();
    let signed = |signature: &[u8]| raw.with(&string(&raw.payload), &string(signature));
    let swapped = [&signature[32..], &signature[..32]].concat();
    let stranger = Raw { signer: Key::new(SERVER), ..plain() };
    let misnamed = Raw { protected: protected(-7, Key::new(SERVER).public().id()), ..plain() };
    let altered = {
        let mut payload = raw.payload.clone();
        *payload.last_mut().unwrap() ^= 1;
        raw.with(&string(&payload), &string(&signature))
    };
    let receipt = RegistrationReceipt(samples::receipt(None));
    let receipt = Raw::of::<AuthenticationReceipt>(Key::new(SERVER), encoding::encode(&receipt).unwrap());
    let server = Key::new(SERVER).public();
    vec![
        packet::<RegistrationReceipt>("context-of-another-message", &receipt.bytes(), &server, bad),
        plain_packet("no-context", &Raw { context: "", ..plain() }.bytes(), bad),
        plain_packet("signature-of-another-key", &stranger.bytes(), bad),
        plain_packet("name-of-another-key", &misnamed.bytes(), ProtocolError::UnknownKey),
        plain_packet("altered-payload", &altered, bad),
        plain_packet("signature-of-zeros", &signed(&[0; 64]), bad),
        plain_packet("signature-swapped", &signed(&swapped), bad),
    ]
}

/// Sealed packets of another form, or for somebody else.
fn seals() -> Vec<Refused> {
    type Inner = RegistrationRequest;
    let (key, other) = (SealingKey::derive(&SEALING), SealingKey::derive(&NEW_SEALING));
    let inner = Key::new(samples::DEVICE).packet(&samples::registration_request());
    let sealed_in = |context| sealed::seal(&inner, &key.public().unwrap(), context, &[0x84; 32]).unwrap();
    let bytes = sealed_in(Inner::CONTEXT);
    let good = sealed::parse(&bytes).unwrap();
    let form = |name, bytes: &[u8], expected| seal::<Inner>(name, bytes, &key, expected);
    let closed = |name, change: fn(&mut sealed::Sealed)| {
        let mut sealed = good.clone();
        change(&mut sealed);
        form(name, &encoding::encode(&sealed).unwrap(), ProtocolError::NotOpened)
    };
    let fields = |encapsulated: &[u8]| {
        let fields = vec![
            field(1, "key", described::bytes(good.key.as_bytes())),
            field(2, "encapsulated", described::bytes(encapsulated)),
            field(3, "ciphertext", described::bytes(&good.ciphertext)),
        ];
        described::encoded(&described::Node::Map(fields))
    };
    assert_eq!(hex(&fields(&good.encapsulated[..])), hex(&bytes));
    let not_opened = ProtocolError::NotOpened;
    vec![
        form("sealed-trailing-byte", &[&bytes[..], &[0]].concat(), NOT_CANONICAL),
        form("sealed-indefinite-map", &[&[0xbf_u8][..], &bytes[1..], &[0xff]].concat(), NOT_CANONICAL),
        form("sealed-compressed-point", &fields(&good.encapsulated[..33]), UNKNOWN_FORM),
        form("sealed-cut", &bytes[..60], UNKNOWN_FORM),
        form("not-sealed", &inner, UNKNOWN_FORM),
        seal::<Inner>("sealed-to-another-key", &bytes, &other, not_opened),
        form("sealed-in-another-context", &sealed_in(Context("vultus/1 enrolment-proof")), not_opened),
        closed("sealed-other-key-id", |s| s.key = Key::new(SERVER).public().id()),
        closed("sealed-point-off-the-curve", |s| s.encapsulated = [4; 65].into()),
        closed("sealed-other-ephemeral", |s| s.encapsulated = (*Key::new(SERVER).public().as_bytes()).into()),
        closed("sealed-altered-ciphertext", |s| s.ciphertext[0] ^= 1),
        closed("sealed-altered-tag", |s| *s.ciphertext.last_mut().unwrap() ^= 1),
        closed("sealed-cut-ciphertext", |s| s.ciphertext.truncate(15)),
        closed("sealed-empty-ciphertext", |s| s.ciphertext.clear()),
    ]
}
