"""Keycloak's admin REST: what a program uses to set up a realm."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from tests.contract.backends import BOB, PASSWORD, Admin, Backend
from tests.contract.recorded import Recordings
from tests.unit.services.custos_double.browser import Login, query_of


def roles_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_realms(browser: httpx.Client, admin: Admin, backend: Backend, recordings: Recordings) -> None:
    values = {"realm": "short-lived", "enabled": True}
    recordings.see("realm made", browser.post(admin.base, json=values, headers=admin.headers))
    recordings.see("realm twice", browser.post(admin.base, json=values, headers=admin.headers))
    fresh = Admin(browser, backend, "short-lived")
    recordings.see("realm", fresh.call("GET", ""), whole=False)
    assert "short-lived" in [found["realm"] for found in browser.get(admin.base, headers=fresh.headers).json()]
    recordings.see("realm changed", fresh.call("PUT", "", {"accessTokenLifespan": 60}))
    assert fresh.call("GET", "").json()["accessTokenLifespan"] == 60
    recordings.see("realm deleted", fresh.call("DELETE", ""))
    recordings.see("no such realm", fresh.call("GET", "/clients"))


def test_clients(admin: Admin, recordings: Recordings) -> None:
    values = {"clientId": "other", "name": "Another", "redirectUris": ["https://other.example.org/cb"], "directAccessGrantsEnabled": True}
    made = admin.call("POST", "/clients", values)
    recordings.see("client made", made)
    key = made.headers["location"].rpartition("/")[2]
    recordings.see("client twice", admin.call("POST", "/clients", values))
    client = admin.call("GET", f"/clients/{key}")
    recordings.see("client", client, whole=False)
    assert {name: client.json()[name] for name in values} == values
    assert (client.json()["publicClient"], client.json()["standardFlowEnabled"], client.json()["serviceAccountsEnabled"]) == (False, True, False)
    listed = admin.call("GET", "/clients", clientId="other")
    recordings.see("clients", listed, whole=False)
    assert [found["id"] for found in listed.json()] == [key]
    assert admin.call("GET", "/clients", clientId="oth").json() == []
    assert {"admin-cli", "realm-management", "hub", "other"} <= {found["clientId"] for found in admin.call("GET", "/clients").json()}

    change = {"redirectUris": ["https://new.example.org/cb"], "attributes": {"post.logout.redirect.uris": "+"}}
    recordings.see("client changed", admin.call("PUT", f"/clients/{key}", {**client.json(), **change}))
    changed = admin.call("GET", f"/clients/{key}").json()
    assert (changed["redirectUris"], changed["name"]) == (["https://new.example.org/cb"], "Another")
    assert changed["attributes"]["post.logout.redirect.uris"] == "+"
    admin.call("PUT", f"/clients/{key}", {"name": "Only the name"})
    partly = admin.call("GET", f"/clients/{key}").json()
    assert (partly["name"], partly["redirectUris"]) == ("Only the name", ["https://new.example.org/cb"]), "what a request leaves out stays"

    recordings.see("client deleted", admin.call("DELETE", f"/clients/{key}"))
    recordings.see("no such client", admin.call("GET", f"/clients/{key}"))
    recordings.see("no such client to delete", admin.call("DELETE", f"/clients/{key}"))
    recordings.see("unknown field of a client", admin.call("POST", "/clients", {"clientId": "x", "typo": 1}))
    recordings.see(
        "no JSON", admin.http.post(f"{admin.base}/{admin.realm}/clients", content=b"{", headers={**admin.headers, "Content-Type": "application/json"})
    )


def test_client_scopes(admin: Admin, browser: httpx.Client, recordings: Recordings) -> None:
    uri = "https://other.example.org/cb"
    key = admin.make("/clients", {"clientId": "scoped", "redirectUris": [uri]})
    login = Login(browser, {"realm": admin.realm, "client_id": "scoped", "iam_client_secret": ""}, uri)
    wanted = "openid email org.cilogon.userinfo"
    assert query_of(login.authorize(scope=wanted).headers["location"])["error"] == "invalid_scope"
    made = admin.call("POST", "/client-scopes", {"name": "org.cilogon.userinfo", "protocol": "openid-connect"})
    recordings.see("scope made", made)
    scope = made.headers["location"].rpartition("/")[2]
    recordings.see("scope twice", admin.call("POST", "/client-scopes", {"name": "org.cilogon.userinfo", "protocol": "openid-connect"}))
    assert {"profile", "email", "org.cilogon.userinfo"} <= {found["name"] for found in admin.call("GET", "/client-scopes").json()}
    assert "location" in login.authorize(scope=wanted).headers, "a scope of the realm is not yet one of the client"
    recordings.see("scope given", admin.call("PUT", f"/clients/{key}/optional-client-scopes/{scope}"))
    recordings.see("scopes of a client", admin.call("GET", f"/clients/{key}/optional-client-scopes"))
    assert "org.cilogon.userinfo" in admin.call("GET", f"/clients/{key}").json()["optionalClientScopes"]
    assert login.authorize(scope=wanted).status_code == 200
    client = admin.call("GET", f"/clients/{key}").json()
    admin.call("PUT", f"/clients/{key}", {**client, "optionalClientScopes": []})
    assert admin.call("GET", f"/clients/{key}").json()["optionalClientScopes"] == client["optionalClientScopes"], "a change of the client leaves them alone"
    recordings.see("scope taken", admin.call("DELETE", f"/clients/{key}/optional-client-scopes/{scope}"))
    assert "org.cilogon.userinfo" not in admin.call("GET", f"/clients/{key}").json()["optionalClientScopes"]
    recordings.see("no such scope", admin.call("PUT", f"/clients/{key}/optional-client-scopes/none"))
    recordings.see("scope deleted", admin.call("DELETE", f"/client-scopes/{scope}"))
    admin.call("DELETE", f"/clients/{key}")


def test_the_secret_of_a_client(admin: Admin, browser: httpx.Client, recordings: Recordings) -> None:
    key = admin.make("/clients", {"clientId": "rotating", "serviceAccountsEnabled": True})
    path = f"/auth/realms/{admin.realm}/protocol/openid-connect/token"

    def works(secret: str) -> bool:
        return browser.post(path, data={"grant_type": "client_credentials"}, auth=("rotating", secret)).status_code == 200

    first = admin.call("GET", f"/clients/{key}/client-secret")
    recordings.see("secret", first)
    assert works(first.json()["value"])
    second = admin.call("POST", f"/clients/{key}/client-secret")
    recordings.see("secret rotated", second)
    assert (works(first.json()["value"]), works(second.json()["value"])) == (False, True)
    assert admin.call("GET", f"/clients/{key}").json()["secret"] == second.json()["value"]
    admin.call("DELETE", f"/clients/{key}")


def test_users(admin: Admin, login: Login, recordings: Recordings) -> None:
    values = {"username": "Carol", "email": "carol@example.org", "firstName": "Carol", "lastName": "C", "enabled": True}
    made = admin.call("POST", "/users", values)
    recordings.see("user made", made)
    key = made.headers["location"].rpartition("/")[2]
    recordings.see("user twice", admin.call("POST", "/users", values))
    recordings.see("e-mail twice", admin.call("POST", "/users", {**values, "username": "other"}))
    recordings.see("user without a name", admin.call("POST", "/users", {"email": "x@example.org"}))
    user = admin.call("GET", f"/users/{key}")
    recordings.see("user", user, whole=False)
    assert (user.json()["username"], user.json()["emailVerified"], user.json()["enabled"]) == ("carol", False, True)
    recordings.see("users", admin.call("GET", "/users", username="carol", exact="true"), whole=False)
    for query, count in (
        ({"username": "car"}, 1), ({"username": "car", "exact": "true"}, 0), ({"username": "carol", "exact": "true"}, 1), ({"search": "caro"}, 1),
        ({"search": "nobody"}, 0), ({"email": "carol@example.org"}, 1), ({"lastName": "C", "firstName": "Carol"}, 1), ({"max": "1"}, 1), ({"max": "0"}, 0),
    ):  # fmt: skip
        assert len(admin.call("GET", "/users", None, None, **query).json()) == count, query
    assert "service-account-hub" not in [found["username"] for found in admin.call("GET", "/users").json()]
    assert admin.call("GET", "/users/count").json() == len(admin.call("GET", "/users").json())

    recordings.see("password set", admin.call("PUT", f"/users/{key}/reset-password", {"type": "password", "value": "new", "temporary": False}))
    assert login.token(grant_type="password", username="carol", password="new").status_code == 200
    recordings.see("user changed", admin.call("PUT", f"/users/{key}", {"firstName": "Caroline", "enabled": False}))
    changed = admin.call("GET", f"/users/{key}").json()
    assert (changed["firstName"], changed["lastName"], changed["enabled"]) == ("Caroline", "C", False)
    assert login.token(grant_type="password", username="carol", password="new").status_code == 400
    recordings.see("user deleted", admin.call("DELETE", f"/users/{key}"))
    recordings.see("no such user", admin.call("GET", f"/users/{key}"))


def test_attributes_of_users_are_dropped_unless_the_realm_wants_them(admin: Admin, recordings: Recordings) -> None:
    values = {"username": "dave", "email": "dave@example.org", "firstName": "Dave", "lastName": "D", "attributes": {"lab": ["a", "b"]}}
    made = admin.call("POST", "/users", values)
    assert made.status_code == 201, "and nobody says so"
    key = made.headers["location"].rpartition("/")[2]
    assert "attributes" not in admin.call("GET", f"/users/{key}").json()
    profile = admin.call("GET", "/users/profile")
    recordings.see("user profile", profile, whole=False)
    recordings.see("user profile changed", admin.call("PUT", "/users/profile", {**profile.json(), "unmanagedAttributePolicy": "ENABLED"}), whole=False)
    assert admin.call("PUT", f"/users/{key}", {**values, "attributes": {"lab": ["a"], "room": ["1"]}}).status_code == 204
    assert admin.call("GET", f"/users/{key}").json()["attributes"] == {"lab": ["a"], "room": ["1"]}
    admin.call("PUT", f"/users/{key}", {"firstName": "David"})
    assert admin.call("GET", f"/users/{key}").json()["attributes"] == {"lab": ["a"], "room": ["1"]}
    admin.call("PUT", f"/users/{key}", {"attributes": {"room": ["2"]}})
    changed = admin.call("GET", f"/users/{key}").json()
    recordings.see("user after a change of attributes alone", admin.call("GET", f"/users/{key}"), whole=False)
    assert changed["attributes"] == {"room": ["2"]}
    admin.call("PUT", "/users/profile", profile.json())
    admin.call("DELETE", f"/users/{key}")


def test_a_user_can_be_signed_out(admin: Admin, login: Login, recordings: Recordings) -> None:
    (bob,) = admin.call("GET", "/users", username="bob", exact="true").json()
    tokens = login.log_in("bob", PASSWORD)
    recordings.see("user signed out", admin.call("POST", f"/users/{bob['id']}/logout"))
    assert login.userinfo(tokens).status_code == 401


def test_roles(admin: Admin, login: Login, recordings: Recordings) -> None:
    (bob,) = admin.call("GET", "/users", username="bob", exact="true").json()
    recordings.see("role made", admin.call("POST", "/roles", {"name": "submitter", "description": "may submit"}))
    recordings.see("role twice", admin.call("POST", "/roles", {"name": "submitter"}))
    role = admin.call("GET", "/roles/submitter")
    recordings.see("role", role, whole=False)
    recordings.see("no such role", admin.call("GET", "/roles/nothing"))
    assert {"submitter", "offline_access", "uma_authorization", f"default-roles-{admin.realm}"} <= {
        found["name"] for found in admin.call("GET", "/roles").json()
    }
    path = f"/users/{bob['id']}/role-mappings"
    recordings.see("role given", admin.call("POST", f"{path}/realm", [role.json()]))
    recordings.see("roles of a user", admin.call("GET", f"{path}/realm"), whole=False)
    assert {found["name"] for found in admin.call("GET", f"{path}/realm").json()} == {"submitter", f"default-roles-{admin.realm}"}
    assert "submitter" in roles_of(login.log_in("bob", PASSWORD)["access_token"])["realm_access"]["roles"]

    (hub,) = admin.call("GET", "/clients", clientId="hub").json()
    recordings.see("client role made", admin.call("POST", f"/clients/{hub['id']}/roles", {"name": "tester"}))
    of_client = admin.call("GET", f"/clients/{hub['id']}/roles/tester")
    recordings.see("client role", of_client, whole=False)
    admin.call("POST", f"{path}/clients/{hub['id']}", [of_client.json()])
    recordings.see("all roles of a user", admin.call("GET", path), whole=False)
    login.browser.cookies.clear()
    assert roles_of(login.log_in("bob", PASSWORD)["access_token"])["resource_access"]["hub"]["roles"] == ["tester"]

    recordings.see("role taken", admin.call("DELETE", f"{path}/realm", [role.json()]))
    assert {found["name"] for found in admin.call("GET", f"{path}/realm").json()} == {f"default-roles-{admin.realm}"}
    admin.call("DELETE", f"{path}/clients/{hub['id']}", [of_client.json()])
    recordings.see("role deleted", admin.call("DELETE", "/roles/submitter"))
    admin.call("DELETE", f"/clients/{hub['id']}/roles/tester")


def test_groups(admin: Admin, login: Login, recordings: Recordings) -> None:
    (bob,) = admin.call("GET", "/users", username="bob", exact="true").json()
    made = admin.call("POST", "/groups", {"name": "climate", "attributes": {"k": ["v"]}})
    recordings.see("group made", made)
    key = made.headers["location"].rpartition("/")[2]
    recordings.see("group twice", admin.call("POST", "/groups", {"name": "climate"}))
    recordings.see("group", admin.call("GET", f"/groups/{key}"), whole=False)
    child = admin.call("POST", f"/groups/{key}/children", {"name": "rain"})
    recordings.see("child group made", child, whole=False)
    assert [group["path"] for group in admin.call("GET", f"/groups/{key}/children").json()] == ["/climate/rain"]
    recordings.see("groups", admin.call("GET", "/groups", briefRepresentation="false"), whole=False)
    assert [group["name"] for group in admin.call("GET", "/groups").json()] == ["climate"]

    recordings.see("joined", admin.call("PUT", f"/users/{bob['id']}/groups/{key}"))
    recordings.see("groups of a user", admin.call("GET", f"/users/{bob['id']}/groups"), whole=False)
    assert [user["username"] for user in admin.call("GET", f"/groups/{key}/members").json()] == ["bob"]
    (hub,) = admin.call("GET", "/clients", clientId="hub").json()
    mapper = {
        "name": "groups", "protocol": "openid-connect", "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true", "access.token.claim": "true", "userinfo.token.claim": "true"},
    }  # fmt: skip
    recordings.see("mapper made", admin.call("POST", f"/clients/{hub['id']}/protocol-mappers/models", mapper))
    recordings.see("mapper twice", admin.call("POST", f"/clients/{hub['id']}/protocol-mappers/models", mapper))
    mappers = admin.call("GET", f"/clients/{hub['id']}/protocol-mappers/models")
    recordings.see("mappers", mappers, whole=False)
    tokens = login.log_in("bob", PASSWORD)
    assert [roles_of(tokens[name])["groups"] for name in ("access_token", "id_token")] == [["climate"], ["climate"]]
    assert login.userinfo(tokens).json()["groups"] == ["climate"]
    assert admin.call("DELETE", f"/clients/{hub['id']}/protocol-mappers/models/{mappers.json()[0]['id']}").status_code == 204

    recordings.see("left", admin.call("DELETE", f"/users/{bob['id']}/groups/{key}"))
    recordings.see("group changed", admin.call("PUT", f"/groups/{key}", {"name": "weather"}))
    assert admin.call("GET", f"/groups/{key}/children").json()[0]["path"] == "/weather/rain"
    recordings.see("group deleted", admin.call("DELETE", f"/groups/{key}"))
    recordings.see("no such group", admin.call("GET", f"/groups/{key}"))
    assert admin.call("GET", "/groups").json() == []


def test_who_may_do_what(admin: Admin, login: Login, recordings: Recordings) -> None:
    recordings.see("without a token", admin.call("GET", "/clients", headers={}))
    recordings.see("with a bad token", admin.call("GET", "/clients", headers={"Authorization": "Bearer x"}))
    tokens = login.log_in("bob", PASSWORD)
    recordings.see("without the right", admin.call("GET", "/clients", headers={"Authorization": f"Bearer {tokens['access_token']}"}))


@pytest.mark.parametrize(("right", "may"), [("manage-clients", (200, 201, 403)), ("realm-admin", (200, 201, 200))])
def test_a_client_can_be_an_administrator(browser: httpx.Client, admin: Admin, recordings: Recordings, right: str, may: tuple[int, int, int]) -> None:
    key = admin.make("/clients", {"clientId": right, "secret": "s", "serviceAccountsEnabled": True})
    account = admin.call("GET", f"/clients/{key}/service-account-user")
    recordings.see("service account", account, whole=False)
    (management,) = admin.call("GET", "/clients", clientId="realm-management").json()
    role = admin.call("GET", f"/clients/{management['id']}/roles/{right}").json()
    assert admin.call("POST", f"/users/{account.json()['id']}/role-mappings/clients/{management['id']}", [role]).status_code == 204
    path = f"/auth/realms/{admin.realm}/protocol/openid-connect/token"
    token = browser.post(path, data={"grant_type": "client_credentials"}, auth=(right, "s")).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answers = (
        admin.call("GET", "/clients", headers=headers),
        admin.call("POST", "/clients", {"clientId": f"made by {right}"}, headers=headers),
        admin.call("GET", "/users", headers=headers),
    )
    assert tuple(answer.status_code for answer in answers) == may
    assert admin.call("POST", "/users", {**BOB, "username": "x"}, headers={"Authorization": "Bearer x"}).status_code == 401
