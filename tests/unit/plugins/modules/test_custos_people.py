"""Users, groups and secrets: the real modules against the real server of the Custos contract, in every dialect that has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos import http as custos_http

from tests.unit.plugins.modules.custos_places import Place, person, wrong
from tests.unit.services.custos_double.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("custos")).start()
    yield running
    running.stop()


@pytest.fixture
def place(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> Place:
    server.calm()
    monkeypatch.setattr(custos_http.time, "sleep", lambda _seconds: None)
    return Place(request.param, server)


with_users = pytest.mark.parametrize("place", ["v1.0.0", "v1", "keycloak"], indirect=True)
with_groups = pytest.mark.parametrize("place", ["v1.0.0", "v1", "keycloak"], indirect=True)
with_owners = pytest.mark.parametrize("place", ["v1.0.0", "v1"], indirect=True)
with_secrets = pytest.mark.parametrize("place", ["v1.0.0"], indirect=True)


# Users


@with_users
def test_a_user_from_first_to_last(place: Place) -> None:
    place.make_roles("teacher", "writer")
    new = person("Ada", roles=["teacher"], attributes={"institution": "Engines", "courses": ["b", "a"]})
    planned = place.run("custos_user", check=True, **new)
    assert (planned["changed"], planned["diff"]["before"]) == (True, {})
    assert place.run("custos_user_info", username="ada")["users"] == [], "check mode made nobody"

    made = place.run("custos_user", **new)
    assert made["changed"] is True
    user = made["user"]
    assert (user["username"], user["enabled"], user["email"]) == ("ada", True, "ada@example.org")
    assert user["attributes"] == {"courses": ["a", "b"], "institution": ["Engines"]}
    assert "teacher" in user["roles"]
    assert {**planned["user"], "roles": user["roles"]} == user

    again = place.run("custos_user", **person("ADA", roles=["teacher"], attributes={"courses": ["a", "b"]}, password="another"))
    assert (again["changed"], again["user"]) == (False, user)
    assert place.run("custos_user", username="ada")["changed"] is False, "what is not given stays"
    assert place.run("custos_user_info", username="ada")["users"] == [user]
    assert user in place.run("custos_user_info")["users"]

    change = {"username": "ada", "last_name": "Lovelace", "roles": ["writer"], "attributes": {"courses": ["c"], "institution": []}}
    planned = place.run("custos_user", check=True, **change)
    assert place.run("custos_user_info", username="ada")["users"] == [user], "check mode changed nothing"
    changed = place.run("custos_user", **change)
    assert (changed["changed"], changed["diff"]) == (True, planned["diff"])
    assert changed["user"] == planned["user"]
    assert (changed["user"]["last_name"], changed["user"]["first_name"]) == ("Lovelace", "Ada")
    assert changed["user"]["attributes"] == {"courses": ["c"]}
    assert {"teacher", "writer"} <= set(changed["user"]["roles"]), "without exclusive others stay"
    assert place.run("custos_user", **change)["changed"] is False

    only = {"username": "ada", "roles": ["writer"], "attributes": {"language": "en"}, "exclusive": True}
    assert place.run("custos_user", **only)["changed"] is True
    (user,) = place.run("custos_user_info", username="ada")["users"]
    assert "teacher" not in user["roles"]
    assert user["attributes"] == {"language": ["en"]}
    assert place.run("custos_user", **only)["changed"] is False, "what everybody has is not taken away"

    out = place.run("custos_user", username="ada", enabled=False)
    assert (out["changed"], out["user"]["enabled"]) == (True, False)
    assert place.run("custos_user", username="ada", enabled=False)["changed"] is False
    assert place.run("custos_user", username="ada")["changed"] is False, "who is kept out stays out"

    for text in ("Ada's own first", "another"):
        assert text not in json.dumps([made["diff"], again["diff"], changed["diff"]])

    gone = {"username": "ada", "state": "absent"}
    assert place.run("custos_user", check=True, **gone)["changed"] is True
    assert len(place.run("custos_user_info", username="ada")["users"]) == 1
    deleted = place.run("custos_user", **gone)
    assert (deleted["changed"], deleted["user"]) == (True, {})
    assert place.run("custos_user", **gone)["changed"] is False


@with_users
def test_a_new_user_may_begin_outside(place: Place) -> None:
    made = place.run("custos_user", **person("later", enabled=False))
    assert (made["changed"], made["user"]["enabled"]) == (True, False)
    assert place.run("custos_user", **person("later", enabled=False))["changed"] is False
    let_in = place.run("custos_user", **person("later", enabled=True))
    assert (let_in["changed"], let_in["user"]["enabled"]) == (True, True)


@with_owners
def test_what_may_be_repeated_is_and_an_error_says_what_was_done(place: Place) -> None:
    halfway = f"halfway-{place.api}"  # both APIs have the same people
    users = "/apiserver/user-management/v1.0.0/user" if place.api == "v1.0.0" else "/api/v1/user-management/user"
    place.server.faults(unavailable_count=2, unavailable_path=f"{users}/activation")
    assert place.run("custos_user", **person(f"patient-{place.api}"))["user"]["enabled"] is True
    place.server.faults(unavailable_count=100, unavailable_path=f"{users}/activation")
    assert "Already done: register." in place.run("custos_user", **person(halfway))["msg"]
    place.server.calm()
    assert place.run("custos_user", **person(halfway, enabled=True))["user"]["enabled"] is True


@with_users
def test_a_role_that_does_not_exist_is_named(place: Place) -> None:
    place.register("rollo")
    result = place.run("custos_user", username="rollo", roles=["no such role"])
    assert result["failed"] is True
    assert "role" in result["msg"]


@with_owners
@pytest.mark.parametrize("lacking", ["email", "first_name", "last_name", "password"])
def test_custos_needs_more_of_a_new_user(place: Place, lacking: str) -> None:
    result = place.run("custos_user", **person("nobody", **{lacking: None}))
    assert result["failed"] is True
    assert f"to register them {lacking} must be given" in result["msg"]


@with_users
def test_everybody_is_read_page_by_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.register("page1", "page2", "page3")
    for name in ("v1_0_0_people", "v1_people", "keycloak"):
        monkeypatch.setattr(f"ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.{name}.PAGE", 2)
    names = [user["username"] for user in place.run("custos_user_info")["users"]]
    assert {"page1", "page2", "page3"} <= set(names)
    assert len(names) == len(set(names))


# Groups


def group(place: Place, name: str, **changes: Any) -> dict[str, Any]:
    """Of olga, where groups have an owner."""
    return {"name": name, "owner": "olga" if place.owns else None, "description": "for a test", **changes}


def olga(place: Place) -> dict[str, str]:
    return {"olga": "OWNER"} if place.owns else {}


@with_groups
def test_a_group_from_first_to_last(place: Place) -> None:
    place.register("olga", "mia", "max")
    most = "ADMIN" if place.owns else "MEMBER"  # where there are no owners there are no types of members
    new = group(place, "Course 101", members=[{"username": "Mia", "type": most}, {"username": "max"}])
    planned = place.run("custos_group", check=True, **new)
    assert (planned["changed"], planned["diff"]["before"]) == (True, {})
    assert place.run("custos_group_info", name="Course 101")["groups"] == [], "check mode made nothing"

    made = place.run("custos_group", **new)
    assert made["changed"] is True
    assert made["group"]["members"] == {"max": "MEMBER", "mia": most, **olga(place)}
    assert {**planned["group"], "group_id": made["group"]["group_id"]} == made["group"]
    turned = {**new, "members": new["members"][::-1]}
    again = place.run("custos_group", **turned)
    assert (again["changed"], again["group"]) == (False, made["group"])
    assert place.run("custos_group", name="Course 101")["changed"] is False, "what is not given stays"
    assert place.run("custos_group_info", name="Course 101")["groups"] == [made["group"]]

    change = {"name": "Course 101", "description": "", "members": [{"username": "mia"}]}
    planned = place.run("custos_group", check=True, **change)
    assert place.run("custos_group_info", name="Course 101")["groups"] == [made["group"]], "check mode changed nothing"
    changed = place.run("custos_group", **change)
    assert (changed["changed"], changed["diff"], changed["group"]) == (True, planned["diff"], planned["group"])
    assert changed["group"]["members"] == {"max": "MEMBER", "mia": "MEMBER", **olga(place)}, "without exclusive others stay"
    assert changed["group"]["description"] == ""
    assert place.run("custos_group", **change)["changed"] is False

    alone = place.run("custos_group", **change, exclusive=True)
    assert (alone["changed"], alone["group"]["members"]) == (True, {"mia": "MEMBER", **olga(place)})
    nobody = place.run("custos_group", name="Course 101", members=[], exclusive=True)
    assert (nobody["changed"], nobody["group"]["members"]) == (True, olga(place)), "an owner stays"

    renamed = place.run("custos_group", name="Course 102", group_id=made["group"]["group_id"])
    assert (renamed["changed"], renamed["group"]["group_id"], renamed["group"]["name"]) == (True, made["group"]["group_id"], "Course 102")

    gone = {"name": "Course 102", "state": "absent"}
    assert place.run("custos_group", check=True, **gone)["changed"] is True
    assert len(place.run("custos_group_info", name="Course 102")["groups"]) == 1
    deleted = place.run("custos_group", **gone)
    assert (deleted["changed"], deleted["group"]) == (True, {})
    assert place.run("custos_group", **gone)["changed"] is False


@with_owners
def test_an_owner_is_needed_and_stays(place: Place) -> None:
    place.register("olga", "otto")
    assert "owner must be given" in place.run("custos_group", name="orphans")["msg"]
    place.run("custos_group", **group(place, "kept"))
    other = place.run("custos_group", **group(place, "kept", owner="otto"))
    assert other["failed"] is True
    assert "belongs to olga" in other["msg"]


@with_groups
def test_a_stranger_as_a_member_is_an_error_of_custos(place: Place) -> None:
    place.register("olga")
    result = place.run("custos_group", **group(place, "with a stranger", members=[{"username": "stranger"}]))
    assert result["failed"] is True
    assert "stranger" in result["msg"] or "available" in result["msg"]


@with_owners  # Keycloak does not let two groups of a realm have one name
def test_two_groups_of_a_name_are_told_apart_by_id(place: Place) -> None:
    place.register("olga")
    first = place.run("custos_group", **group(place, "twins"))["group"]["group_id"]
    second = place.run("custos_group", **group(place, "other name"))["group"]["group_id"]
    place.run("custos_group", name="twins", group_id=second)
    result = place.run("custos_group", name="twins")
    assert result["failed"] is True
    assert first in result["msg"]
    assert second in result["msg"]
    assert place.run("custos_group", name="twins", group_id=second, state="absent")["changed"] is True
    assert [found["group_id"] for found in place.run("custos_group_info", name="twins")["groups"]] == [first]


# Secrets


def password(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "type": "password", "owner": "ada", "description": "for a test", "password": "tr0ub4dor&3", **changes}


@with_secrets
def test_a_password_from_first_to_last(place: Place) -> None:
    planned = place.run("custos_secret", check=True, **password("life"))
    assert (planned["changed"], planned["diff"]["before"]) == (True, {})
    assert place.run("custos_secret_info", names=["life"])["secrets"] == [], "check mode made nothing"
    made = place.run("custos_secret", **password("life"))
    expected = {"name": "life", "kind": "password", "owner": "ada", "description": "for a test"}
    assert (made["changed"], made["secret"]) == (True, expected)
    assert place.run("custos_secret_info", names=["life", "other"])["secrets"] == [expected], "the label is not shown"
    assert place.run("custos_secret", **password("life"))["changed"] is False
    assert place.run("custos_secret", name="life", type="password")["changed"] is False, "what is not given stays"

    change = password("life", password="correct horse", user_id="ada")
    planned = place.run("custos_secret", check=True, **change)
    assert (planned["changed"], planned["diff"]["before"]["contents"], planned["diff"]["after"]["contents"]) == (True, "kept", "new")
    assert place.run("custos_secret", **password("life"))["changed"] is False, "check mode changed nothing"
    changed = place.run("custos_secret", **change)
    assert (changed["changed"], changed["diff"]) == (True, planned["diff"])
    assert place.run("custos_secret", **change)["changed"] is False
    (read,) = place.run("custos_secret_info", names=["life"], contents=True)["secrets"]
    assert read["contents"] == {"password": "correct horse", "user_id": "ada"}

    text = place.run("custos_secret", **{**change, "description": "other words"})
    assert (text["changed"], text["diff"]["after"]["contents"]) == (True, "kept")
    without = place.run("custos_secret", name="life", type="password", description="new words")
    assert without["failed"] is True
    assert "contents must be given" in without["msg"]
    shown = json.dumps([made, changed, text, planned], default=str)
    for result in (made, changed, text, planned):
        result["invocation"] = None
    shown = json.dumps([made, changed, text, planned])
    assert "tr0ub4dor&3" not in shown
    assert "correct horse" not in shown

    gone = {"name": "life", "type": "password", "state": "absent"}
    assert place.run("custos_secret", check=True, **gone)["changed"] is True
    assert len(place.run("custos_secret_info", names=["life"])["secrets"]) == 1
    assert place.run("custos_secret", **gone)["changed"] is True
    assert place.run("custos_secret", **gone)["changed"] is False


@with_secrets
def test_an_ssh_key_given_or_made_by_custos(place: Place) -> None:
    key = {"name": "given", "type": "ssh", "owner": "ada", "private_key": "PRIVATE", "public_key": "ssh-ed25519 AAAA", "passphrase": "open"}
    assert place.run("custos_secret", **key)["changed"] is True
    assert place.run("custos_secret", **key)["changed"] is False
    assert place.run("custos_secret", **{**key, "passphrase": "close"})["changed"] is True
    (read,) = place.run("custos_secret_info", names=["given"], contents=True)["secrets"]
    assert read["contents"] == {"private_key": "PRIVATE", "public_key": "ssh-ed25519 AAAA", "passphrase": "close"}

    own = {"name": "made", "type": "ssh", "owner": "ada"}
    assert place.run("custos_secret", **own)["changed"] is True
    (read,) = place.run("custos_secret_info", names=["made"], contents=True)["secrets"]
    assert "PRIVATE KEY" in read["contents"]["private_key"]
    assert place.run("custos_secret", **own)["changed"] is False
    other = place.run("custos_secret", name="made", type="password", password="x", owner="ada")
    assert other["failed"] is True
    assert "is of type ssh" in other["msg"]


@with_secrets
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"password": None}, "password must be given"),
        ({"owner": None}, "owner must be given"),
        ({"passphrase": "x"}, "has no passphrase"),
        ({"type": "ssh", "password": None, "private_key": "x"}, "go together"),
        ({"description": "x" * 250}, "characters"),
    ],
)
def test_a_secret_that_cannot_be_made(place: Place, changes: dict[str, Any], text: str) -> None:
    for check in (True, False):
        result = place.run("custos_secret", check=check, **password("bad", **changes))
        assert result["failed"] is True
        assert text in result["msg"]
    assert place.run("custos_secret_info", names=["bad"])["secrets"] == []


# All of them

USERS = [("custos_user", person("nobody")), ("custos_user_info", {"username": "nobody"})]
GROUPS = [("custos_group", {"name": "nobody"}), ("custos_group_info", {})]
SECRETS = [("custos_secret", password("nothing")), ("custos_secret_info", {"names": ["nothing"]})]


@pytest.mark.parametrize(
    ("place", "modules"), [("v1.0.0", [*USERS, *GROUPS, *SECRETS]), ("v1", [*USERS, *GROUPS]), ("keycloak", [*USERS, *GROUPS])], indirect=["place"]
)
def test_a_connection_that_cannot_work_says_why(place: Place, modules: list[tuple[str, dict[str, Any]]]) -> None:
    for name, arguments in modules:
        for changes, texts in wrong(place):
            result = place.run(name, **{**arguments, **changes})
            assert result["failed"] is True, changes
            for text in texts:
                assert text in result["msg"]


@with_owners
def test_a_wrong_password_of_the_administrator(place: Place) -> None:
    place.register("wrongly")
    result = place.run("custos_user", username="wrongly", last_name="New", parent_password="wrong")
    assert "Check parent_username and parent_password" in result["msg"]


@pytest.mark.parametrize(
    ("place", "name", "arguments"),
    [
        ("v1", "custos_secret", password("nothing")),
        ("v1", "custos_secret_info", {"names": ["nothing"]}),
        ("v1", "custos_client", {"client_name": "x", "domain": "x"}),
        ("v1", "custos_client", {"client_name": "x", "domain": "x", "registration": "admin", "rotate_secret": True}),
        ("v1", "custos_client_info", {"credentials": True}),
        ("v1.0.0", "custos_client", {"client_name": "x", "domain": "x", "rotate_secret": True}),
        ("keycloak", "custos_secret", password("nothing")),
        ("keycloak", "custos_secret_info", {"names": ["nothing"]}),
        ("keycloak", "custos_group", {"name": "x", "owner": "ada"}),
        ("keycloak", "custos_group", {"name": "x", "members": [{"username": "ada", "type": "ADMIN"}]}),
        ("keycloak", "custos_client", {"client_name": "x", "domain": "x", "registration": "admin"}),
    ],
    indirect=["place"],
)
def test_what_an_api_lacks_is_one_sentence_before_any_call(place: Place, name: str, arguments: dict[str, Any]) -> None:
    result = place.run(name, **{**arguments, "url": "https://127.0.0.1:1", "retries": 0, "realm": "x"})
    assert result["failed"] is True
    assert result["msg"].startswith(f"api {place.api} ")
    assert "asked for" in result["msg"]
