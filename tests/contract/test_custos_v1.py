"""Custos' second API (/api/v1) in front of either server: its login, and the parts of users, groups and clients that reach the identity server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from tests.contract.backends import REDIRECT, Admin, Backend
from tests.contract.recorded import Recordings
from tests.unit.plugins.modules.custos_places import Place, call
from tests.unit.services.custos_double.browser import Login, Login2, query_of
from tests.unit.services.custos_double.server import GROUP2, ID2, TENANT2, USER2, Server, admin_token, own, said, tenant_values

ADMIN = {"username": "hub-admin", "password": "hub admin password"}


@pytest.fixture
def login(http: httpx.Client, browser: httpx.Client, tenant: dict[str, Any]) -> Login2:
    return Login2(browser, tenant, http)


@pytest.fixture
def admin(http: httpx.Client, tenant: dict[str, Any]) -> dict[str, str]:
    return admin_token(http, {**tenant, "admin_username": ADMIN["username"], "admin_password": ADMIN["password"]})


def test_discovery_and_authorize_lead_to_the_realm(http: httpx.Client, backend: Backend, tenant: dict[str, Any], recordings: Recordings) -> None:
    document = http.get(f"{ID2}/tenant/{tenant['realm']}/.well-known/openid-configuration")
    recordings.see("discovery", document, whole=False)
    realm = f"{backend.url}/auth/realms/{tenant['realm']}"
    assert (document.json()["issuer"], document.json()["end_session_endpoint"].startswith(realm)) == (f"https://{tenant['realm']}.usecustos.org", True)
    assert said(http.get(f"{ID2}/tenant/1/.well-known/openid-configuration"))[0] == 500
    values = {"client_id": tenant["client_id"], "redirect_uri": REDIRECT, "scope": "profile", "state": "s", "response_type": "code"}
    answer = http.get(f"{ID2}/authorize", params=values)
    assert answer.headers["location"].startswith(f"{realm}/protocol/openid-connect/auth?")
    assert query_of(answer.headers["location"]) == {**values, "scope": "profile openid", "kc_idp_hint": "oidc"}


@pytest.fixture
def audience(browser: httpx.Client, backend: Backend, tenant: dict[str, Any]) -> Iterator[None]:
    """The tenant's client is in the audience of its tokens: since Keycloak 26 nobody else may introspect them."""
    keycloak = Admin(browser, backend, tenant["realm"])
    (client,) = keycloak.call("GET", "/clients", clientId=tenant["client_id"]).json()
    config = {"included.client.audience": tenant["client_id"], "access.token.claim": "true"}
    path = f"/clients/{client['id']}/protocol-mappers/models"
    made = keycloak.make(path, {"name": "own audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": config})
    yield
    assert keycloak.call("DELETE", f"{path}/{made}").status_code == 204


@pytest.mark.usefixtures("audience")
def test_a_login_gives_a_token_that_custos_signed(
    http: httpx.Client, tenant: dict[str, Any], login: Login2, admin: dict[str, str], recordings: Recordings
) -> None:
    group = http.post(f"{GROUP2}/groups", json={"name": "climate", "owner_id": "hub-admin", "realm_roles": ["reader"]}, headers=admin).json()
    tokens = login.redeem(login.code(**ADMIN))
    recordings.see("tokens", tokens)
    access = tokens.json()["access_token"]
    key = jwt.PyJWKSet.from_dict(http.get(f"{ID2}/.well-known/jwks.json").json())[jwt.get_unverified_header(access)["kid"]]
    claims = jwt.decode(access, key.key, algorithms=["RS256"], options={"verify_aud": False}, issuer=f"https://{tenant['realm']}.usecustos.org")
    assert (claims["groups"], claims["scopes"], claims["preferred_username"]) == ([group["id"]], ["reader"], "hub-admin")
    bearer = {"Authorization": f"Bearer {access}"}
    person = http.get(f"{USER2}/userinfo", headers=bearer)
    recordings.see("userinfo", person)
    known = {"client_id": tenant["client_id"], "client_secret": tenant["iam_client_secret"], "token": access}
    found = http.post(f"{ID2}/token/introspect", data=known)
    recordings.see("introspection", found, whole=False)
    assert found.json()["active"] is True
    wrong = http.post(f"{ID2}/token/introspect", data={**known, "client_secret": "wrong"})
    assert wrong.json() == {"active": False}
    out = {"refresh_token": tokens.json()["refresh_token"]}
    assert http.post(f"{ID2}/user/logout", json=out, headers=own(tenant)).json() is True
    assert said(http.get(f"{USER2}/userinfo", headers=bearer))[0] == 401
    assert http.post(f"{ID2}/token/introspect", data=known).json() == {"active": False}
    assert http.delete(f"{GROUP2}/groups/{group['id']}", headers=admin).status_code == 204


