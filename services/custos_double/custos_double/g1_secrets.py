"""Custos' resource-secret-management: SSH keys and passwords, kept under a token. Custos keeps them in Vault, this server in its state file."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from custos_double.errors import INTERNAL, INVALID_ARGUMENT, NOT_FOUND, ApiError
from custos_double.g1 import Handler, Service, as_internal
from custos_double.params import nested, read_params, text, texts
from custos_double.store import Record

SSH, PASSWORD = "SSH", "PASSWORD"
RESOURCE_TYPES = (
    "SERVER_CERTIFICATE", "JWT_SIGNING_CERTIFICATE", "VAULT_CREDENTIAL", "VM", "ACCOUNT", "OTHER", "SCP", "S3", "BOX", "AZURE", "GCS", "DROPBOX", "FTP",
)  # fmt: skip


def new_key_pair(passphrase: str) -> tuple[str, str]:
    """(private, public): an RSA key as OpenSSH writes it, the private one sealed with the passphrase."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    sealed = serialization.BestAvailableEncryption(passphrase.encode())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, sealed)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} \n"


class SecretService(Service):
    name = "resource-secret-management"

    def calls(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/secret/ssh", self.add_ssh_credential),
            ("GET", "/secret/ssh", self.get_ssh_credential),
            ("DELETE", "/secret/ssh", self.delete_credential),
            ("POST", "/secret/password", self.add_password_credential),
            ("GET", "/secret/password", self.get_password_credential),
            ("DELETE", "/secret/password", self.delete_credential),
            ("GET", "/secret/summary", self.get_resource_credential_summary),
            ("GET", "/secret/summaries", self.get_all_resource_credential_summaries),
        ]

    # Keeping

    def _find(self, realm: str, token: str) -> Record | None:
        return self.realms.store.get("secret", realm, token, self.realms.clock())

    def _get(self, realm: str, token: str) -> Record:
        secret = self._find(realm, token)
        if secret is None:
            raise ApiError(NOT_FOUND, f"Exception occurred while fetching credential {token} : java.util.NoSuchElementException: No value present")
        return secret

    async def _add(self, request: web.Request, method: str, kind: str, names: tuple[str, ...]) -> tuple[str, Record]:
        params = await read_params(request)
        metadata = nested(params, "metadata")
        tenant = self.tenants.reach(await self.caller(request, method), text(metadata, "client_id"), method)
        realm, own = str(tenant["tenant_id"]), text(metadata, "token")
        kept_as = text(metadata, "resource_type") or RESOURCE_TYPES[0]
        if kept_as not in RESOURCE_TYPES:
            raise ApiError(INVALID_ARGUMENT, f"metadata.resource_type: invalid value {kept_as!r} for type TYPE_ENUM")
        if own and self._find(realm, own):
            raise ApiError(INTERNAL, f"Error occurred at {method} INTERNAL: Invalid token")
        secret = {
            "token": own or str(uuid.uuid4()),
            "chosen": bool(own),
            "kind": kind,
            "owner_id": text(metadata, "owner_id"),
            "description": text(metadata, "description"),
            "created": str(int(self.realms.clock() * 1000)),
            "values": {name: text(params, name) for name in names},
        }
        return realm, secret

    def _put(self, realm: str, secret: Record) -> web.Response:
        self.realms.store.put("secret", realm, secret["token"], secret)
        return web.json_response({"token": secret["token"]})

    async def add_ssh_credential(self, request: web.Request) -> web.Response:
        """Without a public key Custos makes the pair, without a passphrase it makes that."""
        realm, secret = await self._add(request, "addSSHCredential", SSH, ("passphrase", "public_key", "private_key"))
        values = secret["values"]
        values["passphrase"] = values["passphrase"].strip() or str(uuid.uuid4())
        if not values["public_key"].strip():
            values["private_key"], values["public_key"] = await asyncio.to_thread(new_key_pair, values["passphrase"])
        return self._put(realm, secret)

    async def add_password_credential(self, request: web.Request) -> web.Response:
        realm, secret = await self._add(request, "addPasswordCredential", PASSWORD, ("password", "userId"))
        return self._put(realm, secret)

    # Reading

    def _metadata(self, realm: str, secret: Record) -> dict[str, Any]:
        return {
            "owner_type": "TENANT_USER",
            "resource_type": "VAULT_CREDENTIAL",
            "source": "EXTERNAL",
            "name": "",
            "value": "",
            "type": secret["kind"],
            "tenantId": realm,
            "owner_id": secret["owner_id"],
            "persisted_time": secret["created"],
            "token": secret["token"],
            "description": secret["description"],
            "client_id": "",
        }

    async def _read(self, request: web.Request, method: str, kind: str) -> tuple[str, Record]:
        realm, params = await self.realm(request, method)
        with as_internal(method):
            secret = self._get(realm, text(params, "token"))
            if secret["kind"] != kind:
                # Custos looks in the wrong place of Vault, takes what it does not find for lost, and forgets the token.
                self.realms.store.delete("secret", realm, secret["token"])
                self._get(realm, secret["token"])
        return realm, secret

    async def get_ssh_credential(self, request: web.Request) -> web.Response:
        realm, secret = await self._read(request, "getSSHCredential", SSH)
        shares = {"use_shamirs_secret_sharing_with_encryption": False, "num_of_shares": 0, "threshold": 0, "private_key_shares": []}
        return web.json_response({"metadata": self._metadata(realm, secret), **secret["values"], **shares})

    async def get_password_credential(self, request: web.Request) -> web.Response:
        realm, secret = await self._read(request, "getPasswordCredential", PASSWORD)
        shares = {"use_shamirs_secret_sharing_with_encryption": False, "num_of_shares": 0, "threshold": 0, "secret_shares": []}
        metadata = self._metadata(realm, secret)
        if not secret["chosen"]:
            metadata["token"] = ""  # Custos' slip: only a token of the caller's own choice comes back here
        return web.json_response({"metadata": metadata, **secret["values"], **shares})

    async def get_resource_credential_summary(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "getResourceCredentialSummary")
        with as_internal("getResourceCredentialSummary"):
            return web.json_response(self._metadata(realm, self._get(realm, text(params, "token"))))

    async def get_all_resource_credential_summaries(self, request: web.Request) -> web.Response:
        """Of the tokens that the caller names. Without any the list is empty: Custos does not tell which there are."""
        realm, params = await self.realm(request, "getAllResourceCredentialSummaries")
        found = [self._find(realm, token) for token in texts(params, "accessible_tokens")]
        return web.json_response({"metadata": [self._metadata(realm, secret) for secret in found if secret]})

    async def delete_credential(self, request: web.Request) -> web.Response:
        """By either address, whatever the kind."""
        realm, params = await self.realm(request, "deleteCredential")
        with as_internal("deleteCredential"):
            secret = self._get(realm, text(params, "token"))
            self.realms.store.delete("secret", realm, secret["token"])
        return web.json_response({"status": True})
