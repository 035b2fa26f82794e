//! TPM2_Certify: decides whether an attestation key said that a key lives beside it, in answer to this very
//! challenge. Whose TPM it is, it does not decide: the attestation key must have proved that before.

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::AttestationError::{self, Malformed, NotCertified, Unsupported, WrongAttributes};
use super::marshalled::Marshalled;
use super::public_area::{EccPublic, NAME};

/// TPM_GENERATED_VALUE. A restricted key signs nothing from outside that begins with it.
const GENERATED: u32 = 0xff54_4347;
/// TPM_ST_ATTEST_CERTIFY.
const CERTIFY: u16 = 0x8017;
/// The longest name and the longest extra data of any TPM: a hash of 64 bytes and its identifier.
const LONGEST: usize = 66;

/// What the TPM says of itself beside it. For an attestation key that is not in the endorsement hierarchy it
/// adds a number of its own to each, which stays the same for that key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certified {
    pub firmware: u64,
    /// How often the TPM was reset since it was cleared.
    pub reset_count: u32,
    /// How often it was restarted or resumed since it was reset.
    pub restart_count: u32,
}

/// Checks that `attest` was signed by the attestation key and certifies the key of this name under this
/// qualifying data. The signature is r and s, of 32 bytes each.
pub fn check(
    attest: &[u8],
    signature: &[u8; 64],
    attestation_key: &EccPublic,
    certified_name: &[u8],
    qualifying: &[u8; 32],
) -> Result<Certified, AttestationError> {
    // Another key would sign a statement that the device made up.
    if !attestation_key.restricted {
        return Err(WrongAttributes);
    }
    let statement = Statement::read(attest)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, attestation_key.point)
        .verify(attest, signature)
        .map_err(|_| NotCertified)?;
    if statement.name != certified_name || statement.qualifying != qualifying {
        return Err(NotCertified);
    }
    Ok(statement.certified)
}

/// A TPMS_ATTEST of the type that is read here.
struct Statement<'a> {
    qualifying: &'a [u8],
    name: &'a [u8],
    certified: Certified,
}

impl<'a> Statement<'a> {
    fn read(attest: &'a [u8]) -> Result<Self, AttestationError> {
        let mut input = Marshalled::new(attest)?;
        if input.u32()? != GENERATED {
            return Err(Malformed("not a statement of a TPM"));
        }
        if input.u16()? != CERTIFY {
            return Err(Unsupported("a statement other than of a key"));
        }
        let signer = input.sized(LONGEST)?;
        let qualifying = input.sized(LONGEST)?;
        let _clock = input.u64()?;
        let (reset_count, restart_count) = (input.u32()?, input.u32()?);
        let safe = input.u8()?;
        let firmware = input.u64()?;
        let name = input.sized(LONGEST)?;
        let qualified_name = input.sized(LONGEST)?;
        input.end()?;
        // Both keys have names of SHA-256, and so the qualified names, which say where in the TPM they are.
        if [signer, name, qualified_name].iter().any(|n| n.len() != NAME) || safe > 1 {
            return Err(Malformed("statement"));
        }
        Ok(Self { qualifying, name, certified: Certified { firmware, reset_count, restart_count } })
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;
    use crate::attestation::fixtures::*;

    const KEY: [u8; NAME] = [7; NAME];
    const CHALLENGE: [u8; 32] = [8; 32];

    /// An attestation key outside of any TPM.
    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
        }

