"""What the parts of Keycloak's admin REST share: addresses, who may do what, refusals, roles."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from custos_double.clients import DEFAULTS, MANAGEMENT, MANAGEMENT_ROLES, Clients, fixed_id
from custos_double.errors import ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND, ApiError
from custos_double.realms import MASTER, SERVICE_PREFIX
from custos_double.roles import Roles
from custos_double.store import Record

BASE = "/auth/admin/realms"
USER_FIELDS = {
    "username": "username", "email": "email", "firstName": "first_name", "lastName": "last_name", "emailVerified": "email_verified", "enabled": "enabled",
    "attributes": "attributes",
}  # fmt: skip
# The fields of Keycloak's messages that are read here or handed back. Keycloak refuses a message with a field it does not know.
FIELDS = {
    "ClientRepresentation": {
        *DEFAULTS, "id", "clientId", "name", "description", "type", "rootUrl", "adminUrl", "baseUrl", "secret", "access", "protocolMappers", "origin",
        "authorizationServicesEnabled", "registrationAccessToken",
    },
    "UserRepresentation": {
        *USER_FIELDS, "id", "credentials", "groups", "requiredActions", "createdTimestamp", "totp", "disableableCredentialTypes", "notBefore", "access",
        "realmRoles", "clientRoles", "federatedIdentities", "federationLink", "origin", "self", "serviceAccountClientId", "userProfileMetadata",
    },
    "GroupRepresentation": {
        "id", "name", "description", "path", "parentId", "subGroupCount", "subGroups", "attributes", "realmRoles", "clientRoles", "access",
    },
    "RoleRepresentation": {"id", "name", "description", "composite", "composites", "clientRole", "containerId", "attributes", "scopeParamRequired"},
}  # fmt: skip
Endpoint = Callable[[web.Request, str], Awaitable[web.Response]]


class AdminError(Exception):
    """A refusal, with the body Keycloak gives it."""

    def __init__(self, status: int, **body: str) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


def refusal_of(error: ApiError) -> AdminError:
    if error.code == ALREADY_EXISTS:
        return AdminError(409, errorMessage=error.message)
    return AdminError({NOT_FOUND: 404, INVALID_ARGUMENT: 400}.get(error.code, 500), error=error.message)


async def body_of(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise AdminError(400, error="invalid_request", error_description="Cannot parse the JSON") from error


async def object_of(request: web.Request, kind: str = "") -> Record:
    """The JSON object in the body; of a ``kind`` that is named only with fields that Keycloak knows."""
    body = await body_of(request)
    if not isinstance(body, dict):
        raise AdminError(400, error="invalid_request", error_description="Cannot parse the JSON")
    unknown = [name for name in body if kind and name not in FIELDS[kind]]
    if unknown:
        raise AdminError(400, error=f'Invalid json representation for {kind}. Unrecognized field "{unknown[0]}" at line 1 column 1.')
    return body


def page(request: web.Request, found: list[Record]) -> web.Response:
    first, most = (request.query.get(name, "") for name in ("first", "max"))
    start = int(first) if first.isdigit() else 0
    return web.json_response(found[start : start + int(most)] if most.isdigit() else found[start:])


def flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


def user_shown(user: Record, *, access: bool = True, brief: bool = False) -> Record:
    """Keycloak's UserRepresentation; in lists ``brief``, of a client's account without ``access``."""
    shown = {name: user.get(own, True) for name, own in USER_FIELDS.items() if name != "attributes" and user.get(own, True) != ""}
    extra: Record = {"attributes": user["attributes"]} if user.get("attributes") else {}
    if access:
        rights = ("manage",) if brief else ("manageGroupMembership", "resetPassword", "view", "mapRoles", "impersonate", "manage")
        extra["access"] = dict.fromkeys(rights, True)
    return {
        "id": user["id"],
        **shown,
        **extra,
        "createdTimestamp": user["created"],
        "totp": False,
        "disableableCredentialTypes": [],
        "requiredActions": [],
        "notBefore": 0,
    }


class AdminRest:
    """One part. Its endpoints are told the realm's name, after it was seen that the caller may do what the table says."""

    def __init__(self, clients: Clients, roles: Roles) -> None:
        self.clients = clients
        self.roles = roles
        self.realms = clients.tenants.realms
        self.store = self.realms.store

    def table(self) -> list[tuple[str, str, str, Endpoint]]:
        """(verb, address below the realm, role of realm-management, endpoint)"""
        raise NotImplementedError

    def routes(self) -> list[web.RouteDef]:
        return [web.route(verb, f"{BASE}/{{realm}}{path}", self._guarded(role, endpoint)) for verb, path, role, endpoint in self.table()]

    # Who may do what

    @staticmethod
    def answered(handler: Callable[[web.Request], Awaitable[web.Response]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def wrapped(request: web.Request) -> web.Response:
            try:
                return await handler(request)
            except ApiError as error:
                refusal = refusal_of(error)
            except AdminError as error:
                refusal = error
            return web.json_response(refusal.body, status=refusal.status)

        return wrapped

    def _guarded(self, role: str, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def checked(request: web.Request) -> web.Response:
            home, held = self.caller(request)
            realm = request.match_info["realm"]
            if not self.clients.exists(realm):
                raise AdminError(404, error="Realm not found.")
            if home not in (realm, MASTER) or not {role, role.replace("view-", "manage-"), "realm-admin"} & held:
                raise AdminError(403, error="HTTP 403 Forbidden")
            return await endpoint(request, realm)

        return self.answered(checked)

    def caller(self, request: web.Request) -> tuple[str, set[str]]:
        """(realm of the token, roles of realm-management that its user has); in the realm ``master`` an administrator has them everywhere."""
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        verified = self.realms.verify_access(token.strip()) if scheme.lower() == "bearer" else None
        if verified is None:
            raise AdminError(401, error="HTTP 401 Unauthorized")
        home, username = verified[0], str(verified[1]["preferred_username"])
        user = self.realms.user(home, username)
        if user and user["admin"]:
            return home, {"realm-admin"}
        held = set(self.roles.of(home, user, MANAGEMENT)) if user else set()
        tenant = self.clients.tenants.by_id(home)
        if tenant and username == f"{SERVICE_PREFIX}{tenant['client_id']}":
            held.add("manage-users")  # Custos gives its clients so much
        return home, held

    @staticmethod
    def made(request: web.Request, name: str) -> web.Response:
        return web.Response(status=201, headers={"Location": f"{request.scheme}://{request.host}{request.path}/{name}"})

    def realm(self, name: str) -> Record:
        made = self.store.get("realm", "", name, self.realms.clock()) or {}
        defaults = {"id": name, "realm": name, "enabled": True, "accessTokenLifespan": self.realms.settings.access_token_seconds}
        return {**defaults, "ssoSessionIdleTimeout": self.realms.settings.session_idle_seconds, **made}

    # Roles

    def owner(self, request: web.Request, realm: str) -> str:
        """The client whose roles are meant, or nothing for the realm's."""
        key = request.match_info.get("client", "")
        return str(self.clients.get(realm, key)["clientId"]) if key else ""

    def role(self, realm: str, role: Record) -> Record:
        owner = role["owner"]
        shown = {name: role[name] for name in ("id", "name", "description", "composite") if role[name] != ""}
        return {**shown, "clientRole": bool(owner), "containerId": (self.clients.find(realm, owner) or {}).get("id", "") if owner else self.realm(realm)["id"]}

    def all_roles(self, realm: str, owner: str) -> list[Record]:
        given = [
            {"id": fixed_id(realm, name), "name": name, "description": f"${{role_{name}}}", "composite": name == "realm-admin", "owner": owner}
            for name in (MANAGEMENT_ROLES if owner == MANAGEMENT else ())
        ]
        return [*given, *self.roles.all(realm, owner)]

    def named_role(self, realm: str, owner: str, name: str) -> Record:
        for role in self.all_roles(realm, owner):
            if role["name"] == name:
                return role
        raise AdminError(404, error="Could not find role")
