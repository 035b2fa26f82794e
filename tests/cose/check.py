"""Reads the test vectors of docs/protocol.md with what is not ours: pycose, cbor2, pyhpke and OpenSSL. The
tables below were written from that page, not from the code.

Usage: check.py FOLDER
    prints {"checked": n, "signed": n, "sealed": n, "derived": n, "refused": n}; where a vector is not what
    the page says, or there are too few of them, says so and exits with 1
"""
import hashlib
import hmac
import json
import pathlib
import subprocess
import sys
import tempfile
import unicodedata

import cbor2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pycose.keys import EC2Key
from pycose.keys.curves import P256
from pycose.messages import CoseMessage, Sign1Message
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKeyPair

PREFIX = "vultus/1 "
# What an envelope adds to a payload, at most.
FRAME = 128
SEALED_CAP = 12 * 1024
# How many vectors there are at least.
LEAST = {"signed": 19, "sealed": 3, "derived": 6, "refused": 75}


class Refused(Exception):
    """These bytes are not what they should be."""


class Mismatch(Exception):
    """The vector is not what the page says."""


def want(holds, what):
    if not holds:
        raise Mismatch(what)


# Types of fields: each raises Refused for a value that is not one.


def demand(holds, what):
    if not holds:
        raise Refused(what)


def bstr(least, most=None):
    most = least if most is None else most

    def check(value):
        demand(type(value) is bytes and least <= len(value) <= most, "bytes")

    return check


def text(most, allowed):
    def check(value):
        demand(type(value) is str and 0 < len(value.encode()) <= most and all(map(allowed, value)), "text")

    return check


def uint(most):
    def check(value):
        demand(type(value) is int and 0 <= value <= most, "number")

    return check


def table(*rows):
    """A map: rows of key, name, type, and whether it may be absent."""
    rows = [(*row, False) if len(row) == 3 else row for row in rows]

    def check(value):
        demand(type(value) is dict and all(type(key) is int for key in value), "map")
        demand(value.keys() <= {row[0] for row in rows}, "an unknown field")
        for key, _, kind, optional in rows:
            if key in value:
                kind(value[key])
            else:
                demand(optional, "a missing field")

    check.rows = rows
    return check


def array(kind):
    def check(value):
        demand(type(value) is list, "array")
        for item in value:
            kind(item)

    check.item = kind
    return check


def printable(character):
    return unicodedata.category(character) != "Cc"


