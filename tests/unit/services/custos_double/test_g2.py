"""The second API as release 1.1 has it: its login with its faults, and its tenants, users and groups."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import jwt
import pytest

from tests.unit.services.custos_double.browser import REDIRECT, Login, Login2, query_of
from tests.unit.services.custos_double.server import (
    GROUP2,
    ID2,
    IDENTITY,
    TENANT2,
    USER2,
    Server,
    admin_token,
    client_token,
    make_child,
    own,
    said,
    tenant_values,
)

UNEXPECTED = (500, "Unexpected error occurred")


def as_admin(client: httpx.Client, child: dict[str, Any]) -> dict[str, str]:
    return admin_token(client, {**child, "admin_username": "hub-admin", "admin_password": "hub admin password"})


@pytest.fixture
def login(client: httpx.Client, child: dict[str, Any]) -> Login2:
    return Login2(client, child, client)


def test_discovery_is_by_tenant_number_and_names_custos(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    document = client.get(f"{ID2}/tenant/{child['realm']}/.well-known/openid-configuration").json()
    assert document["issuer"] == f"https://{child['realm']}.usecustos.org"
    assert document["token_endpoint"] == f"{server.front_url}{ID2}/token"
    assert document["userinfo_endpoint"] == f"{server.front_url}{USER2}/userinfo"
    assert document["end_session_endpoint"].startswith(f"{server.front_url}/auth/realms/{child['realm']}/")
    assert said(client.get(f"{ID2}/tenant/1/.well-known/openid-configuration"))[0] == 500
    assert said(client.get(f"{ID2}/tenant/x/.well-known/openid-configuration")) == UNEXPECTED


def test_authorize_redirects_to_keycloak(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    good = {"client_id": child["client_id"], "redirect_uri": REDIRECT, "scope": "profile", "state": "s", "response_type": "code"}
    answer = client.get(f"{ID2}/authorize", params={**good, "code_challenge": "c", "code_challenge_method": "S256"})
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{server.front_url}/auth/realms/{child['realm']}/protocol/openid-connect/auth?")
    query = query_of(answer.headers["location"])
    assert query == {**good, "scope": "profile openid", "kc_idp_hint": "oidc", "code_challenge": "c", "code_challenge_method": "S256"}
    for name in good:
        assert said(client.get(f"{ID2}/authorize", params={key: value for key, value in good.items() if key != name})) == UNEXPECTED
    for change in ({"redirect_uri": f"{REDIRECT}/"}, {"client_id": "nobody"}):
        status, text = said(client.get(f"{ID2}/authorize", params={**good, **change}))
        assert (status, text.startswith("Exception occurred while formulating the redirect uri")) == (500, True)


@pytest.mark.parametrize("basic", [True, False])
def test_a_login_gives_a_token_that_custos_signed(client: httpx.Client, child: dict[str, Any], login: Login2, basic: bool) -> None:
    headers = as_admin(client, child)
    login.code("bob", "bob's own")
    values = {"name": "climate", "owner_id": "hub-admin", "realm_roles": ["reader"]}
    group = client.post(f"{GROUP2}/groups", json=values, headers=headers).json()
    client.post(f"{GROUP2}/groups/{group['id']}/members", json={"username": "bob"}, headers=headers)

    tokens = login.redeem(login.code("bob", "bob's own"), basic=basic).json()
    assert "not_before_policy" not in tokens, "zero is left out"
    jwks = client.get(f"{ID2}/.well-known/jwks.json").json()
    key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(tokens["access_token"])["kid"]]
    claims = jwt.decode(tokens["access_token"], key.key, algorithms=["RS256"], audience="account", issuer=f"https://{child['realm']}.usecustos.org")
    assert (claims["groups"], claims["scopes"], claims["scope"]) == ([group["id"]], ["reader"], "reader")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    person = client.get(f"{USER2}/userinfo", headers=bearer).json()
    assert (person["preferred_username"], person["groups"], person["scopes"]) == ("bob", [group["id"]], ["reader"])
    known = {"client_id": child["client_id"], "client_secret": child["iam_client_secret"], "token": tokens["access_token"]}
    assert client.post(f"{ID2}/token/introspect", data=known).json() == {"active": False}, "the client is not in the token's audience"
    assert said(client.post(f"{ID2}/token/introspect", data={**known, "token": "x"}))[0] == 500
    assert said(client.post(f"{ID2}/token/introspect", data={"token": "x"})) == UNEXPECTED
    assert said(client.get(f"{GROUP2}/groups", headers=bearer))[0] == 401, "for Custos itself only Keycloak's own tokens count"


def test_userinfo_forgets_its_tokens_at_a_restart(server: Server, client: httpx.Client, login: Login2) -> None:
    tokens = login.redeem(login.code("bob", "bob's own")).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get(f"{USER2}/userinfo", headers=bearer).status_code == 200
    server.restart()
    status, text = said(client.get(f"{USER2}/userinfo", headers=bearer))
    assert (status, text.startswith("Unauthorized: ")) == (401, True)


def test_the_token_endpoint_has_the_faults_of_1_1(client: httpx.Client, login: Login2) -> None:
    tokens = login.redeem(login.code("bob", "bob's own")).json()
    assert said(login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])) == UNEXPECTED
    assert said(login.token(grant_type="password", username="hub-admin", password="hub admin password")) == UNEXPECTED
    filled = {"code": "-", "redirect_uri": "-"}
    for grant, lack in (("refresh_token", "No refresh token"), ("password", "Missing parameter: username")):
        status, text = said(login.token(grant_type=grant, refresh_token=tokens["refresh_token"], username="hub-admin", password="x", **filled))
        assert (status, lack in text) == (500, True)
    assert "refresh_token" not in login.token(grant_type="client_credentials", **filled).json(), "works when what it does not need is there"

    status, text = said(login.redeem("made-up"))
    assert (status, "invalid_grant Code not valid" in text) == (500, True)
    status, text = said(login.redeem(login.code("bob", "bob's own"), code_verifier="v" * 43, client_id=login.child["client_id"]))
    assert (status, "unauthorized_client" in text) == (500, True), "with a verifier the secret is dropped"

    form = {"grant_type": "authorization_code", "code": "c", "redirect_uri": REDIRECT}
    assert said(client.post(f"{ID2}/token", data=form))[0] == 400
    assert said(client.post(f"{ID2}/token", data=form, headers=client_token({"client_id": "a", "client_secret": "b"})))[0] == 400
    assert said(client.post(f"{ID2}/token", data={**form, "client_id": "no-number", "client_secret": "x"})) == UNEXPECTED
    assert said(client.post(f"{ID2}/token", json=form)) == UNEXPECTED


def test_a_public_client_can_be_added_and_used_with_pkce(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    path, headers = f"{TENANT2}/oauth2/tenant/{child['realm']}/client", as_admin(client, child)
    options = {"clientName": "app", "tenantUrl": "https://hub.example.org", "redirectUris": [REDIRECT], "authorizationCodeEnabled": True, "publicClient": True}
    for change in ({"tenantUrl": ""}, {"authorizationCodeEnabled": False}, {"clientCredentialsEnabled": True}, {"redirectUris": []}):
        assert said(client.post(path, json={**options, **change}, headers=headers))[0] == 400
    assert said(client.post(path, json=options))[0] == 401
    made = client.post(path, json={**options, "pkceEnabled": True}, headers=headers).json()
    public = {**child, "client_id": made["clientId"], "iam_client_secret": ""}
    login = Login(client, public)
    code = login.code("bob", "bob's own")
    values = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": login.verifier, "client_id": made["clientId"]}
    assert client.post(f"{ID2}/token", data=values).status_code == 200
    without = login.authorize(code_challenge=None, code_challenge_method=None)
    assert query_of(without.headers["location"])["error"] == "invalid_request"

    hidden = client.post(path, json={**options, "publicClient": False}, headers=headers).json()
    client.cookies.clear()
    secret = Login(client, {**child, "client_id": hidden["clientId"], "iam_client_secret": hidden["clientSecret"]})
    assert secret.log_in("bob", "bob's own")["access_token"]


def test_tenants_are_made_without_a_parent_and_read_by_listing(server: Server, client: httpx.Client) -> None:
    made = client.post(f"{TENANT2}/oauth2/tenant", json={**tenant_values("g2"), "unknown": 1}, headers=client_token(server.parent)).json()
    assert "is_activated" not in made
    assert made["registration_client_uri"].endswith(made["client_id"])
    assert said(client.post(f"{TENANT2}/oauth2/tenant", json={"client_name": "x"})) == (400, "Error occurred when creating tenant with Id: 0")
    assert said(client.post(f"{TENANT2}/oauth2/tenant", data={"client_name": "x"})) == UNEXPECTED
    status = {"client_id": made["client_id"], "status": "ACTIVE"}
    assert said(client.post(f"{TENANT2}/status", json=status))[0] == 401
    assert client.post(f"{TENANT2}/status", json=status, headers=admin_token(client, server.root)).json()["status"] == "ACTIVE"
    listed = client.request("GET", f"{TENANT2}/tenants", json={"limit": 1000}, headers=admin_token(client, server.root)).json()
    (tenant,) = [tenant for tenant in listed["tenant"] if tenant["client_id"] == made["client_id"]]
    assert (tenant["tenant_status"], "comment" in tenant, "parent_tenant_id" in tenant) == ("ACTIVE", False, False)


def test_reading_changing_and_deleting_a_tenant(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    headers, named = as_admin(client, child), {"client_id": child["client_id"]}
    status, text = said(client.request("GET", f"{TENANT2}/oauth2/tenant", json=named, headers=headers))
    assert (status, text) == (400, f"Error occurred when retrieving tenant with the Id:  {child['realm']}")
    assert said(client.get(f"{TENANT2}/oauth2/tenant", headers=headers)) == UNEXPECTED
    changed = client.put(f"{TENANT2}/user/profile", json={**named, "body": tenant_values("renamed")}, headers=headers).json()
    assert (changed["client_name"], changed["tenant_id"]) == ("renamed", child["realm"])
    assert said(client.put(f"{TENANT2}/user/profile", json={**named, "body": {}}, headers=headers))[0] == 400
    status, text = said(client.get(f"{ID2}/credentials", params=named, headers=own(child)))
    assert (status, text.startswith("Exception occurred while retrieving Credentials")) == (500, True)
    other = make_child(client, server.parent, "other")
    gone = client.request("DELETE", f"{TENANT2}/user", json={"client_id": other["client_id"]}, headers=headers)
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(f"{IDENTITY}/credentials", headers=own(other)).status_code == 200, "the token's tenant went, not the named one"
    assert client.get(f"{IDENTITY}/credentials", headers=own(child)).status_code == 401


def test_users(client: httpx.Client, child: dict[str, Any]) -> None:
    person = {"username": "carol", "first_name": "Carol", "last_name": "C", "password": "p", "email": "c@example.org"}
    mine, headers, named = own(child), as_admin(client, child), {"client_id": child["client_id"]}
    assert client.post(f"{USER2}/user", json=person, headers=mine).json() == {"is_registered": True}
    assert said(client.post(f"{USER2}/user", json=person, headers=mine))[0] == 500
    basic = {"Authorization": "Basic " + base64.b64encode(f"{child['client_id']}:{child['client_secret']}".encode()).decode()}
    assert said(client.post(f"{USER2}/user", json=person, headers=basic)) == (401, "Unauthorized: Invalid token: Token not found")
    subject = {"user": {"username": "carol"}, **named}
    enabled = client.post(f"{USER2}/user/activation", json=subject, headers=mine).json()
    assert (enabled["username"], enabled["state"], "attributes" in enabled, "id" in enabled) == ("carol", "ACTIVE", False, False)
    assert client.request("GET", f"{USER2}/user/activation/status", json=subject, headers=mine).json() == {"status": True}
    assert client.request("GET", f"{USER2}/user/availability", json=subject, headers=mine).json() == {}, "false is left out"
    assert client.request("GET", f"{USER2}/user", json=subject, headers=mine).json()["email"] == "c@example.org"
    attributes = {"users": ["carol"], "attributes": [{"key": "lab", "values": ["a"]}]}
    assert said(client.post(f"{USER2}/attributes", json=attributes, headers=headers)) == UNEXPECTED
    assert client.post(f"{USER2}/attributes", params=named, json=attributes, headers=headers).json() == {"status": True}
    found = client.get(f"{USER2}/users", params={**named, "offset": 0, "limit": 10, "user.id": "car"}, headers=mine).json()
    assert [user["attributes"] for user in found["users"]] == [[{"key": "lab", "values": ["a"]}]]
    assert said(client.get(f"{USER2}/users", params=named, headers=mine)) == UNEXPECTED
    new = {**named, "user_profile": {"username": "carol", "first_name": "Caroline", "last_name": "C", "email": "c@example.org"}}
    changed = client.put(f"{USER2}/user/profile", json=new, headers=mine).json()
    assert (changed["first_name"], "status" in changed, "type" in changed) == ("Caroline", False, False)
    assert client.request("DELETE", f"{USER2}/user", json=subject, headers=headers).json() == {"status": True}
    assert said(client.request("GET", f"{USER2}/user", json=subject, headers=mine))[0] == 404
    assert said(client.get(f"{USER2}/no/such/address")) == UNEXPECTED


def test_groups(client: httpx.Client, child: dict[str, Any]) -> None:
    headers = {**own(child), "client_id": child["client_id"]}
    Login(client, child).log_in("bob", "bob's own")
    made = client.post(f"{GROUP2}/groups", json={"name": "climate", "owner_id": "hub-admin"}, headers=headers)
    group = made.json()
    assert (made.status_code, made.headers["location"].endswith(f"/groups/{group['id']}")) == (201, True)
    assert "description" not in group
    path = f"{GROUP2}/groups/{group['id']}"
    assert client.get(path, headers=headers).json() == group
    assert client.get(f"{GROUP2}/groups", params={"name": "climate"}, headers=headers).json()["groups"] == [group]
    assert client.put(path, json={"name": "weather"}, headers=headers).json()["name"] == "weather"
    assert client.post(f"{path}/members", json={"username": "bob", "type": "ADMIN"}, headers=headers).json() == {"status": True}
    members = client.get(f"{path}/members", headers=headers).json()["profiles"]
    assert {member["username"]: member["membership_type"] for member in members} == {"bob": "ADMIN", "hub-admin": "OWNER"}
    assert client.put(f"{path}/members/bob", json={"type": "MEMBER"}, headers=headers).json() == {"status": True}
    assert client.get(f"{path}/members/bob/access", params={"type": "MEMBER"}, headers=headers).json() == {"status": True}
    assert client.get(f"{path}/members/bob/access", params={"type": "ADMIN"}, headers=headers).json() == {}
    mine = client.get(f"{GROUP2}/users/bob/group-memberships", headers=headers).json()["groups"]
    assert [found["name"] for found in mine] == ["weather"]
    sub = client.post(f"{GROUP2}/groups", json={"name": "rain", "owner_id": "hub-admin"}, headers=headers).json()
    assert client.post(f"{path}/children", json={"child_id": sub["id"]}, headers=headers).json() == {"status": True}
    assert [found["name"] for found in client.get(f"{path}/children", headers=headers).json()["groups"]] == ["rain"]
    assert {found["name"] for found in client.get(f"{GROUP2}/groups/{sub['id']}/parents", headers=headers).json()["groups"]} == {"rain", "weather"}
    for gone in (f"{path}/children/{sub['id']}", f"{path}/members/bob", path):
        assert client.delete(gone, headers=headers).status_code == 204
    assert said(client.get(path, headers=headers))[0] == 404
    for verb, where, body in (("PUT", path, {"name": "x"}), ("DELETE", path, None), ("POST", f"{path}/members", {"username": "bob"})):
        assert said(client.request(verb, where, json=body, headers=headers))[0] == 500
    assert said(client.get(f"{GROUP2}/groups"))[0] == 401
