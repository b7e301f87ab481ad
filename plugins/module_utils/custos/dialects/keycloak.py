# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients of a realm through Keycloak's admin REST: beneath every Custos of the past, and what today's Custos trusts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.session import Account, Session, access_token
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import Http

PAGE = 100
# Our name -> Keycloak's, for what Keycloak has a field for.
FIELDS = {"client_name": "name", "comment": "description", "client_uri": "baseUrl", "redirect_uris": "redirectUris"}
# Our name -> the name of the attribute that holds it. Those with a dot in front are ours: Keycloak has no place for them, and keeps them.
ATTRIBUTES = {
    "logo_uri": "logoUri",
    "tos_uri": "tosUri",
    "policy_uri": "policyUri",
    "domain": "custos.domain",
    "requester_email": "custos.requester_email",
    "contacts": "custos.contacts",
    "scopes": "custos.scopes",
    "token_endpoint_auth_method": "custos.token_endpoint_auth_method",
}
LISTS = ("contacts", "scopes")  # attributes are text: these are joined by spaces
# What a new client of any realm has, unless an administrator changed the realm.
GIVEN_SCOPES = ("openid", "profile", "email", "roles", "web-origins", "acr", "basic", "address", "phone", "offline_access")
LOGGED_OUT = "post.logout.redirect.uris"
PUBLIC = "none"  # the word of RFC 7591 for a client that has no secret to show
PKCE = "pkce.code.challenge.method"
GROUPS_MAPPER = "oidc-group-membership-mapper"


def slug(name: str) -> str:
    """A client id out of a client's name: ``JupyterHub local`` gives ``jupyterhub-local``."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-") or "client"


def assigned(client: Mapping[str, Any]) -> dict[str, str]:
    """The scopes that may be asked of a client's people, by name: ``default`` or ``optional``. ``openid`` is none of Keycloak's scopes, and always may."""
    return {
        "openid": "default",
        **dict.fromkeys(client.get("optionalClientScopes") or [], "optional"),
        **dict.fromkeys(client.get("defaultClientScopes") or [], "default"),
    }


def groups_mapper(client: Mapping[str, Any]) -> dict[str, Any]:
    """The client's own mapper of groups to a claim of userinfo; empty when it has none."""
    for mapper in client.get("protocolMappers") or []:
        if mapper["protocolMapper"] == GROUPS_MAPPER and (mapper.get("config") or {}).get("userinfo.token.claim") == "true":
            return dict(mapper)
    return {}


def from_keycloak(client: Mapping[str, Any], realm: str) -> dict[str, Any]:
    """A ClientRepresentation with our names.

    ``scopes`` are those that somebody asked for through us and that are still there; what every client of the realm has besides is left out.
    """
    kept = client.get("attributes") or {}
    texts = {name: client.get(key) or ([] if name == "redirect_uris" else "") for name, key in FIELDS.items()}
    texts |= {name: str(kept.get(key) or "").split() if name in LISTS else kept.get(key) or "" for name, key in ATTRIBUTES.items()}
    there = assigned(client)
    if client.get("publicClient") or texts["token_endpoint_auth_method"] == PUBLIC:  # somebody may have changed it since
        texts["token_endpoint_auth_method"] = PUBLIC if client.get("publicClient") else ""
    return {
        **texts,
        "groups_claim": groups_mapper(client).get("config", {}).get("claim.name", ""),
        "scopes": [scope for scope in texts["scopes"] if scope in there],
        "client_id": client["clientId"],
        "tenant_id": realm,
        "parent_client_id": "",
        "status": "ACTIVE" if client.get("enabled", True) else "DISABLED",
    }


