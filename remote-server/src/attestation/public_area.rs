//! The public areas of a TPM's keys (TPMT_PUBLIC; TPM 2.0 Library, Part 2): decides of which kind a key is
//! and what its TPM lets it do. It never says that a TPM holds the key: a credential or a certification
//! over its name does.

use ring::digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::AttestationError::{self, Malformed, Unsupported, WrongAttributes};
use super::marshalled::Marshalled;

// Algorithms and curves.
const RSA: u16 = 0x0001;
const AES: u16 = 0x0006;
const SHA256: u16 = 0x000b;
const SHA384: u16 = 0x000c;
const NONE: u16 = 0x0010;
const ECDSA: u16 = 0x0018;
const ECC: u16 = 0x0023;
const CFB: u16 = 0x0043;
const P256: u16 = 0x0003;
const P384: u16 = 0x0004;

// TPMA_OBJECT.
/// The TPM made the key (sensitiveDataOrigin), and it leaves neither the TPM (fixedTPM) nor its parent.
const MADE_HERE_TO_STAY: u32 = 1 << 1 | 1 << 4 | 1 << 5;
/// userWithAuth, adminWithPolicy and noDA: by which authorisation the device uses its key is its own affair.
const EITHER_WAY: u32 = 1 << 6 | 1 << 7 | 1 << 10;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

/// The public exponent of all RSA endorsement keys.
pub const EXPONENT: u32 = 65_537;
/// Bytes of the name of an [`EccPublic`].
pub const NAME: usize = 34;

/// A P-256 key for ECDSA with SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EccPublic {
    /// TPMA_OBJECT.
    pub attributes: u32,
    /// What the TPM calls the key: the name algorithm (2 bytes) and the digest of the public area.
    pub name: Vec<u8>,
    /// SEC1, uncompressed. Whether it lies on the curve is seen when a signature is checked with it.
    pub point: [u8; 65],
    /// Signs only what its TPM states itself.
    pub restricted: bool,
}

impl EccPublic {
    /// A key that signs what the device gives it.
    pub fn signing_key(bytes: &[u8]) -> Result<Self, AttestationError> {
        Self::read(bytes, MADE_HERE_TO_STAY | SIGN)
    }

    /// A key that signs only what its TPM states.
    pub fn attestation_key(bytes: &[u8]) -> Result<Self, AttestationError> {
        Self::read(bytes, MADE_HERE_TO_STAY | SIGN | RESTRICTED)
    }

    fn read(bytes: &[u8], wanted: u32) -> Result<Self, AttestationError> {
        let mut input = Marshalled::new(bytes)?;
        let (kind, hash, attributes) = head(&mut input)?;
        if (kind, hash) != (ECC, NameHash::Sha256) {
            return Err(Unsupported("a key that is not elliptic with SHA-256"));
        }
        check_attributes(attributes, wanted)?;
        want(&mut input, NONE, "a signing key with a symmetric algorithm")?;
        want(&mut input, ECDSA, "a signature scheme other than ECDSA")?;
        want(&mut input, SHA256, "signatures over other than SHA-256")?;
        want(&mut input, P256, "a curve other than P-256")?;
        want(&mut input, NONE, "a key derivation scheme")?;
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&input.number::<32>()?);
        point[33..].copy_from_slice(&input.number::<32>()?);
        input.end()?;
        let digest = digest::digest(hash.algorithm(), bytes);
        let name = [SHA256.to_be_bytes().as_slice(), digest.as_ref()].concat();
        Ok(Self { attributes, name, point, restricted: attributes & RESTRICTED != 0 })
    }
}

/// The hash of a key's name, and of all that is derived from the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameHash {
    Sha256,
    Sha384,
}

impl NameHash {
    pub fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }

    /// Bytes of a digest.
    pub fn length(self) -> usize {
        usize::from(self.bits() / 8)
    }

    pub fn bits(self) -> u16 {
        match self {
            Self::Sha256 => 256,
            Self::Sha384 => 384,
        }
    }
}

/// The cipher with which a storage key protects what is sent to it: AES in CFB mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    Aes128,
    Aes256,
}

impl Cipher {
    /// Bits of a key.
    pub fn bits(self) -> u16 {
        match self {
            Self::Aes128 => 128,
            Self::Aes256 => 256,
        }
    }
}

/// How an endorsement key protects what is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    pub hash: NameHash,
    pub cipher: Cipher,
}

/// Of which kind an endorsement key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndorsementKind {
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "p-384")]
    P384,
}

