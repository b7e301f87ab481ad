"""The realms of this program as the identity server behind Custos' API."""

from __future__ import annotations

import asyncio

from aiohttp import web

from custos_double import keys
from custos_double.errors import ALREADY_EXISTS, NOT_FOUND, ApiError, OAuthError
from custos_double.iam import Credential
from custos_double.oidc import Oidc
from custos_double.roles import Roles
from custos_double.store import Record


class BuiltinIam:
    """An ``Iam`` that needs no other server."""

    def __init__(self, oidc: Oidc, roles: Roles) -> None:
        self.oidc = oidc
        self.realms = oidc.realms
        self.clients = oidc.clients
        self._roles = roles

    async def close(self) -> None:
        pass

    async def seal(self, password: str) -> str:
        return await asyncio.to_thread(keys.hash_password, password)

    async def open_realm(self, tenant: Record) -> None:
        """Only the administrator is made: client and realm are there with the tenant."""
        realm, fields = str(tenant["tenant_id"]), tenant["fields"]
        if not self.realms.user(realm, fields["admin_username"]):
            values = {"first_name": fields["admin_first_name"], "last_name": fields["admin_last_name"], "email": fields["admin_email"]}
            user = self.realms.new_user(fields["admin_username"].lower(), values, tenant["admin_hash"], enabled=True, admin=True)
            self.realms.save_user(realm, user)

    async def write_client(self, tenant: Record) -> None:
        self.clients.tell(tenant)

    async def add_client(self, realm: str, values: Record) -> str:
        return str(self.clients.create(realm, values).get("secret", ""))

    async def drop_realm(self, realm: str) -> None:
        self.realms.drop(realm)

    async def discovery(self, request: web.Request, realm: str) -> Record:
        if not self.clients.exists(realm):
            raise ApiError(NOT_FOUND, "Realm does not exist")
        return self.oidc.document(request, realm)

    async def user(self, realm: str, username: str) -> Record | None:
        return self.realms.user(realm, username)

    async def users(self, realm: str, fields: dict[str, str], anywhere: str = "", first: int = 0, most: int = -1) -> list[Record]:
        found = self.realms.search(realm, fields, anywhere)
        return found[first:] if most < 0 else found[first : first + most]

    async def add_user(self, realm: str, values: Record, attributes: Record, *, enabled: bool) -> Record:
        user = await self.realms.add_user(realm, values, enabled=enabled)
        if user is None:
            raise ApiError(ALREADY_EXISTS, "User exists with same username")
        return await self.change_user(realm, user, {"attributes": attributes})

    async def change_user(self, realm: str, user: Record, values: Record) -> Record:
        changed = {**user, **values}
        self.realms.save_user(realm, changed)
        return changed

    async def set_password(self, realm: str, user: Record, password: str) -> None:
        await self.change_user(realm, user, {"password": await self.seal(password)})

    async def delete_user(self, realm: str, user: Record) -> None:
        self.realms.delete_user(realm, user["username"])

    async def roles(self, realm: str, owner: str) -> list[Record]:
        return self._roles.all(realm, owner)

    async def add_role(self, realm: str, owner: str, name: str, description: str) -> None:
        self._roles.add(realm, owner, name, description)

    async def delete_role(self, realm: str, owner: str, name: str) -> None:
        self._roles.delete(realm, owner, name)

    async def roles_of(self, realm: str, user: Record) -> dict[str, list[str]]:
        return {owner: self._roles.of(realm, user, owner) for owner in ("", *user.get("roles", {}))}

    async def grant(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        self._roles.grant(realm, user, owner, names)

    async def revoke(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        self._roles.revoke(realm, user, owner, [self._roles.get(realm, owner, name)["name"] for name in names])

    async def tokens(self, realm: str, client: Credential, form: dict[str, str]) -> Record:
        if not self.clients.exists(realm):
            raise OAuthError(404, "Realm does not exist", "")
        return await self.oidc.grant(realm, self.oidc.known_client(realm, *client), form)

    async def verify(self, token: str, realm: str = "") -> tuple[str, Record] | None:
        verified = self.realms.verify_access(token, realm or None)
        if verified is None or "openid" not in str(verified[1]["scope"]).split():  # userinfo would not answer
            return None
        return verified[0], self.oidc.person(*verified)

    async def introspect(self, realm: str, client: Credential, token: str) -> Record:
        verified = self.realms.verify_access(token, realm)
        try:
            self.oidc.known_client(realm, *client)
        except OAuthError:
            verified = None
        claims = verified[1] if verified else {}
        audience = claims.get("aud", [])
        if client[0] not in ([audience] if isinstance(audience, str) else audience):
            return {"active": False}
        return {**claims, "client_id": claims["azp"], "username": claims["preferred_username"], "token_type": "Bearer", "active": True}

    async def end_session(self, realm: str, client: Credential, refresh_token: str) -> None:
        session = self.realms.session_of_refresh(realm, client[0], refresh_token)
        if session:
            self.realms.end_session(realm, session["sid"])
