"""Accounts of a tenant, with the answers that a client of Custos meets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.services.custos_double.server import IDENTITY, TENANT, USERS, Server, admin_token, message_of, own

CAROL = {"username": "Carol", "first_name": "Carol", "last_name": "C", "password": "carol's own", "email": "c@example.org"}


@pytest.fixture
def admin(server: Server, client: httpx.Client) -> dict[str, str]:
    return admin_token(client, server.parent)


@pytest.fixture
def carol(client: httpx.Client, child: dict[str, Any]) -> dict[str, Any]:
    """An enabled user of the child tenant."""
    assert client.post(f"{USERS}/user", json=CAROL, headers=own(child)).json() == {"is_registered": True}
    enabled: dict[str, Any] = client.post(f"{USERS}/user/activation", json={"username": "carol"}, headers=own(child)).json()
    return enabled


def read(client: httpx.Client, child: dict[str, Any], username: str = "carol") -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{USERS}/user", params={"user.username": username}, headers=own(child)).json()
    return found


def test_users_are_registered_disabled_then_enabled(client: httpx.Client, child: dict[str, Any]) -> None:
    assert client.post(f"{USERS}/user", json=CAROL, headers=own(child)).json() == {"is_registered": True}
    assert "Conflict" in message_of(client.post(f"{USERS}/user", json=CAROL, headers=own(child)), 500, 13)
    assert read(client, child)["state"] == "PENDING_CONFIRMATION"
    grant = {"grant_type": "password", "username": "carol", "password": "carol's own"}
    message_of(client.post(f"{IDENTITY}/token", json=grant, headers=own(child)), 500, 13)
    enabled = client.post(f"{USERS}/user/activation", json={"username": "carol"}, headers=own(child)).json()
    assert (enabled["id"], enabled["username"], enabled["state"], enabled["attributes"]) == ("", "carol", "ACTIVE", [])
    assert enabled["realm_roles"] == [f"default-roles-{child['realm']}"]
    tokens = client.post(f"{IDENTITY}/token", json=grant, headers=own(child))
    assert tokens.status_code == 200
    query = {"user.username": "carol"}
    assert client.get(f"{USERS}/user/activation/status", params=query, headers=own(child)).json() == {"status": True}
    assert client.get(f"{USERS}/user/availability", params=query, headers=own(child)).json() == {"status": False}
    disabled = client.post(f"{USERS}/user/deactivation", json={"username": "carol"}, headers=own(child)).json()
    assert disabled["state"] == "PENDING_CONFIRMATION"
    access = {"access_token": tokens.json()["access_token"]}
    message_of(client.get(f"{IDENTITY}/user", params=access, headers=own(child)), 401, 16)


@pytest.mark.parametrize("name", ["username", "first_name", "last_name", "password", "email"])
def test_each_field_of_a_registration_is_asked_for(client: httpx.Client, child: dict[str, Any], name: str) -> None:
    person = {key: value for key, value in CAROL.items() if key != name}
    assert name in message_of(client.post(f"{USERS}/user", json=person, headers=own(child)), 400, 3)


def test_a_password_is_replaced(client: httpx.Client, child: dict[str, Any], carol: dict[str, Any]) -> None:
    new = {"username": carol["username"], "password": "new"}
    assert client.put(f"{USERS}/user/password", json=new, headers=own(child)).json() == {"status": True}
    grant = {"grant_type": "password", **new}
    assert client.post(f"{IDENTITY}/token", json=grant, headers=own(child)).status_code == 200
    message_of(client.post(f"{IDENTITY}/token", json={**grant, "password": CAROL["password"]}, headers=own(child)), 500, 13)


def test_many_users_at_once(client: httpx.Client, child: dict[str, Any], admin: dict[str, str]) -> None:
    many = [{"username": f"u{n}", "password": "p", "email": f"u{n}@example.org", "attributes": [{"key": "n", "values": [str(n)]}]} for n in range(3)]
    path = f"{USERS}/users?client_id={child['client_id']}"
    assert client.post(path, json=many, headers=admin).json() == {"all_useres_registered": True, "failed_users": []}
    assert read(client, child, "u2")["attributes"] == [{"key": "n", "values": ["2"]}]
    again = client.post(path, json=[many[0], {**many[0], "username": "u9", "realm_roles": ["no such role"]}], headers=admin).json()
    assert again["all_useres_registered"] is False
    assert [user["username"] for user in again["failed_users"]] == ["u0", "u9"]
    message_of(client.post(path, json=many, headers=own(child)), 401, 16)


def test_users_are_searched_by_part_of_a_field_and_in_pages(client: httpx.Client, child: dict[str, Any], admin: dict[str, str]) -> None:
    many = [{"username": f"user{n}", "password": "p", "email": f"u{n}@{'lab' if n % 2 else 'uni'}.org"} for n in range(4)]
    client.post(f"{USERS}/users?client_id={child['client_id']}", json=many, headers=admin)

    def names(**query: Any) -> list[str]:
        return [user["username"] for user in client.get(f"{USERS}/users", params=query, headers=own(child)).json()["users"]]

    assert names(**{"user.username": "SER", "offset": 1, "limit": 2}) == ["user1", "user2"]
    assert names(**{"user.email": "@lab", "limit": 10}) == ["user1", "user3"]
    assert names(**{"user.username": "nobody", "limit": 10}) == []


def test_whom_custos_does_not_know(client: httpx.Client, child: dict[str, Any], admin: dict[str, str]) -> None:
    nobody, query = {"username": "nobody", "password": "x"}, {"user.username": "nobody"}
    message_of(client.get(f"{USERS}/user", params=query, headers=own(child)), 404, 5)
    for verb, path in (("POST", "/user/activation"), ("POST", "/user/deactivation"), ("PUT", "/user/password")):
        message_of(client.request(verb, f"{USERS}{path}", json=nobody, headers=own(child)), 500, 13)
    message_of(client.request("DELETE", f"{USERS}/user?client_id={child['client_id']}", json=nobody, headers=admin), 500, 13)
    assert client.get(f"{USERS}/user/activation/status", params=query, headers=own(child)).json() == {"status": False}
    assert client.get(f"{USERS}/user/availability", params=query, headers=own(child)).json() == {"status": True}
    profile = client.get(f"{USERS}/user/profile", params={"user_profile.username": "nobody"}, headers=own(child))
    assert (profile.status_code, profile.json()["username"]) == (200, "")


def test_deleting_takes_an_administrator(client: httpx.Client, child: dict[str, Any], admin: dict[str, str], carol: dict[str, Any]) -> None:
    gone = {"username": "carol", "client_id": child["client_id"]}
    message_of(client.request("DELETE", f"{USERS}/user", json=gone, headers=own(child)), 401, 16)
    assert client.request("DELETE", f"{USERS}/user", json=gone, headers=admin).json() == {"status": True}
    message_of(client.get(f"{USERS}/user", params={"user.username": "carol"}, headers=own(child)), 404, 5)


def test_a_profile_is_replaced(client: httpx.Client, child: dict[str, Any], carol: dict[str, Any]) -> None:
    new = {"username": "carol", "first_name": "Caroline", "last_name": "D", "email": "d@example.org"}
    changed = client.put(f"{USERS}/user/profile", json=new, headers=own(child)).json()
    assert {key: changed[key] for key in new} == new
    assert (changed["type"], changed["created_at"].isdigit()) == ("END_USER", True)
    assert read(client, child)["first_name"] == "Caroline"
    everybody = client.get(f"{USERS}/users/profile", headers=own(child)).json()["profiles"]
    assert [profile["username"] for profile in everybody] == ["carol", "hub-admin"]


def test_attributes_are_added_by_key_and_removed_by_value(client: httpx.Client, child: dict[str, Any], carol: dict[str, Any]) -> None:
    def send(verb: str, **attributes: list[str]) -> dict[str, Any]:
        body = {"attributes": [{"key": key, "values": values} for key, values in attributes.items()], "users": ["carol"], "client_id": child["client_id"]}
        assert client.request(verb, f"{USERS}/attributes", json=body, headers=own(child)).json() == {"status": True}
        return {item["key"]: item["values"] for item in read(client, child)["attributes"]}

    assert send("POST", lab=["a", "b"], room=["1"]) == {"lab": ["a", "b"], "room": ["1"]}
    assert send("POST", lab=["c", "d"]) == {"lab": ["c", "d"], "room": ["1"]}
    assert send("DELETE", lab=["c"], room=["1"], other=["x"]) == {"lab": ["d"]}
    body = {"attributes": [{"key": "a", "values": ["b"]}], "users": ["carol"]}
    message_of(client.post(f"{USERS}/attributes", json=body, headers=own(child)), 401, 16)  # a client token must name the client
    message_of(client.post(f"{USERS}/attributes", json={**body, "users": ["nobody"], "client_id": child["client_id"]}, headers=own(child)), 500, 13)


def test_roles_of_users(client: httpx.Client, child: dict[str, Any], admin: dict[str, str], carol: dict[str, Any]) -> None:
    named = {"client_id": child["client_id"]}
    client.post(f"{TENANT}/roles", json={"roles": [{"name": "gateway-user"}], **named}, headers=admin)
    client.post(f"{TENANT}/roles", json={"roles": [{"name": "submitter"}], "client_level": True, **named}, headers=admin)

    def add(**values: Any) -> httpx.Response:
        return client.post(f"{USERS}/users/roles", json={"usernames": ["carol"], **named, **values}, headers=own(child))

    assert add(roles=["gateway-user"]).json() == {"status": True}
    assert add(roles=["submitter"], client_level=True).json() == {"status": True}
    default = f"default-roles-{child['realm']}"
    assert (read(client, child)["realm_roles"], read(client, child)["client_roles"]) == ([default, "gateway-user"], ["submitter"])
    assert "Could not find role" in message_of(add(roles=["no such role"]), 500, 13)
    assert "User not found" in message_of(add(usernames=["nobody"], roles=["gateway-user"]), 500, 13)

    gone = {"username": "carol", "roles": ["gateway-user"], "client_roles": ["submitter"], **named}
    assert client.request("DELETE", f"{USERS}/user/roles", json=gone, headers=own(child)).json() == {"status": True}
    assert (read(client, child)["realm_roles"], read(client, child)["client_roles"]) == ([default], [])

    add(roles=["gateway-user"])
    client.request("DELETE", f"{TENANT}/role", json={"role": {"name": "gateway-user"}, **named}, headers=admin)
    assert read(client, child)["realm_roles"] == [default], "a role that is gone is nobody's"


def test_administrators_are_made_and_unmade(client: httpx.Client, child: dict[str, Any], admin: dict[str, str], carol: dict[str, Any]) -> None:
    path, body = f"{USERS}/user/admin?client_id={child['client_id']}", {"username": "carol"}
    own_admin = {**child, "admin_username": "carol", "admin_password": CAROL["password"]}
    query = {"client_id": child["client_id"]}
    message_of(client.get(f"{TENANT}/oauth2/tenant", params=query, headers=admin_token(client, own_admin)), 401, 16)
    message_of(client.post(path, json=body, headers=own(child)), 401, 16)
    assert client.post(path, json=body, headers=admin).json() == {"status": True}
    assert "admin" in read(client, child)["realm_roles"]
    assert client.get(f"{TENANT}/oauth2/tenant", params=query, headers=admin_token(client, own_admin)).status_code == 200
    assert client.request("DELETE", path, json=body, headers=admin).json() == {"status": True}
    assert "admin" not in read(client, child)["realm_roles"]
