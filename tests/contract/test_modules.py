"""The Custos modules with ``api: keycloak``, and a login with the client that they made."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract.backends import BOB, LOGGED_OUT, PASSWORD, REDIRECT, Admin, Backend
from tests.unit.plugins.modules.custos_places import call, person
from tests.unit.services.custos_double.browser import Login


@pytest.fixture
def place(backend: Backend, realm: str) -> dict[str, Any]:
    """How the modules get there: as the administrator of all realms."""
    account = {"parent_username": backend.admin["username"], "parent_password": backend.admin["password"]}
    return {
        "url": f"{backend.url}/auth",
        "api": "keycloak",
        "realm": realm,
        "auth_realm": "master",
        "ca_path": str(backend.server.ca),
        "use_proxy": False,
        **account,
    }


def test_a_client_that_people_log_in_with(browser: httpx.Client, place: dict[str, Any], realm: str) -> None:
    wanted = {
        **place, "client_name": "Made by a module", "domain": "hub.example.org", "redirect_uris": ["https://other.example.org/cb", REDIRECT],
        "client_uri": LOGGED_OUT, "scopes": ["openid", "profile", "email"],
    }  # fmt: skip
    assert call("custos_client", wanted, check=True)["changed"] is True
    made = call("custos_client", wanted)
    assert (made["changed"], made["client"]["client_id"], made["client"]["status"]) == (True, "made-by-a-module", "ACTIVE")
    again = call("custos_client", {**wanted, "redirect_uris": [REDIRECT, "https://other.example.org/cb"]})
    assert (again["changed"], again["credentials"]) == (False, made["credentials"])

    def log_in(credentials: dict[str, str]) -> httpx.Response:
        browser.cookies.clear()
        login = Login(browser, {"realm": realm, "client_id": credentials["iam_client_id"], "iam_client_secret": credentials["iam_client_secret"]}, REDIRECT)
        return login.redeem(login.code(BOB["username"], PASSWORD))

    assert log_in(made["credentials"]).status_code == 200
    rotated = call("custos_client", {**wanted, "rotate_secret": True})
    assert rotated["changed"] is True
    assert log_in(rotated["credentials"]).status_code == 200
    assert log_in(made["credentials"]).status_code == 401, "the old secret is void"

    changed = call("custos_client", {**wanted, "redirect_uris": [REDIRECT], "comment": "moved"})
    assert (changed["changed"], changed["client"]["redirect_uris"], changed["client"]["comment"]) == (True, [REDIRECT], "moved")
    (found,) = call("custos_client_info", {**place, "client_name": "Made by a module", "credentials": True, "discovery": True})["clients"]
    assert found["credentials"] == rotated["credentials"]
    assert found["discovery"]["issuer"].endswith(f"/realms/{realm}")
    gone = {**place, "client_name": "Made by a module", "domain": "hub.example.org", "state": "absent"}
    assert [call("custos_client", gone)["changed"] for _again in range(2)] == [True, False]


def test_scopes_are_assigned_one_by_one(place: dict[str, Any], admin: Admin) -> None:
    admin.make("/client-scopes", {"name": "special", "protocol": "openid-connect"})
    scoped = {**place, "client_name": "scoped", "domain": "hub.example.org", "redirect_uris": [REDIRECT]}
    unknown = call("custos_client", {**scoped, "scopes": ["openid", "nothing.such"]})
    assert "has no client scope nothing.such; make it there" in unknown["msg"]
    assert call("custos_client_info", {**place, "client_id": "scoped"})["clients"] == [], "it was said before anything was made"

    for scopes in (["openid", "email", "special"], ["openid", "phone"], ["openid", "phone", "email"], []):
        done = call("custos_client", {**scoped, "scopes": scopes})
        assert (done["changed"], sorted(done["client"]["scopes"])) == (True, sorted(scopes))
        assert call("custos_client", {**scoped, "scopes": scopes[::-1]})["changed"] is False
        (client,) = admin.call("GET", "/clients", clientId="scoped").json()
        there = {*client["defaultClientScopes"], *client["optionalClientScopes"]}
        assert there & {"email", "phone", "special"} >= {*scopes} - {"openid"}
        assert "profile" in there, "what was never asked for stays"
    assert "special" not in there
    wrong = call("custos_client", {**scoped, "scopes": ["another"], "comment": "new"})
    assert "has no client scope another" in wrong["msg"]
    assert call("custos_client_info", {**place, "client_id": "scoped"})["clients"][0]["comment"] == "", "it was said before anything was changed"


def test_people_and_their_groups(place: dict[str, Any], admin: Admin) -> None:
    admin.make("/roles", {"name": "teacher"})
    ada = {**place, **person("ada", roles=["teacher"])}
    made = call("custos_user", ada)
    assert (made["changed"], made["user"]["enabled"], "teacher" in made["user"]["roles"]) == (True, True, True)
    assert call("custos_user", ada)["changed"] is False
    assert call("custos_user", {**place, "username": "ADA", "last_name": "L", "enabled": False, "roles": [], "exclusive": True})["changed"] is True
    (user,) = call("custos_user_info", {**place, "username": "ada"})["users"]
    assert (user["last_name"], user["first_name"], user["enabled"], "teacher" in user["roles"]) == ("L", "Ada", False, False)
    assert "has no role nothing" in call("custos_user", {**place, "username": "ada", "roles": ["nothing"]})["msg"]

    group = {**place, "name": "course", "description": "for a test", "members": [{"username": "ada"}, {"username": "bob"}]}
    made = call("custos_group", group)
    assert (made["changed"], made["group"]["members"], made["group"]["description"]) == (True, {"ada": "MEMBER", "bob": "MEMBER"}, "for a test")
    assert call("custos_group", group)["changed"] is False
    only = {**place, "name": "course", "description": "", "members": [{"username": "bob"}], "exclusive": True}
    changed = call("custos_group", only)
    assert (changed["changed"], changed["group"]["members"], changed["group"]["description"]) == (True, {"bob": "MEMBER"}, "")
    assert call("custos_group", only)["changed"] is False
    assert "no user stranger" in call("custos_group", {**only, "members": [{"username": "stranger"}]})["msg"]
    for module, key in (("custos_group", {"name": "course"}), ("custos_user", {"username": "ada"})):
        assert [call(module, {**place, **key, "state": "absent"})["changed"] for _again in range(2)] == [True, False]