/// An endorsement key: one under which a TPM opens what was encrypted to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndorsementPublic {
    /// Its exponent is [`EXPONENT`]. The modulus is odd and has all 2048 bits.
    Rsa2048 { modulus: [u8; 256], protection: Protection },
    /// Whether the point lies on the curve is seen when something is encrypted to it.
    P384 { x: [u8; 48], y: [u8; 48], protection: Protection },
}

impl EndorsementPublic {
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestationError> {
        let mut input = Marshalled::new(bytes)?;
        let (kind, hash, attributes) = head(&mut input)?;
        check_attributes(attributes, MADE_HERE_TO_STAY | RESTRICTED | DECRYPT)?;
        want(&mut input, AES, "a storage key without AES")?;
        let cipher = match input.u16()? {
            128 => Cipher::Aes128,
            256 => Cipher::Aes256,
            _ => return Err(Unsupported("a storage key with AES of other than 128 or 256 bits")),
        };
        want(&mut input, CFB, "a storage key with AES in other than CFB mode")?;
        want(&mut input, NONE, "a storage key with a scheme")?;
        let protection = Protection { hash, cipher };
        let key = match kind {
            RSA => Self::Rsa2048 { modulus: modulus(&mut input)?, protection },
            ECC => {
                want(&mut input, P384, "an endorsement key on a curve other than P-384")?;
                want(&mut input, NONE, "a key derivation scheme")?;
                Self::P384 { x: input.number()?, y: input.number()?, protection }
            }
            _ => return Err(Unsupported("an endorsement key that is neither RSA nor elliptic")),
        };
        input.end()?;
        Ok(key)
    }

    pub fn kind(&self) -> EndorsementKind {
        match self {
            Self::Rsa2048 { .. } => EndorsementKind::Rsa2048,
            Self::P384 { .. } => EndorsementKind::P384,
        }
    }

    /// SHA-256 over the kind and the key itself, by which a TPM is known again: however a certificate or a
    /// public area spells the key, it is the same.
    pub fn fingerprint(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(b"vultus endorsement key 1");
        let hash = match self {
            Self::Rsa2048 { modulus, .. } => hash.chain_update(b"rsa-2048").chain_update(modulus),
            Self::P384 { x, y, .. } => hash.chain_update(b"p-384").chain_update(x).chain_update(y),
        };
        hash.finalize().into()
    }
}

/// Key size, exponent and modulus.
fn modulus(input: &mut Marshalled<'_>) -> Result<[u8; 256], AttestationError> {
    want(input, 2048, "an RSA endorsement key of other than 2048 bits")?;
    // TPMs write the exponent that everybody uses as 0.
    if ![0, EXPONENT].contains(&input.u32()?) {
        return Err(Unsupported("an RSA endorsement key with an exponent other than 65537"));
    }
    let modulus: [u8; 256] = input.sized(256)?.try_into().map_err(|_| Malformed("modulus"))?;
    if modulus[0] & 0x80 == 0 || modulus[255] & 1 == 0 {
        return Err(Malformed("modulus"));
    }
    Ok(modulus)
}

/// Type, name algorithm and attributes. The policy, which follows them, is the device's own affair.
fn head(input: &mut Marshalled<'_>) -> Result<(u16, NameHash, u32), AttestationError> {
    let kind = input.u16()?;
    let hash = match input.u16()? {
        SHA256 => NameHash::Sha256,
        SHA384 => NameHash::Sha384,
        _ => return Err(Unsupported("a name algorithm other than SHA-256 or SHA-384")),
    };
    let attributes = input.u32()?;
    let policy = input.sized(hash.length())?.len();
    if policy != 0 && policy != hash.length() {
        return Err(Malformed("policy"));
    }
    Ok((kind, hash, attributes))
}

/// All that is wanted must be set, and nothing else may be but what does not matter.
fn check_attributes(attributes: u32, wanted: u32) -> Result<(), AttestationError> {
    if attributes & !EITHER_WAY == wanted { Ok(()) } else { Err(WrongAttributes) }
}

