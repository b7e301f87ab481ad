# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custos' first API, 2020 to 2023: ``/apiserver/<service>/v1.0.0``. Its clients are called tenants."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.abilities import need
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import FIELDS, GONE, REQUIRED, TENANT_FIELDS
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.session import CHECK_TENANT, CustosSession, access_token
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError

TENANTS = "/tenant-management/v1.0.0"
IDENTITY = "/identity-management/v1.0.0"
PAGE = 50
READ_ONLY = ("tenant_id", "tenant_status", "parent_tenant_id", "parent_client_id", "admin_password")


def base_of(url: str) -> str:
    """Where the services are: below /apiserver, unless the address names another path."""
    return url.rstrip("/") if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/apiserver"


def to_tenant(fields: dict[str, Any]) -> dict[str, Any]:
    """Our names to Custos'."""
    tenant = {name: value for name, value in fields.items() if name in TENANT_FIELDS}
    tenant["scope"] = " ".join(tenant.pop("scopes", None) or [])
    return tenant


def from_tenant(tenant: dict[str, Any]) -> dict[str, Any]:
    """Custos' names to ours. 64-bit numbers are strings already; a default may be printed or left out."""
    client = {name: tenant.get(name) or ([] if kind == "set" else "") for name, kind in FIELDS.items()}
    client["scopes"] = str(tenant.get("scope") or "").split()
    client["status"] = tenant.get("tenant_status") or "UNKNOWN"
    for name in ("client_id", "tenant_id", "parent_client_id"):
        client[name] = str(tenant.get(name) or "")
    return client


class SessionV100(CustosSession):
    """An administrator logs in at Custos itself."""

    def log_in(self) -> str:
        body = {"grant_type": "password", "username": self.account["username"], "password": self.account["password"]}
        try:
            answer = self.http.call("POST", f"{IDENTITY}/token", self.client_token(), body=body, repeatable=True)
        except CustosError as error:
            if error.status == 401:
                raise error.explained(CHECK_TENANT) from error
            if "invalid_grant" in str(error):  # Custos answers 500 to a wrong password
                raise error.explained(f"Check parent_username and parent_password: an administrator of {self.account['client_id']}.") from error
            raise
        return access_token(answer, f"POST {self.http.base}{IDENTITY}/token", "Custos")


class ClientsV100:
    """Custos calls them tenants."""

    fields: tuple[str, ...] = TENANT_FIELDS
    required: tuple[str, ...] = REQUIRED
    ids_are_chosen = False

    def __init__(self, session: SessionV100) -> None:
        self.session = session
        self.http = session.http

    def all(self, registration: str) -> list[dict[str, Any]]:
        path = f"{TENANTS}/tenants" if registration == "admin" else f"{TENANTS}/child/tenants"
        extra = {"type": "ADMIN"} if registration == "admin" else {}
        found: list[dict[str, Any]] = []
        while True:
            page = self.session.admin("GET", path, {"offset": len(found), "limit": PAGE, **extra})
            tenants = page.get("tenant") or []
            found += [from_tenant(tenant) for tenant in tenants]
            if not tenants or len(found) >= int(page.get("total_num_of_tenants") or 0):
                return found

    def read(self, client_id: str) -> dict[str, Any]:
        client = from_tenant(self.session.admin("GET", f"{TENANTS}/oauth2/tenant", {"client_id": client_id}))
        return {**client, "client_id": client["client_id"] or client_id}

    def create(self, client_id: str, fields: dict[str, Any], admin_password: str, registration: str) -> tuple[str, dict[str, Any]]:
        body = {**to_tenant(fields), "admin_password": admin_password}
        token = "" if registration == "admin" else self.session.client_token()
        answer = self.http.call("POST", f"{TENANTS}/oauth2/tenant", token, body=body)
        if not answer.get("client_id"):
            raise CustosError(f"POST {self.http.base}{TENANTS}/oauth2/tenant was answered without a client_id.", 200)
        return str(answer["client_id"]), {}  # what it is told here can be read again later

    def update(self, client_id: str, fields: dict[str, Any]) -> None:
        # PUT replaces, so what Custos has and we have no option for is sent back as it is.
        current = self.session.admin("GET", f"{TENANTS}/oauth2/tenant", {"client_id": client_id})
        kept = {name: value for name, value in current.items() if name not in READ_ONLY}
        body = {**kept, **to_tenant(fields), "client_id": client_id}
        self.session.admin("PUT", f"{TENANTS}/oauth2/tenant", {"client_id": client_id}, body)

    def delete(self, client_id: str, registration: str) -> None:
        try:
            self.session.admin("DELETE", f"{TENANTS}/oauth2/tenant", {"client_id": client_id})
        except CustosError as error:
            # A first try may have reached Custos although its answer was lost; then its credentials are unknown by now.
            number = client_id.rpartition("-")[2]
            left = [client for client in self.all(registration) if client["tenant_id"] == number and client["status"] not in GONE]
            if error.status not in (401, 404) or left:
                raise

    def rotate(self, client_id: str) -> None:
        need("v1.0.0", "rotating a secret")

    def credentials(self, client_id: str) -> dict[str, Any]:
        return self.session.admin("GET", f"{IDENTITY}/credentials", {"client_id": client_id})

    def discovery(self, client_id: str) -> dict[str, Any]:
        return self.http.call("GET", f"{IDENTITY}/.well-known/openid-configuration", query={"client_id": client_id})
