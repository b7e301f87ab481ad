# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custos' second API, 2024 to 2026: ``/api/v1``. Its tenants are partly broken; ``abilities`` says what is left out, and why."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import REQUIRED, TENANT_FIELDS
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.session import CustosSession, access_token
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0 import from_tenant, to_tenant
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0_people import from_group, from_profiles
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import Http

TENANTS = "/tenant-management"
GROUPS = "/group-management"
IDENTITY = "/identity-management"
PAGE = 50


def base_of(url: str) -> str:
    """Where the services are: below /api/v1, unless the address names another path."""
    return url.rstrip("/") if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/api/v1"


def tenant_of(client_id: str) -> str:
    """The number of the tenant that a client belongs to: its id ends in it."""
    return client_id.rpartition("-")[2]


class SessionV1(CustosSession):
    """An administrator logs in where people do: at the tenant's Keycloak realm.

    Custos' own token endpoint fails for a password, and refuses the tokens that it signs itself.
    """

    http: Http

    def discovery(self, client_id: str) -> dict[str, Any]:
        return self.http.call("GET", f"{IDENTITY}/tenant/{tenant_of(client_id)}/.well-known/openid-configuration")

    def log_in(self) -> str:
        account = self.account
        # Only the addresses that Custos does not stand before tell where the realm is.
        realm, found, _rest = str(self.discovery(account["client_id"]).get("end_session_endpoint") or "").partition("/protocol/openid-connect/")
        if not found:
            raise CustosError(f"Custos' discovery document of {account['client_id']} names no end_session_endpoint of its realm, so nobody can log in.")
        keycloak = Http(realm, self.http.ca_path, self.http.timeout_seconds, self.http.retries, self.http.use_proxy, name="Keycloak")
        form = {
            "grant_type": "password",
            "client_id": account["client_id"],
            "client_secret": account["iam_client_secret"] or account["client_secret"],
            "username": account["username"],
            "password": account["password"],
            "scope": "openid",  # Custos asks Keycloak's userinfo, which tells nothing without
        }
        try:
            answer = keycloak.call("POST", "/protocol/openid-connect/token", form=form, repeatable=True)
        except CustosError as error:
            if "invalid_grant" in str(error):
                raise error.explained(f"Check parent_username and parent_password: an administrator of {account['client_id']}.") from error
            if error.status in (400, 401):
                raise error.explained("Check parent_client_id, and that parent_iam_client_secret is its secret at Keycloak.") from error
            raise
        return access_token(answer, f"POST {realm}/protocol/openid-connect/token", "Keycloak")


class ClientsV1:
    """Tenants that wait for approval: found, registered, waited for."""

    fields: tuple[str, ...] = TENANT_FIELDS
    required: tuple[str, ...] = REQUIRED
    ids_are_chosen = False

    def __init__(self, session: SessionV1) -> None:
        self.session = session
        self.http = session.http

    def all(self, registration: str) -> list[dict[str, Any]]:
        path = f"{TENANTS}/tenants" if registration == "admin" else f"{TENANTS}/child/tenants"
        found: list[dict[str, Any]] = []
        while True:
            # A GET with a body: that is how its controllers read their arguments.
            page = self.session.as_admin(self.http.call, "GET", path, body={"offset": len(found), "limit": PAGE})
            tenants = page.get("tenant") or []
            found += [from_tenant(tenant) for tenant in tenants]
            if not tenants or len(found) >= int(page.get("total_num_of_tenants") or 0):
                return found

    def read(self, client_id: str) -> dict[str, Any]:
        # The call that reads one tenant never looks at which one was asked for; of children nothing is ever read again.
        for client in self.all("admin"):
            if client["client_id"] == client_id:
                return client
        raise CustosError(f"Custos has no client {client_id}.", 404)

    def create(self, client_id: str, fields: dict[str, Any], admin_password: str, registration: str) -> tuple[str, dict[str, Any]]:
        # Without any token a registration is refused, although the token is not looked at.
        body = {**to_tenant(fields), "admin_password": admin_password}
        answer = self.http.call("POST", f"{TENANTS}/oauth2/tenant", self.session.client_token(), body=body)
        if not answer.get("client_id"):
            raise CustosError(f"POST {self.http.base}{TENANTS}/oauth2/tenant was answered without a client_id.", 200)
        told = {"custos_client_id": answer["client_id"], "custos_client_secret": answer.get("client_secret") or ""}
        return str(answer["client_id"]), {"iam_client_id": answer["client_id"], "iam_client_secret": "", **told}

    def update(self, client_id: str, fields: dict[str, Any]) -> None:
        need("v1", "changing a client")

    def delete(self, client_id: str, registration: str) -> None:
        need("v1", "deleting a client")

    def rotate(self, client_id: str) -> None:
        need("v1", "rotating a secret")

    def credentials(self, client_id: str) -> dict[str, Any]:
        need("v1", "reading credentials")
        return {}

    def discovery(self, client_id: str) -> dict[str, Any]:
        return self.session.discovery(client_id)


class GroupsV1:
    """Groups of a tenant. Custos wants a registered, enabled owner for each."""

    owned = True

    def __init__(self, session: SessionV1) -> None:
        self.session = session

    def _send(self, method: str, path: str, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"client_id": self.session.account["client_id"]}  # in a header, of all places
        return self.session.client(method, f"{GROUPS}{path}", query, body, headers=headers)

    def _path(self, group_id: str, username: str | None = None) -> str:
        group = f"/groups/{quote(group_id, safe='')}"
        return group if username is None else f"{group}/members/{quote(username, safe='')}"

    def all(self) -> list[dict[str, Any]]:
        """All groups, without their members."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._send("GET", "/groups", {"offset": len(found), "limit": PAGE}).get("groups") or []
            found += [from_group(group, {}) for group in page]
            if len(page) < PAGE:
                return found

    def members(self, group_id: str) -> dict[str, str]:
        return from_profiles(self._send("GET", f"{self._path(group_id)}/members").get("profiles") or [])

    def create(self, name: str, description: str, owner: str) -> str:
        return str(self._send("POST", "/groups", body={"name": name, "description": description, "owner_id": owner})["id"])

    def update(self, group_id: str, name: str, description: str) -> None:
        # PUT replaces, so what we have no option for is sent back as it is.
        group = self._send("GET", self._path(group_id))
        self._send("PUT", self._path(group_id), body={**group, "name": name, "description": description})

    def add_member(self, group_id: str, username: str, kind: str) -> None:
        self._send("POST", f"{self._path(group_id)}/members", body={"username": username, "type": kind})

    def change_member(self, group_id: str, username: str, kind: str) -> None:
        self._send("PUT", self._path(group_id, username), body={"type": kind})

    def remove_member(self, group_id: str, username: str) -> None:
        self._send("DELETE", self._path(group_id, username))

    def delete(self, group_id: str) -> None:
        try:
            self._send("DELETE", self._path(group_id))
        except CustosError:
            if any(group["group_id"] == group_id for group in self.all()):  # else a first try did it, and only its answer was lost
                raise
