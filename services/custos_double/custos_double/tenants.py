"""Tenants, which are Custos' clients: made, approved, changed and taken away. No HTTP in here."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Any

from custos_double import keys, settings
from custos_double.errors import INVALID_ARGUMENT, UNAUTHENTICATED, ApiError
from custos_double.iam import Credential, Iam
from custos_double.realms import Realms
from custos_double.store import Record

STATUSES = ("UNKNOWN", "REQUESTED", "APPROVED", "DENIED", "CANCELLED", "ACTIVE", "DEACTIVATED")
TEXTS = (
    "client_name", "requester_email", "admin_first_name", "admin_last_name", "admin_email", "admin_username", "client_uri", "scope", "domain", "comment",
    "logo_uri", "application_type", "token_endpoint_auth_method", "jwks_uri", "tos_uri", "policy_uri", "software_id", "software_version",
    "example_extension_parameter",
)  # fmt: skip
LISTS = ("contacts", "redirect_uris")
REQUIRED = (
    "client_name", "domain", "admin_first_name", "admin_last_name", "admin_email", "admin_username", "requester_email", "redirect_uris", "scope",
    "application_type",
)  # fmt: skip


@dataclass
class Caller:
    """Who is asking: a tenant by its client token, or one of its users."""

    tenant: Record
    username: str = ""  # empty for a client token
    admin: bool = False


def clean(values: Record, method: str, *, creating: bool) -> Record:
    """The tenant's own fields out of a request, each present; raises ApiError(400) for one that is missing or has the wrong type."""
    fields: Record = {}
    for name in (*TEXTS, "admin_password"):
        value = values.get(name, "")
        if isinstance(value, list | dict | bool):
            raise ApiError(INVALID_ARGUMENT, f"{name}: invalid value {value!r} for type TYPE_STRING")
        fields[name] = "" if value is None else str(value)
    for name in LISTS:
        value = values.get(name) or []
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ApiError(INVALID_ARGUMENT, f"{name}: invalid value {value!r}, an array of strings is expected")
        fields[name] = list(dict.fromkeys(value))
    lifetime = str(values.get("refesh_token_lifetime") or "0")
    if not lifetime.isdigit():
        raise ApiError(INVALID_ARGUMENT, f"refesh_token_lifetime: invalid value {lifetime!r} for type TYPE_INT64")
    fields["refesh_token_lifetime"] = lifetime
    for name in (*REQUIRED, "admin_password") if creating else REQUIRED:
        if not fields[name]:
            raise ApiError(INVALID_ARGUMENT, f"Error while validating method {method}, {name} should not be null")
    return fields


