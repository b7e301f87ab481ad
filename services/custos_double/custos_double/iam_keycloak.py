"""A real Keycloak as the identity server behind Custos' API: its admin REST, and its realms' OpenID Connect endpoints."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import time
from typing import Any
from urllib.parse import quote

import aiohttp
import jwt
from aiohttp import web

from custos_double.clients import MANAGEMENT, of_tenant, told
from custos_double.errors import ALREADY_EXISTS, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, ApiError, OAuthError
from custos_double.iam import Credential
from custos_double.keycloak_rest import USER_FIELDS
from custos_double.realms import MASTER, SERVICE_PREFIX, Realms
from custos_double.settings import Keycloak
from custos_double.store import Record

ITERATIONS = 210_000  # what Keycloak itself takes for this way of hashing
SECONDS = 60
CODES = {400: INVALID_ARGUMENT, 404: NOT_FOUND, 409: ALREADY_EXISTS}


def sealed(password: str) -> str:
    """A credential that Keycloak imports: PBKDF2, since it does not know our own scrypt."""
    salt = secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, 64)
    secret = {"value": base64.b64encode(digest).decode(), "salt": base64.b64encode(salt).decode()}
    how = {"algorithm": "pbkdf2-sha512", "hashIterations": ITERATIONS}
    return json.dumps({"type": "password", "credentialData": json.dumps(how), "secretData": json.dumps(secret)})


def read(user: Record) -> Record:
    """A user as ``Iam`` describes one, out of Keycloak's UserRepresentation."""
    own: Record = {name: user.get(theirs, "") for theirs, name in USER_FIELDS.items()}
    return {**own, "attributes": user.get("attributes") or {}, "id": user["id"], "created": user["createdTimestamp"]}


