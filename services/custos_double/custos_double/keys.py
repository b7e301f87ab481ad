"""Passwords, random names and signing keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import string
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

# 16 MiB and about 45 ms for each try: dear enough for a guesser, cheap enough for twenty people who log in at once on two cores.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
ALPHANUMERIC = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits


def random_text(length: int, characters: str = ALPHANUMERIC) -> str:
    return "".join(secrets.choice(characters) for _index in range(length))


def new_client_id(tenant_id: int) -> str:
    """Custos' form: ``custos-``, 20 lower-case alphanumerics, and the tenant's number."""
    return f"custos-{random_text(20, LOWER)}-{tenant_id}"


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, maxmem=64 * 2**20)


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


# Checked when the user does not exist, so that an answer's time does not tell who does.
NOBODY = hash_password(secrets.token_hex(16))


def check_password(password: str, stored: str) -> bool:
    _scheme, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), bytes.fromhex(digest))


def fingerprint(text: str) -> str:
    """What is kept of a token or code: enough to recognise it, not enough to use it."""
    return hashlib.sha256(text.encode()).hexdigest()


def challenge_of(verifier: str) -> str:
    """PKCE's S256 transform (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def new_signing_key() -> dict[str, Any]:
    """A fresh RS256 key: ``{kid, private (PEM), public (JWK)}``."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    kid = secrets.token_urlsafe(16)
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    public.pop("key_ops", None)
    return {"kid": kid, "private": pem, "public": {**public, "kid": kid, "use": "sig", "alg": "RS256"}}
