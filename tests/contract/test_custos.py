"""Custos' first API in front of either server: what a tenant's owner and its programs meet, from the registration to the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from tests.contract.backends import REDIRECT, Admin, Backend
from tests.contract.recorded import Recordings
from tests.unit.plugins.modules.custos_places import Place, person
from tests.unit.services.custos_double.browser import Login
from tests.unit.services.custos_double.server import (
    GROUPS,
    IDENTITY,
    TENANT,
    USERS,
    Server,
    admin_token,
    client_token,
    message_of,
    own,
    tenant_values,
)

ADMIN = {"username": "hub-admin", "password": "hub admin password"}
CAROL = {"username": "Carol", "first_name": "Carol", "last_name": "C", "password": "carol's own", "email": "carol@example.org"}


@pytest.fixture
def carol(http: httpx.Client, tenant: dict[str, Any], front: Server) -> Iterator[dict[str, Any]]:
    """An enabled user of the tenant, for one test."""
    assert http.post(f"{USERS}/user", json=CAROL, headers=own(tenant)).json() == {"is_registered": True}
    yield http.post(f"{USERS}/user/activation", json={"username": "carol"}, headers=own(tenant)).json()
    gone = {"username": "carol", "client_id": tenant["client_id"]}
    http.request("DELETE", f"{USERS}/user", json=gone, headers=admin_token(http, front.parent))


def grant(http: httpx.Client, tenant: dict[str, Any], **values: str) -> httpx.Response:
    return http.post(f"{IDENTITY}/token", json=values, headers=own(tenant))


def password_of(http: httpx.Client, tenant: dict[str, Any], person: dict[str, str]) -> httpx.Response:
    return grant(http, tenant, grant_type="password", username=person["username"], password=person["password"])


def who(http: httpx.Client, tenant: dict[str, Any], token: str) -> httpx.Response:
    return http.get(f"{IDENTITY}/user", params={"access_token": token}, headers=own(tenant))


def read(http: httpx.Client, tenant: dict[str, Any], username: str = "carol") -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"{USERS}/user", params={"user.username": username}, headers=own(tenant)).json()
    return found


def test_a_tenant_from_first_to_last(http: httpx.Client, browser: httpx.Client, front: Server, backend: Backend, recordings: Recordings) -> None:
    made = http.post(f"{TENANT}/oauth2/tenant", json=tenant_values("short-lived"), headers=client_token(front.parent))
    recordings.see("tenant registered", made)
    tenant, query, admin = made.json(), {"client_id": made.json()["client_id"]}, admin_token(http, front.parent)
    credentials = http.get(f"{IDENTITY}/credentials", params=query, headers=own(tenant))
    recordings.see("credentials", credentials)
    wrong = {**tenant, "client_secret": "wrong"}
    recordings.see("credentials with a wrong secret", http.get(f"{IDENTITY}/credentials", params=query, headers=own(wrong)))
    recordings.see("tenant", http.get(f"{TENANT}/oauth2/tenant", params=query, headers=admin))
    children = http.get(f"{TENANT}/child/tenants", params={"limit": 100}, headers=admin)
    recordings.see("child tenants", children)
    assert tenant["client_id"] in [child["client_id"] for child in children.json()["tenant"]]

    realm = tenant["client_id"].rpartition("-")[2]
    keycloak = Admin(browser, backend, realm)
    (client,) = keycloak.call("GET", "/clients", clientId=tenant["client_id"]).json()
    changes = {"clientId": client["clientId"], "name": "changed", "description": "of the administrator", "redirectUris": ["https://other.example.org/cb"]}
    assert keycloak.call("PUT", f"/clients/{client['id']}", changes).status_code == 204
    moved = {**tenant_values("renamed", redirect_uris=["https://moved.example.org/cb"]), **query}
    recordings.see("tenant changed", http.put(f"{TENANT}/oauth2/tenant", json=moved, headers=admin))
    client = keycloak.call("GET", f"/clients/{client['id']}").json()
    assert (client["name"], client["description"]) == ("renamed", "of the administrator"), "Custos writes what is its own"
    assert sorted(client["redirectUris"]) == sorted([*moved["redirect_uris"], moved["client_uri"]])
    login = Login(browser, {**credentials.json(), **tenant, "realm": realm}, "https://moved.example.org/cb")
    assert login.redeem(login.code(**ADMIN)).status_code == 200

    assert keycloak.call("POST", f"/clients/{client['id']}/client-secret").status_code == 200
    recordings.see("token after a new secret at Keycloak, which Custos is not told", password_of(http, tenant, ADMIN))
    assert http.get(f"{IDENTITY}/credentials", params=query, headers=own(tenant)).json() == credentials.json()

    recordings.see("tenant deleted", http.delete(f"{TENANT}/oauth2/tenant", params=query, headers=admin))
    recordings.see("credentials after that", http.get(f"{IDENTITY}/credentials", params=query, headers=own(tenant)))
    assert browser.get(f"/auth/realms/{realm}/.well-known/openid-configuration").status_code == 404


def test_an_administrator_keeps_the_password_given_before_the_approval(http: httpx.Client, front: Server, recordings: Recordings) -> None:
    made = http.post(f"{TENANT}/oauth2/tenant", json=tenant_values("patient"))
    recordings.see("admin tenant registered", made)
    recordings.see("token before the approval", password_of(http, made.json(), ADMIN))
    change = {"client_id": made.json()["client_id"], "status": "ACTIVE"}
    recordings.see("approved", http.post(f"{TENANT}/status", json=change, headers=admin_token(http, front.root)))
    assert password_of(http, made.json(), ADMIN).status_code == 200
    assert http.post(f"{TENANT}/status", json=change, headers=admin_token(http, front.root)).status_code == 200, "again, and nothing is lost"
    assert password_of(http, made.json(), ADMIN).status_code == 200


def test_tokens(http: httpx.Client, tenant: dict[str, Any], recordings: Recordings) -> None:
    tokens = password_of(http, tenant, ADMIN)
    recordings.see("password", tokens)
    recordings.see("bad password", password_of(http, tenant, {**ADMIN, "password": "bad"}))
    recordings.see("password of nobody", password_of(http, tenant, {**ADMIN, "username": "nobody"}))
    recordings.see("user of the token", who(http, tenant, tokens.json()["access_token"]))
    recordings.see("user of no token", who(http, tenant, "a.b.c"))
    without = grant(http, tenant, grant_type="password", scope="profile", **ADMIN)
    recordings.see("user of a token without the scope openid", who(http, tenant, without.json()["access_token"]))
    fresh = grant(http, tenant, grant_type="refresh_token", refresh_token=tokens.json()["refresh_token"])
    recordings.see("refresh", fresh)
    assert who(http, tenant, fresh.json()["access_token"]).json()["username"] == "hub-admin"
    recordings.see("bad refresh token", grant(http, tenant, grant_type="refresh_token", refresh_token="made-up"))
    recordings.see("client credentials", grant(http, tenant, grant_type="client_credentials"))
    recordings.see("no grant type", grant(http, tenant))
    recordings.see("no name", grant(http, tenant, grant_type="password"))
    recordings.see("bad code", grant(http, tenant, code="made-up", redirect_uri=REDIRECT))
    recordings.see("account token", http.get(f"{IDENTITY}/account/token", headers=own(tenant)))
    recordings.see("authenticate", http.post(f"{IDENTITY}/authenticate", json=ADMIN, headers=own(tenant)))
    for name, token, good in (("good", tokens.json()["access_token"], True), ("bad", "x", False)):
        status = http.post(f"{IDENTITY}/authenticate/status", json={"access_token": token}, headers=own(tenant))
        recordings.see(f"status of a {name} token", status)
        assert status.json() == {"authenticated": good}


def test_a_token_is_worth_nothing_at_another_tenant(http: httpx.Client, front: Server, tenant: dict[str, Any], recordings: Recordings) -> None:
    foreign = admin_token(http, front.parent)["Authorization"].removeprefix("Bearer ")
    recordings.see("user of another tenant's token", who(http, tenant, foreign))
    mine = {"Authorization": f"Bearer {password_of(http, tenant, ADMIN).json()['access_token']}"}
    above = {"client_id": front.parent["client_id"]}
    message_of(http.get(f"{TENANT}/oauth2/tenant", params=above, headers=mine), 401, 16)
    assert http.get(f"{TENANT}/oauth2/tenant", params={"client_id": tenant["client_id"]}, headers=mine).status_code == 200


def test_logout_ends_the_session(http: httpx.Client, tenant: dict[str, Any], recordings: Recordings) -> None:
    tokens = password_of(http, tenant, ADMIN).json()
    out = {"refresh_token": tokens["refresh_token"]}
    recordings.see("logout", http.post(f"{IDENTITY}/user/logout", json=out, headers=own(tenant)))
    recordings.see("user after the logout", who(http, tenant, tokens["access_token"]))
    recordings.see("refresh after the logout", grant(http, tenant, grant_type="refresh_token", **out))
    recordings.see("logout again", http.post(f"{IDENTITY}/user/logout", json=out, headers=own(tenant)))


def test_discovery_leads_to_a_login(
    http: httpx.Client, browser: httpx.Client, front: Server, backend: Backend, tenant: dict[str, Any], recordings: Recordings
) -> None:
    query = {"client_id": tenant["client_id"]}
    answer = http.get(f"{IDENTITY}/.well-known/openid-configuration", params=query)
    recordings.see("discovery", answer, whole=False)
    document = answer.json()
    assert document["custos_token_endpoint"] == f"{front.url}{IDENTITY}/token"
    assert document["issuer"] == f"{backend.url}/auth/realms/{tenant['realm']}"
    asked = {**query, "redirect_uri": REDIRECT, "response_type": "code", "scope": "openid", "state": "s"}
    leads = http.get(f"{IDENTITY}/authorize", params=asked)
    recordings.see("authorize", leads)
    recordings.see("authorize to a stranger", http.get(f"{IDENTITY}/authorize", params={**asked, "redirect_uri": "https://x"}))
    assert leads.json()["loginURI"].startswith(document["authorization_endpoint"])
    assert browser.get(leads.json()["loginURI"]).status_code == 200
    login = Login(browser, tenant)
    tokens = login.log_in(**ADMIN)  # with PKCE
    assert login.userinfo(tokens).json()["preferred_username"] == "hub-admin"
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert who(http, tenant, tokens["access_token"]).json()["sub"] == claims["sub"]


def test_users_are_registered_disabled_then_enabled(http: httpx.Client, tenant: dict[str, Any], front: Server, recordings: Recordings) -> None:
    def see(name: str, verb: str, path: str, who_asks: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
        answer = http.request(verb, f"{USERS}{path}", headers=who_asks or own(tenant), **body)
        recordings.see(name, answer)
        found: dict[str, Any] = answer.json()
        return found

    bert, query = {**CAROL, "username": "Bert", "email": "bert@example.org"}, {"user.username": "bert"}
    see("user registered", "POST", "/user", json=bert)
    see("user registered again", "POST", "/user", json=bert)
    assert see("user not yet enabled", "GET", "/user", params=query)["state"] == "PENDING_CONFIRMATION"
    recordings.see("token of a disabled user", password_of(http, tenant, bert))
    assert see("user enabled", "POST", "/user/activation", json={"username": "Bert"})["state"] == "ACTIVE"
    assert see("user is enabled", "GET", "/user/activation/status", params=query) == {"status": True}
    assert see("name is taken", "GET", "/user/availability", params=query) == {"status": False}
    tokens = password_of(http, tenant, bert)
    assert tokens.status_code == 200, tokens.text

    see("user disabled", "POST", "/user/deactivation", json={"username": "bert"})
    recordings.see("user of a token whose user is disabled", who(http, tenant, tokens.json()["access_token"]))
    recordings.see("refresh of a disabled user", grant(http, tenant, grant_type="refresh_token", refresh_token=tokens.json()["refresh_token"]))

    gone = {"username": "bert", "client_id": tenant["client_id"]}
    admin = admin_token(http, front.parent)
    see("user deleted by a client", "DELETE", "/user", json=gone)
    see("user deleted", "DELETE", "/user", admin, json=gone)
    see("user is gone", "GET", "/user", params=query)
    see("user deleted again", "DELETE", "/user", admin, json=gone)
    see("nobody enabled", "POST", "/user/activation", json={"username": "bert"})
    assert see("nobody is enabled", "GET", "/user/activation/status", params=query) == {"status": False}


def test_a_password_is_replaced(http: httpx.Client, tenant: dict[str, Any], carol: dict[str, Any], recordings: Recordings) -> None:
    new = {"username": carol["username"], "password": "new"}
    recordings.see("password replaced", http.put(f"{USERS}/user/password", json=new, headers=own(tenant)))
    assert password_of(http, tenant, new).status_code == 200
    message_of(password_of(http, tenant, CAROL), 500, 13)


def test_profiles_and_attributes(http: httpx.Client, tenant: dict[str, Any], carol: dict[str, Any], recordings: Recordings) -> None:
    def send(verb: str, **attributes: list[str]) -> dict[str, Any]:
        body = {"attributes": [{"key": key, "values": values} for key, values in attributes.items()], "users": ["carol"], "client_id": tenant["client_id"]}
        recordings.see(f"attributes {verb}", http.request(verb, f"{USERS}/attributes", json=body, headers=own(tenant)))
        return {item["key"]: item["values"] for item in read(http, tenant)["attributes"]}

    assert send("POST", lab=["a", "b"], room=["1"]) == {"lab": ["a", "b"], "room": ["1"]}
    new = {"username": "carol", "first_name": "Caroline", "last_name": "D", "email": "d@example.org"}
    changed = http.put(f"{USERS}/user/profile", json=new, headers=own(tenant))
    recordings.see("profile replaced", changed)
    assert {key: changed.json()[key] for key in new} == new
    assert send("POST", lab=["c", "d"]) == {"lab": ["c", "d"], "room": ["1"]}, "a change of the profile keeps attributes"
    assert send("DELETE", lab=["c"], room=["1"], other=["x"]) == {"lab": ["d"]}
    assert read(http, tenant)["first_name"] == "Caroline", "a change of attributes keeps the profile"
    recordings.see("user with attributes", http.get(f"{USERS}/user", params={"user.username": "CAROL"}, headers=own(tenant)))
    recordings.see("profiles", http.get(f"{USERS}/users/profile", headers=own(tenant)))
    nobody = http.get(f"{USERS}/user/profile", params={"user_profile.username": "nobody"}, headers=own(tenant))
    recordings.see("profile of nobody", nobody)


def test_roles(http: httpx.Client, front: Server, tenant: dict[str, Any], carol: dict[str, Any], recordings: Recordings) -> None:
    admin, named = admin_token(http, front.parent), {"client_id": tenant["client_id"]}
    new = {"roles": [{"name": "gateway-user", "description": "may submit"}], **named}
    made = http.post(f"{TENANT}/roles", json=new, headers=admin)
    recordings.see("roles", made)
    builtin = {f"default-roles-{tenant['realm']}": True, "offline_access": False, "uma_authorization": False, "admin": True}
    assert {role["name"]: role["composite"] for role in made.json()["roles"]} == {**builtin, "gateway-user": False}
    recordings.see("a role that is there", http.post(f"{TENANT}/roles", json=new, headers=admin))
    of_client = {"roles": [{"name": "submitter"}], "client_level": True, **named}
    recordings.see("roles of the client", http.post(f"{TENANT}/roles", json=of_client, headers=admin))

    def give(name: str, **values: Any) -> None:
        recordings.see(name, http.post(f"{USERS}/users/roles", json={"usernames": ["carol"], **named, **values}, headers=own(tenant)))

    give("role given", roles=["gateway-user"])
    give("role of the client given", roles=["submitter"], client_level=True)
    give("no such role", roles=["no such role"])
    give("role for nobody", usernames=["nobody"], roles=["gateway-user"])
    default = f"default-roles-{tenant['realm']}"
    assert (sorted(read(http, tenant)["realm_roles"]), read(http, tenant)["client_roles"]) == ([default, "gateway-user"], ["submitter"])
    gone = {"username": "carol", "roles": ["gateway-user"], "client_roles": ["submitter"], **named}
    recordings.see("roles taken", http.request("DELETE", f"{USERS}/user/roles", json=gone, headers=own(tenant)))
    assert (read(http, tenant)["realm_roles"], read(http, tenant)["client_roles"]) == ([default], [])
    last = {"role": {"name": "gateway-user"}, **named}
    recordings.see("role deleted", http.request("DELETE", f"{TENANT}/role", json=last, headers=admin))
    recordings.see("role deleted again", http.request("DELETE", f"{TENANT}/role", json=last, headers=admin))


def test_an_administrator_is_made_and_unmade(http: httpx.Client, front: Server, tenant: dict[str, Any], carol: dict[str, Any]) -> None:
    path, body, query = f"{USERS}/user/admin?client_id={tenant['client_id']}", {"username": carol["username"]}, {"client_id": tenant["client_id"]}
    token = {"Authorization": f"Bearer {password_of(http, tenant, CAROL).json()['access_token']}"}
    admin = admin_token(http, front.parent)
    for verb, allowed in (("GET", False), ("POST", True), ("DELETE", False)):
        if verb != "GET":
            assert http.request(verb, path, json=body, headers=admin).json() == {"status": True}
        assert http.get(f"{TENANT}/oauth2/tenant", params=query, headers=token).status_code == (200 if allowed else 401)


def test_many_users_are_registered_and_found(http: httpx.Client, front: Server, tenant: dict[str, Any], recordings: Recordings) -> None:
    admin, path = admin_token(http, front.parent), f"{USERS}/users?client_id={tenant['client_id']}"
    name = {"password": "p", "first_name": "M", "last_name": "N"}
    many = [{"username": f"many{n}", "email": f"m{n}@{'lab' if n % 2 else 'uni'}.org", **name} for n in range(4)]
    recordings.see("users registered", http.post(path, json=[{**many[0], "attributes": [{"key": "n", "values": ["0"]}]}, *many[1:]], headers=admin))
    assert read(http, tenant, "many0")["attributes"] == [{"key": "n", "values": ["0"]}]
    assert password_of(http, tenant, many[1]).status_code == 200
    bare = {"username": "manybare", "password": "p", "email": "bare@example.org"}
    again = http.post(path, json=[many[0], {**bare, "realm_roles": ["no such role"]}], headers=admin)
    recordings.see("users registered again", again)
    assert [user["username"] for user in again.json()["failed_users"]] == ["many0", "manybare"]
    recordings.see("token of a user without a name", password_of(http, tenant, bare))

    def names(**query: Any) -> list[str]:
        answer = http.get(f"{USERS}/users", params=query, headers=own(tenant))
        recordings.see("users found", answer)
        return [user["username"] for user in answer.json()["users"]]

    assert names(**{"user.username": "ANY", "offset": 1, "limit": 2}) == ["many1", "many2"]
    assert names(**{"user.email": "@lab", "limit": 10}) == ["many1", "many3"]
    assert names(**{"user.id": "many", "limit": 10}) == ["many0", "many1", "many2", "many3", "manybare"]
    assert names(**{"user.username": "nobody", "limit": 10}) == []
    assert {"hub-admin", "many0"} <= set(names(offset=0, limit=100))


def test_who_leaves_the_realm_leaves_the_groups(http: httpx.Client, front: Server, tenant: dict[str, Any], recordings: Recordings) -> None:
    assert http.post(f"{USERS}/user", json={**CAROL, "username": "dora"}, headers=own(tenant)).status_code == 200
    made = http.post(f"{GROUPS}/group", json={"group": {"name": "course", "owner_id": "hub-admin"}}, headers=own(tenant))
    recordings.see("group", made)
    strange = {"group": {"name": "course", "owner_id": "stranger"}}
    recordings.see("group of a stranger", http.post(f"{GROUPS}/group", json=strange, headers=own(tenant)))
    member = {"group_id": made.json()["id"], "username": "dora", "type": "MEMBER"}
    assert http.post(f"{GROUPS}/user/group/membership", json=member, headers=own(tenant)).json() == {"status": True}
    message_of(http.post(f"{GROUPS}/user/group/membership", json={**member, "username": "stranger"}, headers=own(tenant)), 500, 13)

    def members() -> set[str]:
        answer = http.get(f"{GROUPS}/user/group/memberships/child", params={"group.id": made.json()["id"]}, headers=own(tenant))
        recordings.see("members", answer)
        return {profile["username"] for profile in answer.json()["profiles"]}

    assert members() == {"hub-admin", "dora"}
    gone = {"username": "dora", "client_id": tenant["client_id"]}
    assert http.request("DELETE", f"{USERS}/user", json=gone, headers=admin_token(http, front.parent)).json() == {"status": True}
    assert members() == {"hub-admin"}
    assert http.delete(f"{GROUPS}/group/{made.json()['id']}", headers=own(tenant)).json() == {"status": True}


# The modules, in the dialect of this API


@pytest.fixture
def place(front: Server) -> Place:
    return Place("v1.0.0", front)


def test_a_client_by_module(place: Place, browser: httpx.Client, backend: Backend) -> None:
    values = tenant_values("by module")
    wanted = {**values, "scopes": values.pop("scope").split(), "scope": None}
    assert place.run("custos_client", check=True, **wanted)["changed"] is True
    made = place.run("custos_client", **wanted)
    assert (made["changed"], made["client"]["status"]) == (True, "ACTIVE")
    again = place.run("custos_client", **wanted)
    assert (again["changed"], again["credentials"]) == (False, made["credentials"])
    moved = {**wanted, "redirect_uris": ["https://moved.example.org/cb", REDIRECT], "comment": "moved"}
    planned, changed = place.run("custos_client", check=True, **moved), place.run("custos_client", **moved)
    assert (changed["changed"], changed["diff"], changed["credentials"]) == (True, planned["diff"], made["credentials"])
    realm, client = made["client"]["client_id"].rpartition("-")[2], {"client_id": made["credentials"]["iam_client_id"], **made["credentials"]}
    login = Login(browser, {"realm": realm, **client}, "https://moved.example.org/cb")
    assert login.redeem(login.code(**ADMIN)).status_code == 200
    (found,) = place.run("custos_client_info", client_name="by module", credentials=True, discovery=True)["clients"]
    assert (found["credentials"], found["discovery"]["issuer"]) == (made["credentials"], f"{backend.url}/auth/realms/{realm}")
    gone = {"client_name": "by module", "domain": "hub.example.org", "state": "absent"}
    assert [place.run("custos_client", **gone)["changed"] for _again in range(2)] == [True, False]


def test_people_and_a_group_by_module(place: Place) -> None:
    place.make_roles("teacher")
    ada = person("ada", roles=["teacher"], attributes={"lab": ["b", "a"]})
    planned, made = place.run("custos_user", check=True, **ada), place.run("custos_user", **ada)
    assert (made["changed"], made["user"]["enabled"], made["diff"]) == (True, True, planned["diff"])
    assert {"teacher"} <= set(made["user"]["roles"])
    assert place.run("custos_user", **ada)["changed"] is False
    left = {"username": "ADA", "last_name": "L", "enabled": False, "roles": [], "attributes": {"lab": ["c"]}, "exclusive": True}
    assert [place.run("custos_user", **left)["changed"] for _again in range(2)] == [True, False]
    (user,) = place.run("custos_user_info", username="ada")["users"]
    assert (user["last_name"], user["first_name"], user["enabled"], user["attributes"]) == ("L", "Ada", False, {"lab": ["c"]})
    assert "teacher" not in user["roles"]
    assert "role" in place.run("custos_user", username="ada", roles=["no such role"])["msg"]

    group = {"name": "course", "owner": "gateway-admin", "members": [{"username": "ada", "type": "ADMIN"}]}
    made = place.run("custos_group", **group)
    assert (made["changed"], made["group"]["members"]) == (True, {"ada": "ADMIN", "gateway-admin": "OWNER"})
    assert place.run("custos_group", **group)["changed"] is False
    for module, key in (("custos_group", {"name": "course"}), ("custos_user", {"username": "ada"})):
        assert [place.run(module, **key, state="absent")["changed"] for _again in range(2)] == [True, False]


def test_errors_of_the_modules(place: Place) -> None:
    wrong = place.run("custos_user", **person("nobody"), parent_client_secret="wrong")
    assert "Check parent_client_id and parent_client_secret" in wrong["msg"]
    place.register("wrongly")
    wrong = place.run("custos_user", username="wrongly", last_name="New", parent_password="wrong")
    assert "Check parent_username and parent_password" in wrong["msg"]
    assert "invalid_grant" in wrong["msg"]
    assert place.run("custos_user", username="wrongly", state="absent")["changed"] is True