        fn public(&self) -> EccPublic {
            let point = self.0.public_key().as_ref().try_into().unwrap();
            EccPublic { attributes: ATTESTING, name: vec![6; NAME], point, restricted: true }
        }

        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().try_into().unwrap()
        }

        fn check(&self, attest: &[u8]) -> Result<Certified, AttestationError> {
            check(attest, &self.sign(attest), &self.public(), &KEY, &CHALLENGE)
        }
    }

    fn statement(name: &[u8], qualifying: &[u8]) -> Vec<u8> {
        let clock = hex("0000000000011f0e0000000300000004010102030405060708");
        [hex("ff5443478017"), sized(&[5; NAME]), sized(qualifying), clock, sized(name), sized(&[4; NAME])]
            .concat()
    }

    #[test]
    fn a_certified_key_is_taken() {
        let certified = Certified { firmware: 0x0102_0304_0506_0708, reset_count: 3, restart_count: 4 };
        assert_eq!(Signer::new().check(&statement(&KEY, &CHALLENGE)), Ok(certified));
    }

    #[test]
    fn a_statement_of_swtpm_is_read() {
        let attest = hex(
            "ff54434780170022000b87e6a9bd0df292d4506395241fffed3100319044be9de5fe7de93b0ef9ddcd86000400ff55aa\
            0000000000011f0e28abecb29803bf520199ead6951909594b0022000b98b3c3bf8d57b170e705f7becb339a5e6249c3\
            7b53bfcdac43d1886442854f630022000b554c0b96f1732ffd366589fc8660c9829d9b06a89d58c190404cab9b7bca8a\
            2d",
        );
        let read = Statement::read(&attest).unwrap();
        assert_eq!(read.qualifying, hex("00ff55aa"));
        assert_eq!(read.name, hex("000b98b3c3bf8d57b170e705f7becb339a5e6249c37b53bfcdac43d1886442854f63"));
        assert_eq!(read.certified.firmware, 0x99ea_d695_1909_594b);
    }

    #[test]
    fn another_key_challenge_or_signer_is_refused() {
        let (signer, other) = (Signer::new(), Signer::new());
        let attest = statement(&KEY, &CHALLENGE);
        let signature = signer.sign(&attest);
        let own = signer.public();
        assert!(check(&attest, &signature, &own, &KEY, &CHALLENGE).is_ok());
        let refused = [
            check(&attest, &signature, &own, &[1; NAME], &CHALLENGE),
            check(&attest, &signature, &own, &[], &CHALLENGE),
            check(&attest, &signature, &own, &KEY, &[1; 32]),
            check(&attest, &signature, &other.public(), &KEY, &CHALLENGE),
            check(&attest, &other.sign(&attest), &own, &KEY, &CHALLENGE),
            check(&attest, &[0; 64], &own, &KEY, &CHALLENGE),
            check(&attest, &signature, &EccPublic { point: [4; 65], ..own.clone() }, &KEY, &CHALLENGE),
            signer.check(&statement(&KEY, &[])),
            signer.check(&statement(&KEY, &CHALLENGE[..31])),
        ];
        assert!(refused.iter().all(|r| *r == Err(NotCertified)), "{refused:?}");
    }

    #[test]
    fn a_key_that_signs_anything_certifies_nothing() {
        let signer = Signer::new();
        let attest = statement(&KEY, &CHALLENGE);
        let free = EccPublic { restricted: false, attributes: SIGNING, ..signer.public() };
        assert_eq!(check(&attest, &signer.sign(&attest), &free, &KEY, &CHALLENGE), Err(WrongAttributes));
    }

    #[test]
    fn each_bit_of_statement_and_signature_counts() {
        let signer = Signer::new();
        let attest = statement(&KEY, &CHALLENGE);
        let signature = signer.sign(&attest);
        for bit in 0..attest.len() * 8 {
            let mut changed = attest.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&changed, &signature, &signer.public(), &KEY, &CHALLENGE).is_err(), "bit {bit}");
        }
        for bit in 0..512 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&attest, &changed, &signer.public(), &KEY, &CHALLENGE).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_is_no_statement_of_a_key_is_refused_whoever_signs_it() {
        let signer = Signer::new();
        let whole = statement(&KEY, &CHALLENGE);
        for length in 0..whole.len() {
            assert!(signer.check(&whole[..length]).is_err(), "{length} bytes");
        }
        assert_eq!(signer.check(&[whole.as_slice(), &[0]].concat()), Err(Malformed("bytes are left over")));
        // Magic, type (a quote), the signer's name, and whether the clock is safe.
        for (place, value) in [(0, 0xfe), (3, 0x48), (5, 0x18), (7, 0x21), (7, 0x43), (92, 2)] {
            let mut changed = whole.clone();
            changed[place] = value;
            assert!(signer.check(&changed).is_err(), "{value:#x} at {place}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
            point in proptest::array::uniform32(proptest::num::u8::ANY),
        ) {
            let mut key = EccPublic { attributes: ATTESTING, name: vec![], point: [4; 65], restricted: true };
            key.point[1..33].copy_from_slice(&point);
            proptest::prop_assert!(check(&bytes, &[1; 64], &key, &KEY, &CHALLENGE).is_err());
            let headed = [hex("ff5443478017").as_slice(), &bytes].concat();
            proptest::prop_assert!(check(&headed, &[1; 64], &key, &KEY, &CHALLENGE).is_err());
        }
    }
}
