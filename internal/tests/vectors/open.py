"""A second implementation of what a cookie holds, from its description alone.

It reads JSON from standard input: {"secret", "app", "cookie", "kind", "text"}, where
kind is token, sealed or signed, and writes what it opened as JSON. It shares no code
with the library: it is here so that the formats are what the documentation says.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


def b64(text):
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise ValueError("not the one spelling")
    return raw


def hkdf(key, salt, info, length):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info.encode()).derive(key)


def frame(*parts):
    out = b""
    for part in parts:
        part = part if isinstance(part, bytes) else part.encode()
        out += struct.pack(">I", len(part)) + part
    return out


def uvarint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def string(data, at):
    size, at = uvarint(data, at)
    return data[at : at + size], at + size


def payload(data):
    if data[0] != 1:
        raise ValueError("payload version")
    out = {"sid": data[1:17].hex()}
    epoch, at = string(data, 17)
    if len(epoch) not in (0, 8) or epoch == bytes(8):
        raise ValueError("epoch")
    out["epoch"] = epoch.hex()
    for name in ("version", "created", "touched", "idle", "absolute", "authenticated_at"):
        out[name], at = uvarint(data, at)
    subject, at = string(data, at)
    out["subject"] = subject.decode()
    attributes, at = string(data, at)
    out["attributes"] = attributes.hex()
    count, at = uvarint(data, at)
    out["values"] = {}
    for _ in range(count):
        name, at = string(data, at)
        value, at = string(data, at)
        out["values"][name.decode("latin-1")] = value.decode()
    if at != len(data):
        raise ValueError("bytes after the values")
    return out


def main():
    v = json.load(sys.stdin)
    key = b64(v["secret"].split(":", 1)[1])
    raw = b64(v["text"])
    app, cookie = v["app"], v["cookie"]
    tag = hkdf(key, None, "beaker key tag v1", 3)
    if raw[1:4] != tag:
        raise ValueError("key tag")
    if v["kind"] == "token":
        if raw[0] != 1 or len(raw) != 84:
            raise ValueError("not a token")
        mac_key = hkdf(key, None, "beaker token mac v1", 32)
        want = hmac.new(mac_key, frame("beaker token v1", app, cookie) + raw[:52], hashlib.sha256).digest()
        if not hmac.compare_digest(want, raw[52:]):
            raise ValueError("forged")
        sid, secret = raw[4:20], raw[20:52]
        out = {
            "key": hashlib.sha256(frame("beaker record key v1", app) + sid).hexdigest(),
            "proof": hashlib.sha256(frame("beaker record proof v1", app) + sid + secret).hexdigest(),
        }
    elif v["kind"] == "sealed":
        if raw[0] != 2:
            raise ValueError("not sealed")
        salt, commitment, box = raw[4:20], raw[20:52], raw[52:]
        seal_key = hkdf(key, None, "beaker sealed session key v1", 32)
        derived = HKDFExpand(algorithm=hashes.SHA256(), length=64, info=b"beaker sealed cookie keys v1" + salt).derive(seal_key)
        if not hmac.compare_digest(derived[32:], commitment):
            raise ValueError("commitment")
        aad = frame("beaker sealed session v1", b"\x02", "session", app, cookie)
        out = payload(AESGCM(derived[:32]).decrypt(box[:12], box[12:], aad))
    else:
        if raw[0] != 3:
            raise ValueError("not signed")
        sign_key = hkdf(key, None, "beaker signed session mac v1", 32)
        prefix = frame("beaker signed session v1", b"\x03", "session", app, cookie)
        want = hmac.new(sign_key, prefix + raw[:-32], hashlib.sha256).digest()
        if not hmac.compare_digest(want, raw[-32:]):
            raise ValueError("forged")
        out = payload(raw[4:-32])
    json.dump(out, sys.stdout)


main()