fn want(input: &mut Marshalled<'_>, wanted: u16, otherwise: &'static str) -> Result<(), AttestationError> {
    if input.u16()? == wanted { Ok(()) } else { Err(Unsupported(otherwise)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attestation::fixtures::*;

    /// One of the parsers, without what it read.
    type Reader = fn(&[u8]) -> Result<(), AttestationError>;

    fn signing(bytes: &[u8]) -> Result<(), AttestationError> {
        EccPublic::signing_key(bytes).map(|_| ())
    }

    fn attesting(bytes: &[u8]) -> Result<(), AttestationError> {
        EccPublic::attestation_key(bytes).map(|_| ())
    }

    fn endorsement(bytes: &[u8]) -> Result<(), AttestationError> {
        EndorsementPublic::parse(bytes).map(|_| ())
    }

    /// Each kind of key: who reads it, how it is written, with which attributes.
    type Writer = fn(u32) -> Vec<u8>;

    fn kinds() -> [(Reader, Writer, u32); 4] {
        [
            (signing, p256_area, SIGNING),
            (attesting, p256_area, ATTESTING),
            (endorsement, rsa_area, RSA_STORAGE),
            (endorsement, ecc_area, ECC_STORAGE),
        ]
    }

    #[test]
    fn a_key_of_swtpm_is_read_under_the_name_that_swtpm_gives_it() {
        let area = hex(
            "0023000b00050472000000100018000b0003001000204e702bc73975814b754b0944770523a973a6039c0cfff18a\
            c59bb5fae7e18b260020edc6cc17ea3fc173d190675fa33102f71cf188e0263c6760254d7ff571e26005",
        );
        let key = EccPublic::attestation_key(&area).unwrap();
        assert_eq!(key.name, hex("000b2fb0af119b8a157dfd3f623672b814411bb2dd1f537c283a2021a8b71fcc681b"));
        assert_eq!(key.name.len(), NAME);
        assert_eq!(key.point.as_slice(), [[4_u8].as_slice(), &area[22..54], &area[56..]].concat());
        assert_eq!((key.attributes, key.restricted), (ATTESTING, true));
        assert_eq!(EccPublic::signing_key(&area), Err(WrongAttributes));
    }

    #[test]
    fn an_endorsement_key_of_swtpm_is_read() {
        let area = hex(
            "0023000c000300f20030b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09\
            699646150f9fc000f3f80e120006010000430010000400100030bcf8d60ea286a3edcba2041acded84d793562eed6edd\
            c4624b9cdc615b26be3f0642cf5209486d34a4f81cd4737879ad003039e16573b6cd2f4248e64cf9992ca05bcfc84542\
            09c0b5ae8a2bfd40c37977164008b1a2e16ae8e939758f5c1348b1d5",
        );
        let protection = Protection { hash: NameHash::Sha384, cipher: Cipher::Aes256 };
        let (x, y) = (area[72..120].try_into().unwrap(), area[122..].try_into().unwrap());
        assert_eq!(EndorsementPublic::parse(&area), Ok(EndorsementPublic::P384 { x, y, protection }));
        let EndorsementPublic::Rsa2048 { modulus, protection } = rsa_public() else {
            panic!("it is RSA");
        };
        assert_eq!(modulus.as_slice(), &rsa_area(RSA_STORAGE)[58..]);
        assert_eq!(protection, Protection { hash: NameHash::Sha256, cipher: Cipher::Aes128 });
    }

    #[test]
    fn the_fingerprint_is_that_of_the_key_alone() {
        let EndorsementPublic::Rsa2048 { mut modulus, .. } = rsa_public() else {
            panic!("it is RSA");
        };
        let EndorsementPublic::P384 { mut x, y, .. } = ecc_public() else {
            panic!("it is P-384");
        };
        // The same key under another name algorithm and cipher.
        let protection = Protection { hash: NameHash::Sha384, cipher: Cipher::Aes256 };
        let rsa = EndorsementPublic::Rsa2048 { modulus, protection };
        assert_eq!(rsa.fingerprint(), rsa_public().fingerprint());
        let protection = Protection { hash: NameHash::Sha256, cipher: Cipher::Aes128 };
        let ecc = EndorsementPublic::P384 { x, y, protection };
        assert_eq!(ecc.fingerprint(), ecc_public().fingerprint());
        // Another key, and another kind.
        (modulus[100], x[0]) = (modulus[100] ^ 1, x[0] ^ 1);
        let others = [
            EndorsementPublic::Rsa2048 { modulus, protection }.fingerprint(),
            EndorsementPublic::P384 { x, y, protection }.fingerprint(),
            ecc.fingerprint(),
        ];
        for other in others {
            assert_ne!(other, rsa.fingerprint());
        }
        assert_ne!(others[1], others[2]);
    }

    #[test]
    fn kinds_have_stable_words() {
        let kinds = [(EndorsementKind::Rsa2048, r#""rsa-2048""#), (EndorsementKind::P384, r#""p-384""#)];
        for (kind, word) in kinds {
            assert_eq!(serde_json::to_string(&kind).unwrap(), word);
            assert_eq!(serde_json::from_str::<EndorsementKind>(word).unwrap(), kind);
        }
        assert_eq!((rsa_public().kind(), ecc_public().kind()), (kinds[0].0, kinds[1].0));
    }

    #[test]
    fn every_other_attribute_is_refused() {
        for (read, area, attributes) in kinds() {
            assert_eq!(read(&area(attributes)), Ok(()));
            for bit in (0..32).map(|i| 1 << i) {
                let expected = if EITHER_WAY & bit != 0 { Ok(()) } else { Err(WrongAttributes) };
                assert_eq!(read(&area(attributes ^ bit)), expected, "{attributes:#x} without {bit:#x}");
            }
        }
    }

    #[test]
    fn a_part_of_a_key_or_more_than_a_key_is_refused() {
        for (read, area, attributes) in kinds() {
            let whole = area(attributes);
            for length in 0..whole.len() {
                assert!(read(&whole[..length]).is_err(), "{length} bytes");
            }
            assert_eq!(read(&[whole.as_slice(), &[0]].concat()), Err(Malformed("bytes are left over")));
            assert_eq!(read(&[whole.as_slice(), &[0; 512]].concat()), Err(Malformed("too long")));
        }
    }

    #[test]
    fn another_algorithm_curve_or_scheme_is_refused() {
        // Type and name algorithm, and what stands between the policy and the key.
        let places: [Vec<usize>; 3] =
            [(0..4).chain(10..22).collect(), (0..4).chain(42..56).collect(), (0..4).chain(58..70).collect()];
        for ((read, area, attributes), places) in kinds().into_iter().skip(1).zip(places) {
            for place in places {
                for change in [0x01, 0x10, 0x80] {
                    let mut bytes = area(attributes);
                    bytes[place] ^= change;
                    assert!(read(&bytes).is_err(), "byte {place} of {attributes:#x}");
                }
            }
        }
    }

    #[test]
    fn one_kind_of_key_is_not_taken_for_another() {
        let endorsing = |attributes| attributes == RSA_STORAGE || attributes == ECC_STORAGE;
        for (read, _, own) in kinds() {
            for (_, area, attributes) in kinds() {
                let fits = own == attributes || (endorsing(own) && endorsing(attributes));
                assert_eq!(read(&area(attributes)).is_ok(), fits, "{own:#x} and {attributes:#x}");
            }
        }
    }

    #[test]
    fn an_exponent_may_be_written_out_and_a_modulus_is_whole_and_odd() {
        let change = |place: usize, bytes: &[u8]| {
            let mut area = rsa_area(RSA_STORAGE);
            area[place..place + bytes.len()].copy_from_slice(bytes);
            endorsement(&area)
        };
        assert_eq!(change(52, &EXPONENT.to_be_bytes()), Ok(()));
        assert!(change(52, &3_u32.to_be_bytes()).is_err());
        assert_eq!(change(58, &[0x7f]), Err(Malformed("modulus")));
        assert_eq!(change(58 + 255, &[0x10]), Err(Malformed("modulus")));
        let short = [&rsa_area(RSA_STORAGE)[..56], sized(&[0xff; 255]).as_slice()].concat();
        assert_eq!(endorsement(&short), Err(Malformed("modulus")));
    }

    #[test]
    fn coordinates_without_their_leading_zeros_are_filled_up() {
        let area = [&p256_area(SIGNING)[..20], &sized(&[5; 31]), &sized(&[6])].concat();
        let point = EccPublic::signing_key(&area).unwrap().point;
        let expected = [[4_u8, 0].as_slice(), &[5; 31], &[0; 31], &[6]].concat();
        assert_eq!(point.as_slice(), expected);
        for (x, y) in [(33, 32), (32, 33), (0, 32), (32, 0)] {
            let area = [&p256_area(SIGNING)[..20], &sized(&vec![5; x]), &sized(&vec![6; y])].concat();
            assert!(EccPublic::signing_key(&area).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
            place in 0_usize..400,
            value in proptest::num::u8::ANY,
        ) {
            for (read, area, attributes) in kinds() {
                let _ = read(&bytes);
                let mut spoilt = area(attributes);
                if let Some(byte) = spoilt.get_mut(place) {
                    *byte = value;
                }
                let _ = read(&spoilt);
            }
        }
    }
}
