"""Groups and memberships, with Custos' traps: they are what a module must not fall into."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.services.custos_double.browser import Login
from tests.unit.services.custos_double.server import GROUPS, USERS, Server, admin_token, message_of, own

Group = dict[str, Any]


class Caller:
    """Group-management of one child tenant, with its client token."""

    def __init__(self, client: httpx.Client, child: dict[str, Any]) -> None:
        self.client = client
        self.headers = own(child)

    def call(self, verb: str, path: str, body: dict[str, Any] | None = None, **query: str) -> httpx.Response:
        dotted = {name.replace("__", "."): value for name, value in query.items()}
        return self.client.request(verb, f"{GROUPS}{path}", json=body, params=dotted, headers=self.headers)

    def make(self, name: str, **values: Any) -> Group:
        answer = self.call("POST", "/group", {"group": {"name": name, "owner_id": "hub-admin", **values}})
        assert answer.status_code == 200, answer.text
        group: Group = answer.json()
        return group

    def names(self, path: str, **query: str) -> set[str]:
        return {group["name"] for group in self.call("GET", path, **query).json()["groups"]}

    def members(self, group: Group) -> dict[str, str]:
        profiles = self.call("GET", "/user/group/memberships/child", group__id=group["id"]).json()["profiles"]
        return {profile["username"]: profile["membership_type"] for profile in profiles}

    def member(self, verb: str, group: Group, username: str, kind: str = "") -> httpx.Response:
        return self.call(verb, "/user/group/membership", {"group_id": group["id"], "username": username, "type": kind})


@pytest.fixture
def groups(server: Server, client: httpx.Client, child: dict[str, Any]) -> Caller:
    many = [{"username": name, "password": "p", "email": f"{name}@example.org"} for name in ("carol", "dave")]
    client.post(f"{USERS}/users?client_id={child['client_id']}", json=many, headers=admin_token(client, server.parent))
    return Caller(client, child)


def test_a_group_is_made_found_changed_and_deleted(groups: Caller) -> None:
    group = groups.make("Climate Lab", description="d", attributes=[{"key": "k", "value": ["v"]}])
    assert set(group) == {
        "id", "name", "realm_roles", "client_roles", "parent_id", "created_time", "last_modified_time", "attributes", "description", "owner_id",
    }  # fmt: skip
    assert group["id"].startswith("climate_lab_")
    assert (group["owner_id"], group["parent_id"], group["created_time"].isdigit()) == ("hub-admin", "", True)
    assert groups.call("GET", "/group", group__id=group["id"]).json() == group
    changed = groups.call("PUT", f"/group/{group['id']}", {"group": {"name": "Weather"}}).json()
    assert (changed["name"], changed["description"], changed["attributes"]) == ("Weather", "", []), "what a request leaves out is gone"
    assert groups.call("DELETE", f"/group/{group['id']}").json() == {"status": True}
    assert groups.names("/groups") == set()


def test_an_id_can_be_chosen_and_is_used_once(groups: Caller) -> None:
    assert groups.make("a", id="chosen")["id"] == "chosen"
    message_of(groups.call("POST", "/group", {"group": {"name": "b", "id": "chosen", "owner_id": "hub-admin"}}), 409, 6)


def test_whatever_is_wrong_is_a_500(groups: Caller) -> None:
    group = groups.make("a")
    assert "Owner  not found" in message_of(groups.call("POST", "/group", {"group": {"name": "b"}}), 500, 13)
    assert "Parent group not found" in message_of(
        groups.call("POST", "/group", {"group": {"name": "b", "owner_id": "hub-admin", "parent_id": "none"}}), 500, 13
    )
    message_of(groups.call("GET", "/group", group__id="none"), 500, 13)
    message_of(groups.call("PUT", "/group/none", {"group": {"name": "b"}}), 500, 13)
    message_of(groups.call("DELETE", "/group/none"), 500, 13)
    message_of(groups.member("POST", group, "nobody"), 500, 13)
    message_of(groups.member("POST", group, "Carol"), 500, 13)  # accounts are lower case, and here nobody folds
    message_of(groups.member("POST", group, "carol", "KING"), 500, 13)
    message_of(groups.member("PUT", group, "carol", "ADMIN"), 500, 13)


def test_a_search_that_finds_nothing_finds_everything(groups: Caller) -> None:
    for name in ("climate", "climbing", "ocean"):
        groups.make(name)
    assert groups.names("/groups", group__name="clim%") == {"climate", "climbing"}
    assert groups.names("/groups", group__name="CLIMATE") == {"climate"}
    assert groups.names("/groups", group__name="clim") == {"climate", "climbing", "ocean"}
    assert len(groups.call("GET", "/groups", limit="2", offset="1").json()["groups"]) == 2


def test_members_and_their_types(client: httpx.Client, child: dict[str, Any], groups: Caller) -> None:
    group = groups.make("climate")
    Login(client, child).log_in("bob", "bob's own")  # a brokered person exists after the first login
    assert groups.member("POST", group, "bob").json() == {"status": True}
    assert groups.member("POST", group, "carol", "admin").json() == {"status": True}
    assert groups.members(group) == {"bob": "MEMBER", "carol": "ADMIN", "hub-admin": "OWNER"}
    assert groups.names("/user/group/memberships", profile__username="bob") == {"climate"}

    assert groups.member("POST", group, "carol", "MEMBER").json() == {"status": True}
    assert groups.members(group)["carol"] == "ADMIN", "who is a member stays what he is"
    assert groups.member("PUT", group, "carol", "MEMBER").json() == {"status": True}
    assert groups.members(group)["carol"] == "MEMBER"

    def access(kind: str) -> bool:
        answer = groups.call("GET", "/user/group/access", group_id=group["id"], username="bob", type=kind)
        return bool(answer.json()["status"])

    assert (access("MEMBER"), access("ADMIN"), access("")) == (True, False, False)
    assert groups.member("DELETE", group, "bob").json() == {"status": True}
    assert groups.member("DELETE", group, "bob").json() == {"status": True}
    assert groups.members(group) == {"carol": "MEMBER", "hub-admin": "OWNER"}


def test_the_only_owner_cannot_be_changed_and_a_change_to_owner_leaves_none(groups: Caller) -> None:
    group = groups.make("climate")
    groups.member("POST", group, "carol")
    assert "Default owner" in message_of(groups.member("PUT", group, "hub-admin", "MEMBER"), 500, 13)
    assert groups.member("PUT", group, "carol", "OWNER").json() == {"status": True}
    assert groups.members(group) == {"carol": "MEMBER", "hub-admin": "MEMBER"}
    for verb, path in (("GET", "/groups"), ("GET", "/user/group/memberships?profile.username=carol"), ("DELETE", f"/group/{group['id']}")):
        message_of(groups.client.request(verb, f"{GROUPS}{path}", headers=groups.headers), 500, 13)
    groups.member("DELETE", group, "carol")
    groups.member("POST", group, "carol", "OWNER")
    assert groups.call("GET", "/group", group__id=group["id"]).json()["owner_id"] == "carol", "the way to give a group another owner"


def test_groups_in_groups(groups: Caller) -> None:
    parent, other = groups.make("university"), groups.make("faculty")
    child = groups.make("lab", parent_id=parent["id"])
    assert child["parent_id"] == parent["id"]
    pair = {"parent_id": other["id"], "child_id": child["id"]}
    assert groups.call("POST", "/group/membership", pair).json() == {"status": True}
    assert groups.names("/groups/memberships", group__id=child["id"]) == {"lab", "university", "faculty"}
    assert groups.names("/groups/memberships/child", group__id=other["id"]) == {"lab"}
    groups.member("POST", child, "carol")
    assert groups.names("/user/group/memberships", profile__username="carol") == {"lab", "university", "faculty"}
    assert groups.call("DELETE", "/group/membership", pair).json() == {"status": True}
    assert groups.names("/user/group/memberships", profile__username="carol") == {"lab", "university"}
    message_of(groups.call("POST", "/group/membership", {**pair, "child_id": "none"}), 500, 13)
    message_of(groups.call("GET", "/groups/memberships/child", group__id="none"), 500, 13)
    groups.call("DELETE", f"/group/{parent['id']}")
    assert groups.names("/groups") == {"faculty"}, "a group made inside another one goes with it"


def test_a_user_who_is_gone_is_in_no_group(server: Server, client: httpx.Client, child: dict[str, Any], groups: Caller) -> None:
    group = groups.make("climate")
    groups.member("POST", group, "carol")
    client.request("DELETE", f"{USERS}/user?client_id={child['client_id']}", json={"username": "carol"}, headers=admin_token(client, server.parent))
    assert groups.members(group) == {"hub-admin": "OWNER"}