class KeycloakIam:
    """An ``Iam`` that acts as the administrator of all realms. Of a realm, only groups and secrets of Custos are in our own store."""

    def __init__(self, realms: Realms, settings: Keycloak) -> None:
        self.realms = realms
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._token, self._until = "", 0.0

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    # How to talk to it

    async def _send(self, verb: str, path: str, **options: Any) -> tuple[int, Any]:
        """(status, JSON or nothing) of a request to ``path`` below the server's address."""
        try:
            if self._session is None:  # made where there is a loop
                context = ssl.create_default_context(cafile=self.settings.ca_file)
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=context), cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=SECONDS)
                )
            async with self._session.request(verb, f"{self.settings.url}{path}", allow_redirects=False, **options) as answer:
                body = await answer.read()
                return answer.status, json.loads(body) if answer.content_type == "application/json" and body else None
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise ApiError(INTERNAL, f"Keycloak at {self.settings.url} does not answer: {error or type(error).__name__}") from error

    async def _admin(self, verb: str, path: str, body: Any = None, **query: str) -> Any:
        """An answer of the admin REST below ``/realms``; raises ApiError with Keycloak's words."""
        if time.monotonic() > self._until:
            login = {"grant_type": "password", "client_id": "admin-cli", "username": self.settings.username, "password": self.settings.password}
            status, token = await self._send("POST", f"/realms/{MASTER}/protocol/openid-connect/token", data=login)
            if status != 200:
                raise ApiError(INTERNAL, f"Keycloak at {self.settings.url} does not take the administrator {self.settings.username}: HTTP {status}")
            self._token, self._until = token["access_token"], time.monotonic() + token["expires_in"] / 2
        headers = {"Authorization": f"Bearer {self._token}"}
        status, answer = await self._send(verb, f"/admin/realms{path}", json=body, params=query, headers=headers)
        if status >= 300:
            said = answer if isinstance(answer, dict) else {}
            raise ApiError(CODES.get(status, INTERNAL), str(said.get("errorMessage") or said.get("error") or f"HTTP {status}"))
        return answer

    # The realm and its client

    async def seal(self, password: str) -> str:
        return await asyncio.to_thread(sealed, password)

    async def open_realm(self, tenant: Record) -> None:
        realm, fields, client = str(tenant["tenant_id"]), tenant["fields"], of_tenant(tenant)
        everybody = f"default-roles-{realm}"
        administrator = {
            "username": fields["admin_username"].lower(), "firstName": fields["admin_first_name"], "lastName": fields["admin_last_name"],
            "email": fields["admin_email"], "emailVerified": True, "enabled": True, "credentials": [json.loads(tenant["admin_hash"])],
            "realmRoles": ["admin", everybody],
        }  # fmt: skip
        service = {
            "username": f"{SERVICE_PREFIX}{client['clientId']}", "serviceAccountClientId": client["clientId"], "enabled": True, "realmRoles": [everybody],
            "clientRoles": {MANAGEMENT: ["manage-users"]},
        }  # fmt: skip
        # Custos gives an administrator the role and every single right; here the role has them.
        admin = {"name": "admin", "description": "Admin role for PGA users", "composites": {"client": {MANAGEMENT: ["realm-admin"]}}}
        own = self.realms.settings
        values = {
            "id": realm, "realm": realm, "displayName": fields["client_name"], "enabled": True, "loginWithEmailAllowed": False, "duplicateEmailsAllowed": True,
            "accessTokenLifespan": own.access_token_seconds, "ssoSessionIdleTimeout": own.session_idle_seconds,
            "ssoSessionMaxLifespan": own.session_max_seconds, "roles": {"realm": [admin]}, "clients": [client], "users": [administrator, service],
        }  # fmt: skip
        try:
            await self._admin("POST", "", values)
        except ApiError as error:
            if error.code != ALREADY_EXISTS:
                raise
            await self.write_client(tenant)
            return
        self._until = 0.0  # a token knows only the realms there were when it was made
        profile = await self._admin("GET", f"/{realm}/users/profile")  # Custos' realms come from a time before profiles: they keep every attribute
        await self._admin("PUT", f"/{realm}/users/profile", {**profile, "unmanagedAttributePolicy": "ENABLED"})

    async def write_client(self, tenant: Record) -> None:
        place = f"/{tenant['tenant_id']}/clients"
        found = await self._admin("GET", place, clientId=tenant["client_id"])
        if found:
            await self._admin("PUT", f"{place}/{found[0]['id']}", told(tenant))
        else:
            await self._admin("POST", place, of_tenant(tenant))

    async def add_client(self, realm: str, values: Record) -> str:
        await self._admin("POST", f"/{realm}/clients", values)
        (made,) = await self._admin("GET", f"/{realm}/clients", clientId=values["clientId"])
        return str(made.get("secret", ""))

    async def drop_realm(self, realm: str) -> None:
        try:
            await self._admin("DELETE", f"/{realm}")
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise

    async def discovery(self, _request: web.Request, realm: str) -> Record:
        status, document = await self._send("GET", f"/realms/{realm}/.well-known/openid-configuration")
        if status != 200:
            raise ApiError(CODES.get(status, INTERNAL), f"Keycloak has no realm {realm}: HTTP {status}")
        return dict(document)

    # Users

    async def user(self, realm: str, username: str) -> Record | None:
        found = await self._admin("GET", f"/{realm}/users", username=username.lower(), exact="true")
        return read(found[0]) if found else None

    async def users(self, realm: str, fields: dict[str, str], anywhere: str = "", first: int = 0, most: int = -1) -> list[Record]:
        names = {own: theirs for theirs, own in USER_FIELDS.items()}
        query = {names[name]: value for name, value in fields.items() if value} | ({"search": anywhere} if anywhere else {})
        return [read(user) for user in await self._admin("GET", f"/{realm}/users", **query, first=str(first), max=str(most))]

    @staticmethod
    def _written(user: Record) -> Record:
        return {theirs: user[name] for theirs, name in USER_FIELDS.items() if name in user}

    async def add_user(self, realm: str, values: Record, attributes: Record, *, enabled: bool) -> Record:
        named = {name: str(values.get(name) or "") for name in ("username", "first_name", "last_name", "email")}
        password = {"type": "password", "value": str(values["password"]), "temporary": False}
        body = self._written({**named, "enabled": enabled, "attributes": attributes})
        await self._admin("POST", f"/{realm}/users", {**body, "credentials": [password]})
        user = await self.user(realm, named["username"])
        if user is None:
            raise ApiError(INTERNAL, f"User {named['username']} is gone from {realm}")
        return user

    async def change_user(self, realm: str, user: Record, values: Record) -> Record:
        changed = {**user, **values}
        await self._admin("PUT", f"/{realm}/users/{user['id']}", self._written(changed))
        return changed

    async def set_password(self, realm: str, user: Record, password: str) -> None:
        await self._admin("PUT", f"/{realm}/users/{user['id']}/reset-password", {"type": "password", "value": password, "temporary": False})

    async def delete_user(self, realm: str, user: Record) -> None:
        await self._admin("DELETE", f"/{realm}/users/{user['id']}")
        self.realms.delete_user(realm, user["username"])  # the memberships in Custos' groups

    # Roles

    async def _owner(self, realm: str, owner: str) -> tuple[str, str]:
        """(address of the owner's roles, the end of the address of a user's roles of this owner)"""
        if not owner:
            return f"/{realm}/roles", "realm"
        found = await self._admin("GET", f"/{realm}/clients", clientId=owner)
        if not found:
            raise ApiError(NOT_FOUND, "Could not find client")
        return f"/{realm}/clients/{found[0]['id']}/roles", f"clients/{found[0]['id']}"

    async def roles(self, realm: str, owner: str) -> list[Record]:
        place, _end = await self._owner(realm, owner)
        return [{"description": "", **role} for role in await self._admin("GET", place)]

    async def add_role(self, realm: str, owner: str, name: str, description: str) -> None:
        place, _end = await self._owner(realm, owner)
        await self._admin("POST", place, {"name": name, "description": description})

    async def delete_role(self, realm: str, owner: str, name: str) -> None:
        place, _end = await self._owner(realm, owner)
        await self._admin("DELETE", f"{place}/{quote(name, safe='')}")

    async def roles_of(self, realm: str, user: Record) -> dict[str, list[str]]:
        found = await self._admin("GET", f"/{realm}/users/{user['id']}/role-mappings")
        of_clients = {owner: [role["name"] for role in held["mappings"]] for owner, held in found.get("clientMappings", {}).items()}
        return {"": [role["name"] for role in found.get("realmMappings", [])], **of_clients}

    async def _map(self, verb: str, realm: str, user: Record, owner: str, names: list[str]) -> None:
        place, end = await self._owner(realm, owner)
        roles = [await self._admin("GET", f"{place}/{quote(name, safe='')}") for name in names]
        if roles:
            await self._admin(verb, f"/{realm}/users/{user['id']}/role-mappings/{end}", roles)

    async def grant(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        await self._map("POST", realm, user, owner, names)

    async def revoke(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        await self._map("DELETE", realm, user, owner, names)

    # Tokens

    async def _oidc(self, realm: str, client: Credential, path: str, form: dict[str, str]) -> tuple[int, Record]:
        own = {"client_id": client[0], **({"client_secret": client[1]} if client[1] else {})}
        status, answer = await self._send("POST", f"/realms/{realm}/protocol/openid-connect/{path}", data={**form, **own})
        return status, answer or {}

    async def tokens(self, realm: str, client: Credential, form: dict[str, str]) -> Record:
        status, answer = await self._oidc(realm, client, "token", form)
        if status != 200:
            raise OAuthError(status, str(answer.get("error", "")), str(answer.get("error_description", "")))
        return answer

    async def verify(self, token: str, realm: str = "") -> tuple[str, Record] | None:
        """As Custos does it: whoever gets an answer from the realm's userinfo has a good token. The realm is the issuer's."""
        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss", ""))
        except jwt.InvalidTokenError:
            return None
        home = issuer.rpartition("/")[2]
        if not home.isdigit() or realm not in ("", home):
            return None
        status, claims = await self._send("GET", f"/realms/{home}/protocol/openid-connect/userinfo", headers={"Authorization": f"Bearer {token}"})
        return (home, dict(claims)) if status == 200 else None

    async def introspect(self, realm: str, client: Credential, token: str) -> Record:
        status, answer = await self._oidc(realm, client, "token/introspect", {"token": token})
        return answer if status == 200 else {"active": False}

    async def end_session(self, realm: str, client: Credential, refresh_token: str) -> None:
        await self._oidc(realm, client, "logout", {"refresh_token": refresh_token})
