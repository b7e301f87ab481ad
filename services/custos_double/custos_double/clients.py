"""The clients of a realm, as Keycloak describes them (ClientRepresentation). No HTTP in here."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from custos_double import keys
from custos_double.errors import ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND, ApiError
from custos_double.store import Record
from custos_double.tenants import Tenants

MANAGEMENT = "realm-management"
MANAGEMENT_ROLES = (
    "realm-admin", "manage-clients", "view-clients", "query-clients", "manage-users", "view-users", "query-users", "query-groups", "manage-realm", "view-realm",
)  # fmt: skip
DEFAULTS: Record = {
    "surrogateAuthRequired": False,
    "enabled": True,
    "alwaysDisplayInConsole": False,
    "clientAuthenticatorType": "client-secret",
    "redirectUris": [],
    "webOrigins": [],
    "notBefore": 0,
    "bearerOnly": False,
    "consentRequired": False,
    "standardFlowEnabled": True,
    "implicitFlowEnabled": False,
    "directAccessGrantsEnabled": False,
    "serviceAccountsEnabled": False,
    "publicClient": False,
    "frontchannelLogout": False,
    "protocol": "openid-connect",
    "attributes": {},
    "authenticationFlowBindingOverrides": {},
    "fullScopeAllowed": True,
    "nodeReRegistrationTimeout": -1,
    "defaultClientScopes": ["web-origins", "acr", "roles", "profile", "basic", "email"],
    "optionalClientScopes": ["address", "phone", "organization", "offline_access", "microprofile-jwt"],
}
SCOPES = ("defaultClientScopes", "optionalClientScopes")
TYPES: dict[str, type] = {name: type(value) for name, value in DEFAULTS.items()}


def fixed_id(realm: str, name: str) -> str:
    """The id of something that a realm has from the start."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{realm}/{name}"))


def fits(uri: str, patterns: list[str]) -> bool:
    """Keycloak's rule for addresses: the same, or the same up to a closing ``*``."""
    return any(uri == pattern or (pattern.endswith("*") and len(pattern) > 1 and uri.startswith(pattern[:-1])) for pattern in patterns)


def logout_uris(client: Record) -> list[str]:
    """Where a logout may lead: the attribute's addresses, ``+`` standing for the redirect URIs."""
    wanted = str(client["attributes"].get("post.logout.redirect.uris", "")).split("##")
    return [uri for item in wanted for uri in (client["redirectUris"] if item == "+" else [item]) if uri]


def told(tenant: Record) -> Record:
    """What Custos tells its client again at each change of the tenant: the redirect URIs, and the client's own address twice."""
    fields = tenant["fields"]
    uris = [*fields["redirect_uris"], *([fields["client_uri"]] if fields["client_uri"] else [])]
    return {"clientId": tenant["client_id"], "name": fields["client_name"], "baseUrl": fields["client_uri"], "redirectUris": uris, "publicClient": False}


def of_tenant(tenant: Record) -> Record:
    """The client that Custos makes for a tenant."""
    return {
        **told(tenant),
        "secret": tenant["iam_secret"],
        "webOrigins": ["+"],
        "directAccessGrantsEnabled": True,
        "serviceAccountsEnabled": True,
        "attributes": {"post.logout.redirect.uris": "+"},  # Keycloak took redirect URIs for these in Custos' days
    }