HOST = text(64, lambda c: c in "abcdefghijklmnopqrstuvwxyz0123456789.-:")
ACCOUNT = text(128, printable)
LABEL = text(64, printable)
AUDIENCE = text(128, lambda c: "!" <= c <= "~")
TRANSACTION = text(512, lambda c: c == "\n" or printable(c))
ID = bstr(16)
SECRET = bstr(32)
POINT = bstr(65)
ANY = bstr(0, 1 << 16)
TIME = uint((1 << 64) - 1)
FACE = uint(1)
WINDOW = table((1, "issued_at", TIME), (2, "expires_at", TIME))
POLICY = table((1, "biometric", FACE), (2, "liveness", uint(2)))
EVIDENCE = table((1, "liveness", uint(2)), (2, "spectrum", uint(1)), (3, "software", LABEL))
CERTIFICATION = table((1, "public", ANY), (2, "attest", ANY), (3, "signature", ANY))
TIMED = array(table((1, "key", POINT), (2, "not_before", TIME), (3, "not_after", TIME)))
INFO = table(
    (1, "ceremony", ID),
    (2, "server", HOST),
    (3, "service", HOST),
    (4, "account", ACCOUNT),
    (5, "virtual_account", ID),
    (6, "device", ID),
    (7, "code", SECRET),
    (8, "window", WINDOW),
    (9, "policy", POLICY),
    (10, "transaction", TRANSACTION, True),
)
RECEIPT = table(
    (1, "ceremony", ID),
    (2, "server", HOST),
    (3, "service", HOST),
    (4, "account", ACCOUNT),
    (5, "virtual_account", ID),
    (6, "device", ID),
    (7, "biometric", FACE),
    (8, "at", TIME),
    (9, "transaction", SECRET, True),
)
# Cap of the payload, and its form.
MESSAGES = {
    "server-keys": (
        4096,
        table((1, "server", HOST), (2, "version", TIME), (3, "signing", TIMED), (4, "sealing", TIMED)),
    ),
    "enrolment-request": (
        8192,
        table(
            (1, "server", HOST),
            (2, "device_key", POINT),
            (3, "device_public", ANY),
            (4, "attestation_public", ANY),
            (5, "endorsement_public", ANY),
            (6, "endorsement_certificate", ANY),
            (7, "manufacturer", LABEL),
            (8, "model", LABEL),
            (9, "at", TIME),
        ),
    ),
    "enrolment-challenge": (
        2048,
        table(
            (1, "enrolment", ID),
            (2, "server", HOST),
            (3, "device", ID),
            (4, "id_object", ANY),
            (5, "encrypted_secret", ANY),
            (6, "nonce", SECRET),
            (7, "window", WINDOW),
        ),
    ),
    "enrolment-proof": (
        2048,
        table(
            (1, "enrolment", ID),
            (2, "server", HOST),
            (3, "device", ID),
            (4, "secret", ANY),
            (5, "certification", CERTIFICATION),
            (6, "pairwise_secret", SECRET),
        ),
    ),
    "enrolment-receipt": (
        512,
        table((1, "enrolment", ID), (2, "server", HOST), (3, "device", ID), (4, "at", TIME)),
    ),
    "registration-info": (2048, INFO),
    "registration-request": (
        2048,
        table(
            (1, "ceremony", ID),
            (2, "server", HOST),
            (3, "service", HOST),
            (4, "device", ID),
            (5, "device_identity", ID),
            (6, "virtual_account", ID),
            (7, "biometric", FACE),
            (8, "feature_token", SECRET),
            (9, "code", SECRET),
            (10, "service_key", POINT),
            (11, "certification", CERTIFICATION),
            (12, "evidence", EVIDENCE),
        ),
    ),
    "registration-receipt": (1024, RECEIPT),
    "authentication-info": (2048, INFO),
    "authentication-request": (
        1024,
        table(
            (1, "ceremony", ID),
            (2, "server", HOST),
            (3, "service", HOST),
            (4, "device", ID),
            (5, "virtual_account", ID),
            (6, "biometric", FACE),
            (7, "feature_token", SECRET),
            (8, "code", SECRET),
            (9, "transaction", SECRET, True),
            (10, "evidence", EVIDENCE),
        ),
    ),
    "authentication-receipt": (1024, RECEIPT),
    "deregistration-info": (2048, INFO),
    "deregistration-request": (
        512,
        table(
            (1, "ceremony", ID),
            (2, "server", HOST),
            (3, "service", HOST),
            (4, "device", ID),
            (5, "virtual_account", ID),
            (6, "code", SECRET),
        ),
    ),
    "deregistration-receipt": (1024, RECEIPT),
    "assertion": (
        512,
        table(
            (1, "audience", AUDIENCE),
            (2, "nonce", bstr(16, 64)),
            (3, "uid", uint((1 << 32) - 1)),
            (4, "biometric", FACE),
            (5, "at", TIME),
            (6, "evidence", EVIDENCE),
        ),
    ),
}
# Where a message comes both ways.
OPTIONAL = {(kind, there) for kind in MESSAGES for there in (False, True) if kind.startswith("authentication")}
SEALED = table((1, "key", bstr(8)), (2, "encapsulated", POINT), (3, "ciphertext", ANY))
# Purpose, and bytes of the value.
KEYED = {
    "pairwise-device": ("pairwise device", 16),
    "virtual-account": ("virtual account", 16),
    "feature-token": ("feature token", 32),
}
HASHED = {"key-id": 8, "device-identity": 16, "transaction-hash": 32}


# Reading, as the page says that a receiver reads.


def one_value(data, cap):
    """One CBOR value in its only spelling, from all of the bytes."""
    demand(len(data) <= cap, "too long")
    try:
        value = cbor2.loads(data)
        again = cbor2.dumps(value, canonical=True)
    except Exception as error:  # whatever a decoder may say of hostile bytes
        raise Refused(f"not CBOR: {error}") from error
    demand(again == data, "another spelling")
    return value


def read_payload(data, kind):
    cap, form = MESSAGES[kind]
    value = one_value(data, cap)
    form(value)
    return value


def read_packet(data, kind):
    """Protected header, key id, payload and signature."""
    whole = one_value(data, MESSAGES[kind][0] + FRAME)
    demand(isinstance(whole, cbor2.CBORTag) and whole.tag == 18, "no COSE_Sign1")
    demand(type(whole.value) is list and len(whole.value) == 4, "not an array of four")
    protected, unprotected, payload, signature = whole.value
    demand(type(protected) is bytes and type(payload) is bytes, "no header, or no payload")
    demand(unprotected == {} and type(signature) is bytes and len(signature) == 64, "unprotected or signature")
    header = one_value(protected, FRAME)
    demand(type(header) is dict and header.keys() == {1, 4} and header[1] == -7, "another header")
    bstr(8)(header[4])
    read_payload(payload, kind)
    return protected, header[4], payload, signature


