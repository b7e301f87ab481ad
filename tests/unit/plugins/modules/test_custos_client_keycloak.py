"""custos_client in the dialect of Keycloak's admin REST: a realm's clients, their scopes, and secrets that can be made new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos import http as custos_http

from tests.unit.plugins.modules.custos_places import Place, wrong
from tests.unit.services.custos_double.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("custos")).start()
    yield running
    running.stop()


@pytest.fixture
def place(server: Server, monkeypatch: pytest.MonkeyPatch) -> Place:
    server.calm()
    monkeypatch.setattr(custos_http.time, "sleep", lambda _seconds: None)
    return Place("keycloak", server)


def hub(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_name": name,
        "domain": "hub.example.org",
        "redirect_uris": ["https://b.example.org/cb", "https://a.example.org/cb"],
        "client_uri": "https://hub.example.org/hub/login",
        "scopes": ["openid", "profile", "email"],
        "contacts": ["ops@example.org"],
        **changes,
    }


def test_a_client_from_first_to_last(place: Place) -> None:
    planned = place.run("custos_client", check=True, **hub("Whole Life"))
    assert (planned["changed"], planned["diff"]["before"]) == (True, {})
    assert "credentials" not in planned
    assert place.run("custos_client_info", client_name="Whole Life")["clients"] == [], "check mode made nothing"

    made = place.run("custos_client", **hub("Whole Life"))
    client = made["client"]
    assert (made["changed"], client["status"], client["client_id"], client["tenant_id"]) == (True, "ACTIVE", "whole-life", place.connection["realm"])
    assert set(made["credentials"]) == {"iam_client_id", "iam_client_secret", "custos_client_id", "custos_client_secret"}
    assert (made["credentials"]["iam_client_id"], made["credentials"]["custos_client_secret"]) == ("whole-life", "")
    secret = made["credentials"]["iam_client_secret"]
    assert len(secret) >= 32
    again = place.run("custos_client", **hub("Whole Life", redirect_uris=hub("x")["redirect_uris"][::-1], admin_username="nobody"))
    assert (again["changed"], again["client"], again["credentials"]) == (False, client, made["credentials"])
    (found,) = place.run("custos_client_info", client_id="whole-life", credentials=True, discovery=True)["clients"]
    assert found["credentials"] == made["credentials"]
    assert found["discovery"]["end_session_endpoint"].startswith(found["discovery"]["issuer"])

    change = hub("Whole Life", redirect_uris=["https://c.example.org/cb"], comment="moved", client_uri=None)
    planned = place.run("custos_client", check=True, **change)
    assert place.run("custos_client", check=True, **hub("Whole Life"))["changed"] is False, "check mode changed nothing"
    changed = place.run("custos_client", **change)
    assert (changed["changed"], changed["diff"]) == (True, planned["diff"])
    assert (changed["client"]["redirect_uris"], changed["client"]["client_uri"]) == (["https://c.example.org/cb"], hub("x")["client_uri"])
    assert changed["credentials"]["iam_client_secret"] == secret, "a change leaves the secret alone"
    assert place.run("custos_client", **change)["changed"] is False

    gone = {"client_name": "Whole Life", "domain": "hub.example.org", "state": "absent"}
    assert place.run("custos_client", check=True, **gone)["changed"] is True
    assert len(place.run("custos_client_info", client_name="Whole Life")["clients"]) == 1
    assert [place.run("custos_client", **gone)["changed"] for _again in range(2)] == [True, False]
    assert secret not in json.dumps([made["diff"], changed["diff"]])


def test_a_secret_is_made_new_when_that_is_said(place: Place) -> None:
    first = place.run("custos_client", **hub("rotated"), rotate_secret=True)["credentials"]["iam_client_secret"]
    assert place.run("custos_client", **hub("rotated"))["credentials"]["iam_client_secret"] == first
    planned = place.run("custos_client", check=True, **hub("rotated"), rotate_secret=True)
    assert (planned["changed"], planned["diff"]["after"]["secret"]) == (True, "a new one")
    assert place.run("custos_client", **hub("rotated"))["credentials"]["iam_client_secret"] == first, "check mode made none"
    rotated = place.run("custos_client", **hub("rotated"), rotate_secret=True)
    second = rotated["credentials"]["iam_client_secret"]
    assert rotated["changed"] is True
    assert second != first
    for text in (first, second):
        assert text not in json.dumps(rotated["diff"])


def test_an_id_of_ones_own_choice(place: Place) -> None:
    made = place.run("custos_client", **hub("chosen"), client_id="my-hub")
    assert made["client"]["client_id"] == "my-hub"
    renamed = place.run("custos_client", **hub("another name"), client_id="my-hub")
    assert (renamed["changed"], renamed["client"]["client_id"], renamed["client"]["client_name"]) == (True, "my-hub", "another name")
    twin = place.run("custos_client", **hub("another name"), client_id="my-second-hub")
    assert (twin["changed"], twin["client"]["client_id"]) == (True, "my-second-hub"), "an id that is chosen means that one and no other"
    taken = place.run("custos_client", **hub("My second hub"))
    assert "already exists" in taken["msg"]
    assert "choose one with client_id" in taken["msg"]


def test_a_new_client_needs_little(place: Place) -> None:
    assert "redirect_uris must be given" in place.run("custos_client", client_name="bare", domain="example.org")["msg"]
    assert place.run("custos_client", client_name="bare", domain="example.org", redirect_uris=["https://bare.example.org/cb"])["changed"] is True


@pytest.mark.parametrize("check", [True, False])
def test_a_connection_that_cannot_work_says_why(place: Place, check: bool) -> None:
    cases = wrong(place)
    cases += [
        ({"realm": "nowhere"}, ["404", "there is a realm nowhere"]),
        ({"parent_client_id": "nobody"}, ["401", "Check parent_client_id and parent_client_secret"]),
        ({"parent_password": None}, ["needs parent_password"]),
        ({"parent_username": None, "parent_password": None}, ["needs parent_client_secret"]),
    ]
    for changes, texts in cases:
        result = place.run("custos_client", check=check, **{**hub("refused"), **changes})
        assert result["failed"] is True, changes
        for text in texts:
            assert text in result["msg"]


def test_who_may_not_is_told_which_role_is_missing(place: Place) -> None:
    # Custos lets a tenant's own client manage users and nothing else.
    custos = place.as_tenant(place.server.parent, "v1")
    service = {"parent_username": None, "parent_client_id": custos["parent_client_id"], "parent_client_secret": custos["parent_iam_client_secret"]}
    assert "view-clients" in place.run("custos_client_info", **service)["msg"]
    assert place.run("custos_user_info", **service)["users"], "a service account is enough for what it may do"


def test_a_client_without_a_secret(place: Place) -> None:
    public = hub("public", token_endpoint_auth_method="none")
    made = place.run("custos_client", **public)
    assert (made["client"]["token_endpoint_auth_method"], made["credentials"]["iam_client_secret"]) == ("none", "")
    assert place.run("custos_client", **public)["changed"] is False
    hidden = place.run("custos_client", **hub("public", token_endpoint_auth_method="client_secret_basic"))
    assert (hidden["changed"], hidden["client"]["token_endpoint_auth_method"]) == (True, "client_secret_basic")


def test_groups_are_told_in_a_claim(place: Place) -> None:
    plain = place.run("custos_client", **hub("telling"))
    assert plain["client"]["groups_claim"] == ""
    for claim in ("groups", "roles", ""):
        told = hub("telling", groups_claim=claim)
        assert place.run("custos_client", check=True, **told)["diff"]["after"]["groups_claim"] == claim
        done = place.run("custos_client", **told)
        assert (done["changed"], done["client"]["groups_claim"]) == (True, claim)
        assert place.run("custos_client", **told)["changed"] is False
        assert place.run("custos_client", **hub("telling"))["changed"] is False, "what is not given stays"
    refused = place.run("custos_client", **{**place.as_tenant(place.server.parent, "v1.0.0"), **hub("x", groups_claim="groups")})
    assert "leave groups_claim out" in refused["msg"]