class Clients:
    """The client that Custos made for a tenant, Keycloak's own ones, and those that an administrator made."""

    def __init__(self, tenants: Tenants) -> None:
        self.tenants = tenants
        self.store = tenants.store
        self.clock = tenants.realms.clock

    def exists(self, realm: str) -> bool:
        """Whether there is such a realm: of an active tenant, or made by an administrator of Keycloak."""
        tenant = self.tenants.by_id(realm)
        return tenant["status"] == "ACTIVE" if tenant else self.store.get("realm", "", realm, self.clock()) is not None

    def _given(self, realm: str) -> list[Record]:
        own = [
            {"clientId": "admin-cli", "name": "${client_admin-cli}", "publicClient": True, "standardFlowEnabled": False, "directAccessGrantsEnabled": True},
            {"clientId": MANAGEMENT, "name": "${client_realm-management}", "bearerOnly": True},
        ]
        tenant = self.tenants.by_id(realm)
        if tenant:
            own.append(of_tenant(tenant))
        return [{"id": fixed_id(realm, str(values["clientId"])), **DEFAULTS, **values} for values in own]

    def all(self, realm: str) -> list[Record]:
        """Every client; what an administrator changed of a given one lies over it."""
        kept = {client["id"]: client for client in self.store.list("kcclient", realm, self.clock())}
        given = [{**client, **kept.pop(client["id"], {})} for client in self._given(realm)]
        return sorted((client for client in [*given, *kept.values()] if not client.get("gone")), key=lambda client: str(client["clientId"]))

    def find(self, realm: str, client_id: str) -> Record | None:
        return next((client for client in self.all(realm) if client["clientId"] == client_id), None)

    def get(self, realm: str, key: str) -> Record:
        for client in self.all(realm):
            if client["id"] == key:
                return client
        raise ApiError(NOT_FOUND, "Could not find client")

    @staticmethod
    def _check(values: Record) -> None:
        for name, kind in TYPES.items():
            if values.get(name) is not None and not isinstance(values[name], kind):
                raise ApiError(INVALID_ARGUMENT, f"unable to read contents from stream: {name} must be {kind.__name__}")

    def create(self, realm: str, values: Record) -> Record:
        """A new client; a confidential one without a secret gets one. Raises ApiError when the client id is taken."""
        self._check(values)
        key = str(values.get("id") or uuid.uuid4())
        client_id = str(values.get("clientId") or key)
        if self.find(realm, client_id):
            raise ApiError(ALREADY_EXISTS, f"Client {client_id} already exists")
        client = {**DEFAULTS, **{name: value for name, value in values.items() if value is not None}, "id": key, "clientId": client_id}
        if "webOrigins" not in values:
            client["webOrigins"] = sorted({"/".join(uri.split("/")[:3]) for uri in client["redirectUris"] if "://" in uri})
        if not client["publicClient"] and not client["bearerOnly"]:
            client["secret"] = values.get("secret") or keys.random_text(32)
        self._put(realm, client)
        return client

    def update(self, realm: str, key: str, values: Record) -> None:
        """Change what ``values`` names, of the attributes each one by itself; None takes an attribute away."""
        self._check(values)
        client = self.get(realm, key)
        other = self.find(realm, str(values.get("clientId") or client["clientId"]))
        if other and other["id"] != key:
            raise ApiError(ALREADY_EXISTS, f"Client {other['clientId']} already exists")
        attributes = {name: value for name, value in {**client["attributes"], **values.get("attributes", {})}.items() if value is not None}
        fixed = ("id", "access", *SCOPES)  # scopes are given and taken one by one
        known = {name: value for name, value in values.items() if value is not None and name not in fixed}
        self._put(realm, {**client, **known, "attributes": attributes})

    def _put(self, realm: str, client: Record) -> None:
        self.store.put("kcclient", realm, client["id"], client)

    def scopes(self, realm: str) -> list[Record]:
        """The client scopes of a realm: Keycloak's, in Custos' realms CILogon's, and those that an administrator made."""
        names = [*(name for kind in SCOPES for name in DEFAULTS[kind]), *(["org.cilogon.userinfo"] if self.tenants.by_id(realm) else [])]
        given = [{"id": fixed_id(realm, f"scope/{name}"), "name": name, "protocol": "openid-connect", "attributes": {}} for name in names]
        return [*given, *self.store.list("kcscope", realm, self.clock())]

    def scope(self, realm: str, key: str) -> Record:
        for scope in self.scopes(realm):
            if scope["id"] == key:
                return scope
        raise ApiError(NOT_FOUND, "Client scope not found")

    def may_ask(self, realm: str, client: Record, scope: str) -> bool:
        """Whether the client has all scopes it asks for. Clients of Custos' realms may ask for anything here."""
        return self.tenants.by_id(realm) is not None or set(scope.split()) <= {"openid", *(name for kind in SCOPES for name in client[kind])}

    def assign(self, realm: str, key: str, kind: str, name: str, *, given: bool) -> None:
        """Give a client the scope ``name``, or take it away; one it has already stays of the kind it is."""
        client = self.get(realm, key)
        if given and any(name in client[other] for other in SCOPES):
            return
        names = [other for other in client[kind] if other != name]
        self._put(realm, {**client, kind: [*names, name] if given else names})

    def rotate(self, realm: str, key: str) -> str:
        client = self.get(realm, key)
        secret = keys.random_text(32)
        self._put(realm, {**client, "secret": secret})
        return secret

    def delete(self, realm: str, key: str) -> None:
        client = self.get(realm, key)
        if any(given["id"] == key for given in self._given(realm)):
            self._put(realm, {**client, "gone": True})
        else:
            self.store.delete("kcclient", realm, key)

    def tell(self, tenant: Record) -> None:
        """Write the tenant's client: what an administrator made of the things that Custos tells is lost."""
        realm, key = str(tenant["tenant_id"]), fixed_id(str(tenant["tenant_id"]), tenant["client_id"])
        kept = self.store.get("kcclient", realm, key, self.clock())
        if kept:
            self._put(realm, {name: value for name, value in {**kept, **told(tenant)}.items() if name != "gone"})

    @staticmethod
    def holds(client: Record, secret: str) -> bool:
        """Whether ``secret`` is the client's; a public client has none to show."""
        return bool(client["publicClient"]) or secrets.compare_digest(secret.encode(), str(client.get("secret") or "").encode())

    def read(self, client: Record) -> dict[str, Any]:
        """The client as Keycloak answers it."""
        return {**client, "access": {"view": True, "configure": True, "manage": True}}
