"""Role hub_login with preset ``keycloak``: it registers the hub in a realm, and people log in with what it keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.backends import BOB, PASSWORD, REDIRECT, Admin, Backend
from tests.unit.plugins.modules.custos_places import call
from tests.unit.roles.login_site import Site, changed
from tests.unit.services.custos_double.browser import Login


@pytest.fixture
def registrar(admin: Admin) -> dict[str, str]:
    """A service account that may do nothing but manage the realm's clients."""
    values = {"clientId": "registrar", "serviceAccountsEnabled": True, "standardFlowEnabled": False, "secret": "the registrar's secret"}
    key = admin.make("/clients", values)
    (management,) = admin.call("GET", "/clients", clientId="realm-management").json()
    user = admin.call("GET", f"/clients/{key}/service-account-user").json()["id"]
    role = admin.call("GET", f"/clients/{management['id']}/roles/manage-clients").json()
    assert admin.call("POST", f"/users/{user}/role-mappings/clients/{management['id']}", [role]).status_code == 204
    return {"client_id": "registrar", "client_secret": "the registrar's secret"}


def test_the_hub_registers_itself_and_bob_logs_in(
    backend: Backend, realm: str, registrar: dict[str, str], browser: httpx.Client, admin: Admin, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    issuer, kept = f"{backend.url}/auth/realms/{realm}", site.state / "secrets" / "oidc-client.json"
    site.values |= {
        "hub_login_preset": "keycloak",
        "hub_login_issuer": issuer,
        "hub_ca_certificate": str(backend.server.ca),
        "hub_url": "https://hub.example.org",
    }
    kept.parent.mkdir(mode=0o700)

    def run(*arguments: str, by: dict[str, str], **values: Any) -> tuple[int, str]:
        """(how many tasks changed something, what was printed)"""
        (kept.parent / "keycloak-admin.json").write_text(json.dumps(by))
        done = site.run(*arguments, roles=("hub_login",), **values)
        return changed(done), done.stdout + done.stderr

    assert run("--check", "--diff", by=registrar)[0] == 1
    assert admin.call("GET", "/clients", clientId="jupyterhub-test").json() == []
    assert not kept.exists(), "check mode made something"
    count, told = run("--diff", by=registrar)
    client = json.loads(kept.read_text())
    assert count == 2
    assert "+    groups_claim: groups" in told
    assert [secret for secret in (client["client_secret"], registrar["client_secret"]) if secret in told] == []
    master = {"admin_username": backend.admin["username"], "admin_password": backend.admin["password"], "auth_realm": "master"}
    assert run(by=master)[0] == 0

    # An interruption between registration and writing, and one address more: the same client is found, and changed.
    kept.unlink()
    count, told = run("--diff", by=master, hub_login_redirect_uris=[REDIRECT, "https://other.example.org/hub/oauth_callback"])
    assert count == 2
    assert "+    - https://other.example.org/hub/oauth_callback" in told
    assert [secret for secret in (client["client_secret"], backend.admin["password"]) if secret in told] == []
    assert json.loads(kept.read_text()) == client
    assert run(by=master, hub_login_client_name="Another name")[0] == 1
    assert (json.loads(kept.read_text()), len(admin.call("GET", "/clients", clientId="another-name").json())) == (client, 0)

    assert set(client) == {
        "client_id", "client_secret", "issuer", "authorize_url", "token_url", "userdata_url", "end_session_url", "jwks_url", "name", "scope", "username_claim",
        "authorize_params",
    }  # fmt: skip
    assert (client["client_id"], client["issuer"], kept.stat().st_mode & 0o777) == ("jupyterhub-test", issuer, 0o600)
    assert all(client[name].startswith(f"{issuer}/protocol/openid-connect/") for name in client if name.endswith("_url"))

    account = {"parent_username": backend.admin["username"], "parent_password": backend.admin["password"], "auth_realm": "master", "use_proxy": False}
    place = {"url": f"{backend.url}/auth", "api": "keycloak", "realm": realm, "ca_path": str(backend.server.ca), **account}
    assert call("custos_group", {**place, "name": "course", "members": [{"username": "bob"}]})["changed"] is True
    login = Login(browser, {"realm": realm, "client_id": client["client_id"], "iam_client_secret": client["client_secret"]}, REDIRECT)
    tokens = login.log_in(BOB["username"], PASSWORD)
    who = login.userinfo(tokens).json()
    assert (who[client["username_claim"]], who["groups"]) == ("bob", ["/course"])
    assert login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200
    out = login.logout(id_token_hint=tokens["id_token"], post_logout_redirect_uri="https://hub.example.org/hub/login")
    assert (out.status_code, out.headers["location"]) == (302, "https://hub.example.org/hub/login")
