//! Any message whatever, within the bounds of its fields.

use minicbor::bytes::ByteVec;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use vultus_protocol::assertion::{Assertion, LONGEST_NONCE, SHORTEST_NONCE};
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::Challenge;
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::registration::{KeyCertification, Receipt, RegistrationRequest};
use vultus_protocol::server_keys::{MOST_KEYS, TimedKey};
use vultus_protocol::{
    AccountName, Audience, BiometricType, CeremonyId, Code, DeviceIdentity, Evidence, FeatureToken, Label,
    Liveness, PairwiseDevice, PairwiseSecret, Policy, PublicKey, ServerKeys, ServerName, ServiceName,
    Spectrum, TransactionHash, TransactionText, VirtualAccount, Window,
};

/// A name of text: the characters that it may have, and as many as always fit.
macro_rules! name {
    ($function:ident, $name:ident, $pattern:literal) => {
        pub fn $function() -> impl Strategy<Value = $name> {
            $pattern.prop_map(|text| $name::new(text).unwrap())
        }
    };
}

name!(server, ServerName, "[a-z0-9.:-]{1,64}");
name!(service, ServiceName, "[a-z0-9.:-]{1,64}");
name!(account, AccountName, "[ -~¡-¬®-ʯ一-丏]{1,32}");
name!(audience, Audience, "[!-~]{1,128}");
name!(transaction, TransactionText, "[!-~]{1,9}(\n?[!-~¡-¬®-ʯ一-丏]){1,6}");
name!(label, Label, "[ -~¡-¬®-ʯ一-丏]{1,16}");

macro_rules! identity {
    ($function:ident, $name:ident, $length:literal) => {
        pub fn $function() -> impl Strategy<Value = $name> {
            any::<[u8; $length]>().prop_map($name::new)
        }
    };
}

identity!(device_identity, DeviceIdentity, 16);
identity!(device, PairwiseDevice, 16);
identity!(virtual_account, VirtualAccount, 16);
identity!(ceremony, CeremonyId, 16);
identity!(code, Code, 32);
identity!(feature_token, FeatureToken, 32);
identity!(pairwise_secret, PairwiseSecret, 32);
identity!(transaction_hash, TransactionHash, 32);

fn bytes(most: usize) -> impl Strategy<Value = ByteVec> {
    vec(any::<u8>(), 0..=most).prop_map(ByteVec::from)
}

/// A point that need not lie on the curve.
pub fn public_key() -> impl Strategy<Value = PublicKey> {
    vec(any::<u8>(), 64).prop_map(|xy| PublicKey::from_slice(&[&[4_u8][..], &xy].concat()).unwrap())
}

fn liveness() -> impl Strategy<Value = Liveness> {
    prop_oneof![Just(Liveness::None), Just(Liveness::Passive), Just(Liveness::Active)]
}

fn spectrum() -> impl Strategy<Value = Spectrum> {
    prop_oneof![Just(Spectrum::Colour), Just(Spectrum::Grey)]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (liveness(), spectrum(), label()).prop_map(|(liveness, spectrum, software)| Evidence {
        liveness,
        spectrum,
        software,
    })
}

fn window() -> impl Strategy<Value = Window> {
    any::<(u64, u64)>().prop_map(|(issued_at, expires_at)| Window { issued_at, expires_at })
}

fn policy() -> impl Strategy<Value = Policy> {
    liveness().prop_map(|liveness| Policy { biometric: BiometricType::Face, liveness })
}

fn certification() -> impl Strategy<Value = KeyCertification> {
    (bytes(200), bytes(300), bytes(64)).prop_map(|(public, attest, signature)| KeyCertification {
        public,
        attest,
        signature,
    })
}

fn timed_key() -> impl Strategy<Value = TimedKey> {
    (public_key(), any::<u64>(), any::<u64>()).prop_map(|(key, not_before, not_after)| TimedKey {
        key,
        not_before,
        not_after,
    })
}

pub fn server_keys() -> impl Strategy<Value = ServerKeys> {
    let keys = || vec(timed_key(), 0..=MOST_KEYS);
    (server(), any::<u64>(), keys(), keys()).prop_map(|(server, version, signing, sealing)| ServerKeys {
        server,
        version,
        signing,
        sealing,
    })
}

pub fn challenge() -> impl Strategy<Value = Challenge> {
    let names = (server(), service(), account());
    let numbers = (ceremony(), virtual_account(), device(), code());
    (names, numbers, window(), policy(), option::of(transaction())).prop_map(
        |(
            (server, service, account),
            (ceremony, virtual_account, device, code),
            window,
            policy,
            transaction,
        )| {
            Challenge {
                ceremony,
                server,
                service,
                account,
                virtual_account,
                device,
                code,
                window,
                policy,
                transaction,
            }
        },
    )
}