class Tenants:
    """All tenants, by number and by client id."""

    iam: Iam  # set by who builds the server: the built-in one needs the tenants itself

    def __init__(self, realms: Realms) -> None:
        self.realms = realms
        self.store = realms.store

    def by_id(self, tenant_id: str) -> Record | None:
        return self.store.get("tenant", "", tenant_id, self.realms.clock())

    def by_client(self, client_id: str) -> Record | None:
        """The tenant that owns these credentials; None once it was deleted, since its credentials went with it."""
        index = self.store.get("client", "", client_id, self.realms.clock())
        return self.by_id(index["tenant_id"]) if index else None

    def all(self) -> list[Record]:
        return sorted(self.store.list("tenant", "", self.realms.clock()), key=lambda tenant: int(tenant["tenant_id"]))

    def save(self, tenant: Record) -> None:
        self.store.put("tenant", "", str(tenant["tenant_id"]), tenant)

    async def create(self, fields: Record, parent: Record | None) -> Record:
        """A new tenant with ``fields`` as ``clean`` gives them. Nothing is unique: asked twice, Custos makes two."""
        password = await self.iam.seal(fields["admin_password"])
        counter = self.store.get("counter", "", "tenant", self.realms.clock()) or {"last": settings.SUPER_TENANT_ID}
        # A tenant from the configuration may sit on a number that was never counted.
        tenant_id = max([counter["last"], *(tenant["tenant_id"] for tenant in self.all())]) + 1
        tenant = self._record(tenant_id, fields, parent, keys.new_client_id(tenant_id), keys.random_text(40), password)
        with self.store.transaction():
            self.store.put("counter", "", "tenant", {"last": tenant_id})
            self._add(tenant)
        if parent:
            await self._activate(tenant)
        return tenant

    def _record(self, tenant_id: int, fields: Record, parent: Record | None, client_id: str, secret: str, password_hash: str) -> Record:
        return {
            "tenant_id": tenant_id,
            "parent_id": parent["tenant_id"] if parent else 0,
            "client_id": client_id,
            "client_secret": secret,
            "iam_secret": keys.random_text(36),
            "admin_hash": password_hash,
            "status": "REQUESTED",
            "created": self.realms.clock(),
            "fields": {name: value for name, value in fields.items() if name != "admin_password"},
        }

    def _add(self, tenant: Record) -> None:
        self.store.put("client", "", tenant["client_id"], {"tenant_id": str(tenant["tenant_id"])})
        self.save(tenant)

    async def _activate(self, tenant: Record) -> None:
        """What Custos' activation task does: the realm, its administrator, its client."""
        await self.iam.open_realm(tenant)
        tenant["status"] = "ACTIVE"
        self.save(tenant)

    async def approve_due(self) -> None:
        """Approve what has waited as long as the fault knob says."""
        delay = self.realms.settings.faults.approval_delay_seconds
        for tenant in self.all() if delay is not None else []:
            if tenant["status"] == "REQUESTED" and tenant["parent_id"] == 0 and tenant["created"] + delay <= self.realms.clock():
                await self._activate(tenant)

    async def update(self, tenant: Record, fields: Record) -> None:
        """Replace every field: what the request left out is empty afterwards."""
        tenant["fields"] = {name: value for name, value in fields.items() if name != "admin_password"}
        self.save(tenant)
        if tenant["status"] == "ACTIVE":
            await self.iam.write_client(tenant)

    async def set_status(self, tenant: Record, status: str) -> None:
        if status == "ACTIVE":
            await self._activate(tenant)
        else:
            tenant["status"] = status
            self.save(tenant)

    async def delete(self, tenant: Record) -> None:
        """The realm and all credentials go; the record stays, DEACTIVATED."""
        await self.iam.drop_realm(str(tenant["tenant_id"]))
        with self.store.transaction():
            self.store.drop_realm(str(tenant["tenant_id"]))  # groups and secrets
            self.store.delete("client", "", tenant["client_id"])
            tenant.update(status="DEACTIVATED", client_secret="", iam_secret="", admin_hash="")
            self.save(tenant)

    async def seed(self, tenant: settings.Tenant) -> None:
        """Make a configured tenant exist, ACTIVE, with the credentials and the administrator that its file names."""
        realm, now = str(tenant.tenant_id), self.realms.clock()
        mark = {"of": keys.fingerprint(repr(tenant))}
        if self.store.get("seed", "", realm, now) == mark:
            return
        fields = {
            **dict.fromkeys(TEXTS, ""),
            "client_name": tenant.client_name, "domain": tenant.domain, "requester_email": tenant.requester_email, "contacts": [],
            "admin_first_name": "Site", "admin_last_name": "Administrator", "admin_email": tenant.requester_email, "admin_username": tenant.admin_username,
            "redirect_uris": [f"https://{tenant.domain}/callback"], "scope": "openid profile email", "application_type": "web",
            "refesh_token_lifetime": "0",
        }  # fmt: skip
        password = await self.iam.seal(tenant.admin_password)
        with self.store.transaction():
            old = self.by_id(realm)
            if old and old["client_id"] != tenant.client_id:
                self.store.delete("client", "", old["client_id"])
            record = self._record(tenant.tenant_id, fields, None, tenant.client_id, tenant.client_secret, password)
            record["iam_secret"] = (old or record)["iam_secret"] or record["iam_secret"]
            self._add(record)
        await self._activate(record)
        user = await self.iam.user(realm, tenant.admin_username)
        if user:  # the file may have a new password
            await self.iam.set_password(realm, user, tenant.admin_password)
        self.store.put("seed", "", realm, mark)

    # Who may do what

    async def caller(self, header: str | None, method: str) -> Caller:
        """Read an Authorization header as Custos does: six characters off, the rest is a client token or a user's access token."""
        if not header:
            raise ApiError(INVALID_ARGUMENT, f"Error while validating method {method}, authorization header not available")
        token = header[6:].strip()
        client = self.client_of(token)
        if client:
            if client["status"] != "ACTIVE":
                raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, tenant is not active")
            return Caller(client)
        verified = await self.iam.verify(token)
        tenant = self.by_id(verified[0]) if verified else None
        if verified is None or tenant is None or tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, invalid token")
        username = verified[1]["preferred_username"]
        user = await self.iam.user(verified[0], username)
        return Caller(tenant, username, bool(user and "admin" in (await self.iam.roles_of(verified[0], user))[""]))

    def client_of(self, token: str) -> Record | None:
        """The tenant of a client token ``base64(client_id:client_secret)``, whatever its status; None when it is not one."""
        try:
            client_id, colon, secret = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        tenant = self.by_client(client_id) if colon else None
        good = tenant is not None and secrets.compare_digest(tenant["client_secret"].encode(), secret.encode())
        return tenant if good else None

    def is_super(self, tenant: Record) -> bool:
        return bool(tenant["tenant_id"] == settings.SUPER_TENANT_ID)

    def reach(self, caller: Caller, client_id: str, method: str) -> Record:
        """The tenant named by ``client_id``, when the caller is it, its parent or the super tenant (with administrators' rights, if a user)."""
        tenant = self.by_client(client_id) if client_id else caller.tenant
        own = tenant is not None and tenant["tenant_id"] == caller.tenant["tenant_id"]
        above = tenant is not None and (tenant["parent_id"] == caller.tenant["tenant_id"] or (self.is_super(caller.tenant) and caller.username))
        if tenant is None or not (own or above) or (caller.username and not caller.admin):
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, the token gives no right to client {client_id or '(none)'}")
        return tenant

    @staticmethod
    def iam_client(tenant: Record) -> tuple[str, Credential]:
        """(realm, client): as whom Custos asks for a tenant's tokens."""
        return str(tenant["tenant_id"]), (tenant["client_id"], tenant["iam_secret"])

    # What goes out

    def message(self, tenant: Record) -> dict[str, Any]:
        """Custos' Tenant message: every field printed, int64 as strings."""
        parent = self.by_id(str(tenant["parent_id"])) if tenant["parent_id"] else None
        return {
            "tenant_id": str(tenant["tenant_id"]),
            **tenant["fields"],
            "admin_password": "",
            "tenant_status": tenant["status"],
            "parent_tenant_id": str(tenant["parent_id"]),
            "client_id": tenant["client_id"],
            "parent_client_id": parent["client_id"] if parent else "",
        }

    def created_message(self, tenant: Record, base: str) -> dict[str, Any]:
        active = tenant["status"] == "ACTIVE"
        return {
            "client_id": tenant["client_id"],
            "client_secret": tenant["client_secret"],
            "is_activated": active,
            "client_id_issued_at": float(int(tenant["created"])),
            "client_secret_expires_at": 0.0,
            "registration_client_uri": f"{base}/apiserver/tenant-management/v1.0.0/oauth2/tenant?client_id={tenant['client_id']}",
            "token_endpoint_auth_method": "client_secret_basic",
            "msg": "Credentials are activated" if active else "Credentials are activated after admin approval",
        }

    def credentials_message(self, tenant: Record) -> dict[str, Any]:
        return {
            "iam_client_id": tenant["client_id"],
            "iam_client_secret": tenant["iam_secret"],
            "ci_logon_client_id": f"cilogon:/client_id/{tenant['tenant_id']}",
            "ci_logon_client_secret": keys.fingerprint(tenant["iam_secret"]),
            "custos_client_id": tenant["client_id"],
            "custos_client_secret": tenant["client_secret"],
            "custos_client_id_issued_at": float(int(tenant["created"])),
            "custos_client_secret_expired_at": 0.0,
        }