def to_keycloak(fields: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """``current`` (a ClientRepresentation, or nothing) with ``fields`` put in."""
    kept = dict(current.get("attributes") or {})
    for name, key in ATTRIBUTES.items():
        if name in fields:
            kept[key] = " ".join(fields[name]) if name in LISTS else fields[name]
    if "client_uri" in fields:
        kept[LOGGED_OUT] = fields["client_uri"] or "+"  # where a logout may lead: there, or (+) wherever a login may
    body = {**current, **{key: fields[name] for name, key in FIELDS.items() if name in fields}, "attributes": kept}
    if "token_endpoint_auth_method" in fields:
        body["publicClient"] = fields["token_endpoint_auth_method"] == PUBLIC
        if body["publicClient"]:
            kept[PKCE] = "S256"  # all that a client without a secret has to show
    return body


class SessionKeycloak(Session):
    """Somebody who may administer ``realm``: a person who logs in in ``auth_realm``, or a client's service account."""

    def __init__(self, http: Http, account: Account) -> None:
        super().__init__(account)
        self.http = http
        self.realm = account["realm"]
        self._admin_path = f"/admin/realms/{quote(self.realm, safe='')}"

    def log_in(self) -> str:
        account = self.account
        realm = account["auth_realm"] or self.realm
        path = f"/realms/{quote(realm, safe='')}/protocol/openid-connect/token"
        form = {"client_id": account["client_id"] or "admin-cli"}
        if account["client_secret"]:
            form["client_secret"] = account["client_secret"]
        if account["username"]:
            form |= {"grant_type": "password", "username": account["username"], "password": account["password"]}
        else:
            form["grant_type"] = "client_credentials"
        try:
            answer = self.http.call("POST", path, form=form, repeatable=True)
        except CustosError as error:
            if "invalid_grant" in str(error):
                raise error.explained(f"Check parent_username and parent_password: somebody who may administer realm {self.realm}.") from error
            if error.status in (400, 401):
                raise error.explained("Check parent_client_id and parent_client_secret.") from error
            if error.status == 404:
                raise error.explained(f"Check url, and that there is a realm {realm}.") from error
            raise
        return access_token(answer, f"POST {self.http.base}{path}", "Keycloak")

    def send(self, method: str, path: str, **what: Any) -> Any:
        """What the admin REST answers below the realm, as ``Http.exchange`` gives it. Raises CustosError."""
        try:
            return self.as_admin(self.http.exchange, method, f"{self._admin_path}{path}", **what)
        except CustosError as error:
            if error.status == 403:
                role = "manage" if method != "GET" else "view"
                raise error.explained(f"The account lacks a role of realm-management such as {role}-clients or {role}-users.") from error
            raise

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Everything of a list, page by page."""
        first = 0
        while True:
            page = self.send("GET", path, query={**query, "first": first, "max": PAGE})
            yield from page
            first += len(page)
            if len(page) < PAGE:
                return


class ClientsKeycloak:
    """Clients of one realm."""

    fields: tuple[str, ...] = (*FIELDS, *ATTRIBUTES, "groups_claim")
    required: tuple[str, ...] = ("client_name", "redirect_uris")
    ids_are_chosen = True

    def __init__(self, session: SessionKeycloak) -> None:
        self.session = session

    def _found(self, client_id: str) -> dict[str, Any]:
        for client in self.session.send("GET", "/clients", query={"clientId": client_id}):
            return dict(client)
        raise CustosError(f"Realm {self.session.realm} has no client {client_id}.", 404)

    def _path(self, client_id: str) -> str:
        return f"/clients/{self._found(client_id)['id']}"

    def all(self, registration: str) -> list[dict[str, Any]]:
        return [from_keycloak(client, self.session.realm) for client in self.session.pages("/clients")]

    def read(self, client_id: str) -> dict[str, Any]:
        return from_keycloak(self._found(client_id), self.session.realm)

    def create(self, client_id: str, fields: dict[str, Any], admin_password: str, registration: str) -> tuple[str, dict[str, Any]]:
        client_id = client_id or slug(fields["client_name"])
        wanted = fields.get("scopes", [])
        self._scopes([name for name in wanted if name not in GIVEN_SCOPES])  # before anything is made
        body = {
            "clientId": client_id,
            "protocol": "openid-connect",
            "enabled": True,
            "publicClient": False,
            "standardFlowEnabled": True,
            "directAccessGrantsEnabled": False,  # nobody types a password into the application itself
            "implicitFlowEnabled": False,
        }
        try:
            self.session.send("POST", "/clients", body=to_keycloak({"client_uri": "", **fields}, body))
        except CustosError as error:
            if error.status == 409:
                raise error.explained("Another client has this id: choose one with client_id.") from error
            raise
        made = self._found(client_id)
        self._assign(made, wanted, [])
        self._tell_groups(made, fields.get("groups_claim", ""))
        return client_id, {}

    def update(self, client_id: str, fields: dict[str, Any]) -> None:
        current = self._found(client_id)
        wanted, before = fields.get("scopes", []), str((current.get("attributes") or {}).get(ATTRIBUTES["scopes"]) or "").split()
        self._scopes([name for name in wanted if name not in assigned(current)])  # before anything is changed
        self.session.send("PUT", f"/clients/{current['id']}", body=to_keycloak(fields, current))
        self._assign(current, wanted, [name for name in before if name not in wanted])
        self._tell_groups(current, fields.get("groups_claim", ""))

    def _tell_groups(self, client: Mapping[str, Any], claim: str) -> None:
        """Let userinfo tell a person's groups in ``claim``, by their paths: a name alone may be that of a group within another one, too."""
        path, mapper = f"/clients/{client['id']}/protocol-mappers/models", groups_mapper(client)
        if mapper.get("config", {}).get("claim.name", "") == claim:
            return
        if mapper:
            self.session.send("DELETE", f"{path}/{mapper['id']}")
        if claim:
            config = {"claim.name": claim, "full.path": "true", "userinfo.token.claim": "true", "id.token.claim": "false", "access.token.claim": "false"}
            body = {"name": "custos.groups", "protocol": "openid-connect", "protocolMapper": GROUPS_MAPPER, "config": config}
            self.session.send("POST", path, body=body)

    def _scopes(self, names: list[str]) -> dict[str, str]:
        """Ids of client scopes by name; raises CustosError for a name that the realm does not have."""
        known = {scope["name"]: scope["id"] for scope in self.session.send("GET", "/client-scopes")} if names else {}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise CustosError(f"Realm {self.session.realm} has no client scope {', '.join(unknown)}; make it there, or leave it out of scopes.")
        return {name: known[name] for name in names}

    def _assign(self, client: Mapping[str, Any], wanted: list[str], dropped: list[str]) -> None:
        """Let ``wanted`` be asked for, and ``dropped`` no longer. An update of the client itself leaves its scopes alone."""
        there = assigned(client)
        for name, scope_id in self._scopes([name for name in wanted if name not in there]).items():
            self.session.send("PUT", f"/clients/{client['id']}/optional-client-scopes/{scope_id}")
            there[name] = "optional"
        for name, scope_id in self._scopes([name for name in dropped if name in there and name != "openid"]).items():
            self.session.send("DELETE", f"/clients/{client['id']}/{there[name]}-client-scopes/{scope_id}")

    def delete(self, client_id: str, registration: str) -> None:
        try:
            self.session.send("DELETE", self._path(client_id))
        except CustosError as error:
            if error.status != 404:  # gone already: perhaps by a first try whose answer was lost
                raise

    def rotate(self, client_id: str) -> None:
        self.session.send("POST", f"{self._path(client_id)}/client-secret")

    def credentials(self, client_id: str) -> dict[str, Any]:
        secret = self.session.send("GET", f"{self._path(client_id)}/client-secret").get("value") or ""
        return {"iam_client_id": client_id, "iam_client_secret": secret, "custos_client_id": "", "custos_client_secret": ""}

    def discovery(self, client_id: str) -> dict[str, Any]:
        return self.session.http.call("GET", f"/realms/{quote(self.session.realm, safe='')}/.well-known/openid-configuration")
