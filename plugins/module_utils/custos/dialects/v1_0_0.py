# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custos' first API, 2020 to 2023: ``/apiserver/<service>/v1.0.0``. Its clients are called tenants."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import FIELDS, GONE
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import Http

TENANTS = "/tenant-management/v1.0.0"
IDENTITY = "/identity-management/v1.0.0"
PAGE = 50
READ_ONLY = ("tenant_id", "tenant_status", "parent_tenant_id", "parent_client_id", "admin_password")


def base_of(url: str) -> str:
    """Where the services are: below /apiserver, unless the address names another path."""
    return url.rstrip("/") if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/apiserver"


def to_tenant(fields: dict[str, Any]) -> dict[str, Any]:
    """Our names to Custos'."""
    tenant = dict(fields)
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


class DialectV100:
    """The account is a tenant's client token and the login of one of its administrators."""

    def __init__(self, http: Http, account: dict[str, str]) -> None:
        self.http = http
        self.account = account
        self._bearer = ""

    def _client_token(self) -> str:
        pair = f"{self.account['client_id']}:{self.account['client_secret']}"
        return f"Bearer {base64.b64encode(pair.encode()).decode()}"

    def _log_in(self) -> str:
        body = {"grant_type": "password", "username": self.account["username"], "password": self.account["password"]}
        try:
            answer = self.http.call("POST", f"{IDENTITY}/token", self._client_token(), body=body, repeatable=True)
        except CustosError as error:
            if error.status == 401:
                raise CustosError(
                    f"{error} Check parent_client_id and parent_client_secret, and that this tenant is ACTIVE.", error.status, error.code
                ) from error
            if "invalid_grant" in str(error):  # Custos answers 500 to a wrong password
                raise CustosError(
                    f"{error} Check parent_username and parent_password: an administrator of {self.account['client_id']}.", error.status, error.code
                ) from error
            raise
        if not answer.get("access_token"):
            raise CustosError(f"POST {self.http.base}{IDENTITY}/token was answered without an access_token; check that url is the address of Custos.", 200)
        return f"Bearer {answer['access_token']}"

    def _as_admin(self, method: str, path: str, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None) -> dict[str, Any]:
        fresh = not self._bearer
        self._bearer = self._bearer or self._log_in()
        try:
            return self.http.call(method, path, self._bearer, query, body)
        except CustosError as error:
            if error.status != 401 or fresh:
                raise
            self._bearer = self._log_in()  # tokens live half an hour, and a wait for approval may be longer
            return self.http.call(method, path, self._bearer, query, body)

    def list(self, registration: str) -> list[dict[str, Any]]:
        path = f"{TENANTS}/tenants" if registration == "admin" else f"{TENANTS}/child/tenants"
        extra = {"type": "ADMIN"} if registration == "admin" else {}
        found: list[dict[str, Any]] = []
        while True:
            page = self._as_admin("GET", path, {"offset": len(found), "limit": PAGE, **extra})
            tenants = page.get("tenant") or []
            found += [from_tenant(tenant) for tenant in tenants]
            if not tenants or len(found) >= int(page.get("total_num_of_tenants") or 0):
                return found

    def read(self, client_id: str) -> dict[str, Any]:
        client = from_tenant(self._as_admin("GET", f"{TENANTS}/oauth2/tenant", {"client_id": client_id}))
        return {**client, "client_id": client["client_id"] or client_id}

    def create(self, fields: dict[str, Any], admin_password: str, registration: str) -> str:
        body = {**to_tenant(fields), "admin_password": admin_password}
        token = "" if registration == "admin" else self._client_token()
        answer = self.http.call("POST", f"{TENANTS}/oauth2/tenant", token, body=body)
        if not answer.get("client_id"):
            raise CustosError(f"POST {self.http.base}{TENANTS}/oauth2/tenant was answered without a client_id.", 200)
        return str(answer["client_id"])

    def update(self, client_id: str, fields: dict[str, Any]) -> None:
        # PUT replaces, so what Custos has and we have no option for is sent back as it is.
        current = self._as_admin("GET", f"{TENANTS}/oauth2/tenant", {"client_id": client_id})
        kept = {name: value for name, value in current.items() if name not in READ_ONLY}
        self._as_admin("PUT", f"{TENANTS}/oauth2/tenant", body={**kept, **to_tenant(fields), "client_id": client_id})

    def delete(self, client_id: str, registration: str) -> None:
        try:
            self._as_admin("DELETE", f"{TENANTS}/oauth2/tenant", {"client_id": client_id})
        except CustosError as error:
            # A first try may have reached Custos although its answer was lost; then its credentials are unknown by now.
            number = client_id.rpartition("-")[2]
            left = [client for client in self.list(registration) if client["tenant_id"] == number and client["status"] not in GONE]
            if error.status not in (401, 404) or left:
                raise

    def credentials(self, client_id: str) -> dict[str, Any]:
        return self._as_admin("GET", f"{IDENTITY}/credentials", {"client_id": client_id})

    def discovery(self, client_id: str) -> dict[str, Any]:
        return self.http.call("GET", f"{IDENTITY}/.well-known/openid-configuration", query={"client_id": client_id})