def read_sealed(data):
    value = one_value(data, SEALED_CAP)
    SEALED(value)
    return value[1], value[2], value[3]


# Signatures.


def key_id(point):
    return hashlib.sha256(point).digest()[:8]


def pycose_verifies(packet, context, point):
    message = CoseMessage.decode(packet)
    if not isinstance(message, Sign1Message):
        return False
    message.external_aad = context
    message.key = EC2Key(crv=P256, x=point[1:33], y=point[33:])
    return message.verify_signature()


def der(signature):
    """r and s as an ECDSA-Sig-Value."""
    body = b""
    for number in (signature[:32], signature[32:]):
        digits = number.lstrip(b"\0") or b"\0"
        digits = (b"\0" if digits[0] & 0x80 else b"") + digits
        body += bytes([2, len(digits)]) + digits
    return bytes([0x30, len(body)]) + body


def openssl_verifies(signed, signature, point):
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with tempfile.TemporaryDirectory() as folder:
        names = [pathlib.Path(folder, name) for name in ("key.pem", "signature", "signed")]
        for name, content in zip(names, (pem, der(signature), signed)):
            name.write_bytes(content)
        command = ["openssl", "dgst", "-sha256", "-verify", names[0], "-signature", names[1], names[2]]
        done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == b"Verified OK"


# HPKE.

SUITE = CipherSuite.new(KEMId.DHKEM_P256_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)


def derived_pair(random):
    """DeriveKeyPair of RFC 9180: the pair and its point."""
    pair = SUITE.kem.derive_key_pair(random)
    return pair, pair.public_key.to_public_bytes()


def hpke_opened(sealed, scalar, context):
    name, encapsulated, ciphertext = sealed
    private = SUITE.kem.deserialize_private_key(scalar)
    try:
        recipient = SUITE.create_recipient_context(encapsulated, private, info=context)
        return recipient.open(ciphertext, aad=name)
    except Exception as error:  # the library has several, and OpenSSL its own
        raise Refused(f"not opened: {error!r}") from error


def hpke_sealed(packet, ephemeral: KEMKeyPair, point, context):
    recipient = SUITE.kem.deserialize_public_key(point)
    encapsulated, sender = SUITE.create_sender_context(recipient, info=context, eks=ephemeral)
    return encapsulated, sender.seal(packet, aad=key_id(point))


# The vectors.


def field_value(node):
    (kind, value), = [(k, v) for k, v in node.items() if k not in ("key", "name")]
    return {
        "bytes": lambda: bytes.fromhex(value),
        "text": lambda: value,
        "uint": lambda: value,
        "map": lambda: {field["key"]: field_value(field) for field in value},
        "array": lambda: [field_value(item) for item in value],
    }[kind]()


def check_names(fields, form):
    """The names beside the values are those of the table."""
    rows = {row[0]: row for row in form.rows}
    for field in fields:
        _, name, kind, _ = rows[field["key"]]
        want(field["name"] == name, f"field {field['key']} is called {field['name']}")
        if "map" in field:
            check_names(field["map"], kind)
        for item in field.get("array", []):
            check_names(item["map"], kind.item)


def check_key(key):
    point, scalar = bytes.fromhex(key["point"]), bytes.fromhex(key["scalar"])
    public = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.UncompressedPoint
    want(public.public_bytes(serialization.Encoding.X962, form) == point, "scalar and point")
    want(key_id(point).hex() == key["id"], "key id")
    return point, scalar


def check_signed(vector):
    kind, context = vector["type"], vector["context"]
    cap, form = MESSAGES[kind]
    want(context == PREFIX + kind and vector["cap"] == cap, "context or cap")
    point, _ = check_key(vector["key"])
    payload, packet = bytes.fromhex(vector["payload"]), bytes.fromhex(vector["packet"])
    expected = {field["key"]: field_value(field) for field in vector["message"]}
    want(read_payload(payload, kind) == expected, "payload and fields")
    want(cbor2.dumps(expected, canonical=True) == payload, "canonical encoding")
    check_names(vector["message"], form)
    protected, name, carried, signature = read_packet(packet, kind)
    want(name == key_id(point) and carried == payload, "what the packet carries")
    want(signature.hex() == vector["signature"], "signature")
    signed = cbor2.dumps(["Signature1", protected, context.encode(), payload], canonical=True)
    want(signed.hex() == vector["to_be_signed"], "to_be_signed")
    want(hashlib.sha256(signed).hexdigest() == vector["digest"], "digest")
    want(pycose_verifies(packet, context.encode(), point), "pycose does not verify it")
    want(not pycose_verifies(packet, context.encode() + b"x", point), "pycose verifies it in any context")
    want(openssl_verifies(signed, signature, point), "OpenSSL does not verify it")
    return kind, "transaction" in {field["name"] for field in vector["message"]}