def test_what_1_1_makes_of_the_realms_refusals(tenant: dict[str, Any], login: Login2) -> None:
    start = f"Exception occurred while fetching access token Error occurred while fetching access token for  user {tenant['realm']} "
    filled = {"code": "-", "redirect_uri": REDIRECT}
    for grant, reason in (
        ("refresh_token", "invalid_request No refresh token"),
        ("password", "invalid_request Missing parameter: username"),
        ("authorization_code", "invalid_grant Code not valid"),
    ):
        assert said(login.token(grant_type=grant, **filled)) == (500, start + reason)
    assert login.token(grant_type="client_credentials", **filled).status_code == 200
    verified = login.redeem(login.code(**ADMIN), code_verifier="v" * 43, client_id=tenant["client_id"])
    assert said(verified) == (500, f"{start}unauthorized_client Invalid client or Invalid client credentials"), "with a verifier the secret is dropped"


def test_one_more_client_with_and_without_a_secret(
    http: httpx.Client, browser: httpx.Client, tenant: dict[str, Any], admin: dict[str, str], recordings: Recordings
) -> None:
    path = f"{TENANT2}/oauth2/tenant/{tenant['realm']}/client"
    options = {"clientName": "app", "tenantUrl": "https://hub.example.org", "redirectUris": [REDIRECT], "authorizationCodeEnabled": True}
    public = http.post(path, json={**options, "publicClient": True, "pkceEnabled": True}, headers=admin).json()
    assert "clientSecret" not in public
    login = Login(browser, {**tenant, "client_id": public["clientId"], "iam_client_secret": ""})
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT, "client_id": public["clientId"], "code_verifier": login.verifier}
    recordings.see("tokens of a public client", http.post(f"{ID2}/token", data={**form, "code": login.code(**ADMIN)}))
    without = login.authorize(code_challenge=None, code_challenge_method=None, prompt="login")
    assert query_of(without.headers["location"])["error"] == "invalid_request"
    hidden = http.post(path, json=options, headers=admin).json()
    browser.cookies.clear()
    assert Login(browser, {**tenant, "client_id": hidden["clientId"], "iam_client_secret": hidden["clientSecret"]}).log_in(**ADMIN)["access_token"]


def test_users_and_members_are_the_same_as_in_the_first_api(http: httpx.Client, tenant: dict[str, Any], admin: dict[str, str], recordings: Recordings) -> None:
    eve = {"username": "Eve", "first_name": "Eve", "last_name": "E", "password": "p", "email": "eve@example.org"}
    mine, subject = own(tenant), {"user": {"username": "eve"}, "client_id": tenant["client_id"]}
    recordings.see("user registered", http.post(f"{USER2}/user", json=eve, headers=mine))
    assert said(http.post(f"{USER2}/user", json=eve, headers=mine))[0] == 500
    recordings.see("user enabled", http.post(f"{USER2}/user/activation", json=subject, headers=mine))
    headers = {**mine, "client_id": tenant["client_id"]}
    group = http.post(f"{GROUP2}/groups", json={"name": "course", "owner_id": "hub-admin"}, headers=headers).json()
    path = f"{GROUP2}/groups/{group['id']}"
    assert http.post(f"{path}/members", json={"username": "eve"}, headers=headers).json() == {"status": True}
    assert said(http.post(f"{path}/members", json={"username": "stranger"}, headers=headers))[0] == 500
    recordings.see("members", http.get(f"{path}/members", headers=headers))
    assert http.request("DELETE", f"{USER2}/user", json=subject, headers=admin).json() == {"status": True}
    assert [member["username"] for member in http.get(f"{path}/members", headers=headers).json()["profiles"]] == ["hub-admin"]
    assert http.delete(path, headers=headers).status_code == 204


def test_a_tenant_is_registered_by_module_approved_and_deleted(http: httpx.Client, browser: httpx.Client, front: Server, recordings: Recordings) -> None:
    values = tenant_values("second")
    wanted = {**Place("v1", front).as_tenant(front.root), **values, "scope": None, "scopes": values["scope"].split(), "registration": "admin"}
    made = call("custos_client", wanted)
    assert (made["changed"], made["client"]["status"]) == (True, "REQUESTED")
    realm = made["client"]["client_id"].rpartition("-")[2]
    assert browser.get(f"/auth/realms/{realm}").status_code == 404
    status = {"client_id": made["client"]["client_id"], "status": "ACTIVE"}
    recordings.see("approved", http.post(f"{TENANT2}/status", json=status, headers=admin_token(http, front.root)))
    done = call("custos_client", {**wanted, "wait": True})
    assert (done["changed"], done["client"]["status"]) == (False, "ACTIVE")
    own_admin = {"admin_username": ADMIN["username"], "admin_password": ADMIN["password"], "client_secret": made["credentials"]["custos_client_secret"]}
    gone = http.request("DELETE", f"{TENANT2}/user", json={}, headers=admin_token(http, {**made["client"], **own_admin}))
    assert (gone.status_code, gone.content) == (204, b"")
    assert browser.get(f"/auth/realms/{realm}/.well-known/openid-configuration").status_code == 404


def test_a_group_by_module(front: Server) -> None:
    place = Place("v1", front)
    place.register("fritz")
    group = {"name": "seminar", "owner": "gateway-admin", "members": [{"username": "fritz", "type": "ADMIN"}]}
    made = place.run("custos_group", **group)
    assert (made["changed"], made["group"]["members"]) == (True, {"fritz": "ADMIN", "gateway-admin": "OWNER"})
    assert place.run("custos_group", **group)["changed"] is False
    assert [place.run("custos_group", name="seminar", state="absent")["changed"] for _again in range(2)] == [True, False]