pub fn receipt() -> impl Strategy<Value = Receipt> {
    let names = (server(), service(), account());
    let numbers = (ceremony(), virtual_account(), device());
    (names, numbers, any::<u64>(), option::of(transaction_hash())).prop_map(
        |((server, service, account), (ceremony, virtual_account, device), at, transaction)| Receipt {
            ceremony,
            server,
            service,
            account,
            virtual_account,
            device,
            biometric: BiometricType::Face,
            at,
            transaction,
        },
    )
}

pub fn registration_request() -> impl Strategy<Value = RegistrationRequest> {
    let names = (server(), service());
    let numbers = (ceremony(), device(), device_identity(), virtual_account(), feature_token(), code());
    (names, numbers, public_key(), certification(), evidence()).prop_map(
        |(
            (server, service),
            (ceremony, device, device_identity, virtual_account, feature_token, code),
            service_key,
            certification,
            evidence,
        )| RegistrationRequest {
            ceremony,
            server,
            service,
            device,
            device_identity,
            virtual_account,
            biometric: BiometricType::Face,
            feature_token,
            code,
            service_key,
            certification,
            evidence,
        },
    )
}

pub fn authentication_request() -> impl Strategy<Value = AuthenticationRequest> {
    let names = (server(), service());
    let numbers = (ceremony(), device(), virtual_account(), feature_token(), code());
    (names, numbers, option::of(transaction_hash()), evidence()).prop_map(
        |(
            (server, service),
            (ceremony, device, virtual_account, feature_token, code),
            transaction,
            evidence,
        )| AuthenticationRequest {
            ceremony,
            server,
            service,
            device,
            virtual_account,
            biometric: BiometricType::Face,
            feature_token,
            code,
            transaction,
            evidence,
        },
    )
}

pub fn deregistration_request() -> impl Strategy<Value = DeregistrationRequest> {
    (ceremony(), server(), service(), device(), virtual_account(), code()).prop_map(
        |(ceremony, server, service, device, virtual_account, code)| DeregistrationRequest {
            ceremony,
            server,
            service,
            device,
            virtual_account,
            code,
        },
    )
}

pub fn enrolment_request() -> impl Strategy<Value = EnrolmentRequest> {
    let publics = (bytes(200), bytes(200), bytes(400), bytes(3_000));
    (server(), public_key(), publics, label(), label(), any::<u64>()).prop_map(
        |(server, device_key, (device, attestation, endorsement, certificate), manufacturer, model, at)| {
            EnrolmentRequest {
                server,
                device_key,
                device_public: device,
                attestation_public: attestation,
                endorsement_public: endorsement,
                endorsement_certificate: certificate,
                manufacturer,
                model,
                at,
            }
        },
    )
}

pub fn enrolment_challenge() -> impl Strategy<Value = EnrolmentChallenge> {
    (ceremony(), server(), device_identity(), bytes(200), bytes(600), any::<[u8; 32]>(), window()).prop_map(
        |(enrolment, server, device, id_object, encrypted_secret, nonce, window)| EnrolmentChallenge {
            enrolment,
            server,
            device,
            id_object,
            encrypted_secret,
            nonce: nonce.into(),
            window,
        },
    )
}

pub fn enrolment_proof() -> impl Strategy<Value = EnrolmentProof> {
    (ceremony(), server(), device_identity(), bytes(64), certification(), pairwise_secret()).prop_map(
        |(enrolment, server, device, secret, certification, pairwise_secret)| EnrolmentProof {
            enrolment,
            server,
            device,
            secret,
            certification,
            pairwise_secret,
        },
    )
}

pub fn enrolment_receipt() -> impl Strategy<Value = EnrolmentReceipt> {
    (ceremony(), server(), device_identity(), any::<u64>())
        .prop_map(|(enrolment, server, device, at)| EnrolmentReceipt { enrolment, server, device, at })
}

pub fn assertion() -> impl Strategy<Value = Assertion> {
    let nonce = vec(any::<u8>(), SHORTEST_NONCE..=LONGEST_NONCE);
    (audience(), nonce, any::<u32>(), any::<u64>(), evidence()).prop_map(
        |(audience, nonce, uid, at, evidence)| Assertion {
            audience,
            nonce: nonce.into(),
            uid,
            biometric: BiometricType::Face,
            at,
            evidence,
        },
    )
}