def check_sealed(vector):
    context = vector["context"].encode()
    point, scalar = check_key(vector["recipient"])
    pair, derived = derived_pair(bytes.fromhex(vector["recipient"]["random"]))
    want(derived == point, "the recipient's key is not derived from its random bytes")
    packet, sealed = bytes.fromhex(vector["packet"]), bytes.fromhex(vector["sealed"])
    read = read_sealed(sealed)
    want(read[0] == key_id(point), "key id")
    want([part.hex() for part in read[1:]] == [vector["encapsulated"], vector["ciphertext"]], "parts")
    want(hpke_opened(read, scalar, context) == packet, "it opens to another packet")
    want(refused(lambda: hpke_opened(read, scalar, context + b"x")), "it opens in any context")
    ephemeral = hashlib.sha256(bytes.fromhex(vector["random"]) + bytes(4)).digest()
    want(ephemeral.hex() == vector["ephemeral"], "ephemeral")
    pair, _ = derived_pair(ephemeral)
    want(hpke_sealed(packet, pair, point, context) == read[1:], "it is sealed otherwise")
    read_packet(packet, vector["context"].removeprefix(PREFIX))


def check_hashed(vector):
    value = hashlib.sha256(bytes.fromhex(vector["input"])).digest()[: HASHED[vector["name"]]]
    want(value.hex() == vector["value"], "value")


def check_keyed(vector):
    purpose, length = KEYED[vector["name"]]
    want(vector["purpose"] == purpose, "purpose")
    parts = [part.encode() for part in (purpose, *vector["names"])]
    data = b"".join(len(part).to_bytes(4, "big") + part for part in parts) + bytes.fromhex(vector["rest"])
    want(data.hex() == vector["input"], "input")
    tag = hmac.new(bytes.fromhex(vector["key"]), data, "sha256").digest()
    want(tag[:length].hex() == vector["value"], "value")


def refused(read):
    try:
        read()
    except Refused:
        return True
    return False


def check_refused_packet(vector):
    data, point = bytes.fromhex(vector["bytes"]), bytes.fromhex(vector["key"])
    want(vector["context"] == PREFIX + vector["type"], "context")
    if vector["stage"] == "parse":
        want(vector["error"] in ("malformed", "oversize"), "error")
        want(refused(lambda: read_packet(data, vector["type"])), "it is read")
        return
    _, name, _, _ = read_packet(data, vector["type"])
    if vector["error"] == "unknown-key":
        want(name != key_id(point), "it names the key")
    else:
        want(vector["error"] == "bad-signature" and name == key_id(point), "error")
        want(not pycose_verifies(data, vector["context"].encode(), point), "pycose verifies it")


def check_refused_sealed(vector):
    data, scalar = bytes.fromhex(vector["bytes"]), bytes.fromhex(vector["key"])
    if vector["stage"] == "parse":
        want(refused(lambda: read_sealed(data)), "it is read")
    else:
        want(vector["error"] == "not-opened", "error")
        read = read_sealed(data)
        want(refused(lambda: hpke_opened(read, scalar, vector["context"].encode())), "it is opened")


def main(folder):
    def vectors(name):
        return json.loads(pathlib.Path(folder, name).read_text(encoding="utf-8"))

    derived, negative = vectors("derived.json"), vectors("refused.json")
    rows = [
        *(("signed", check_signed, v) for v in vectors("signed.json")),
        *(("sealed", check_sealed, v) for v in vectors("sealed.json")),
        *(("derived", check_hashed, v) for v in derived["hashed"]),
        *(("derived", check_keyed, v) for v in derived["keyed"]),
        *(("refused", check_refused_packet, v) for v in negative["packets"]),
        *(("refused", check_refused_sealed, v) for v in negative["sealed"]),
    ]
    counted, seen = dict.fromkeys(LEAST, 0), set()
    for group, check, vector in rows:
        try:
            found = check(vector)
        except Exception as error:  # whatever is wrong with a vector, it is named
            raise Mismatch(f"{group} {vector.get('name')}: {error!r}") from error
        counted[group] += 1
        if group == "signed":
            seen.add(found)
    want({kind for kind, _ in seen} == MESSAGES.keys() and OPTIONAL <= seen, "a message has no vector")
    for group, least in LEAST.items():
        want(counted[group] >= least, f"only {counted[group]} of {least} {group}")
    print(json.dumps({"checked": sum(counted.values()), **counted}))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Mismatch as error:
        sys.exit(f"check.py: {error}")
