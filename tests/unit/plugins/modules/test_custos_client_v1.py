"""custos_client in the dialect of Custos' second API: tenants that are found, registered and waited for, and nothing that would hit the wrong one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos import http as custos_http

from tests.unit.plugins.modules.custos_places import Place, call, wrong
from tests.unit.services.custos_double.server import TENANT, Server, admin_token, tenant_values


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("custos")).start()
    yield running
    running.stop()


@pytest.fixture
def place(server: Server, monkeypatch: pytest.MonkeyPatch) -> Place:
    server.calm()
    monkeypatch.setattr(custos_http.time, "sleep", lambda _seconds: None)
    return Place("v1", server)


def run(place: Place, module: str = "custos_client", /, *, check: bool = False, **changes: Any) -> dict[str, Any]:
    return call(module, {**place.as_tenant(place.server.root), "registration": "admin", **changes}, check=check)


def gateway(name: str, **changes: Any) -> dict[str, Any]:
    values = tenant_values(name, **changes)
    values["scopes"] = values.pop("scope").split()
    return values


def approve(server: Server, client_id: str) -> None:
    with server.client() as client:
        body = {"client_id": client_id, "status": "ACTIVE"}
        assert client.post(f"{TENANT}/status", json=body, headers=admin_token(client, server.root)).status_code == 200


def test_a_tenant_is_registered_once_and_waited_for(place: Place) -> None:
    planned = run(place, check=True, **gateway("new one"))
    assert (planned["changed"], planned["diff"]["before"]) == (True, {})
    assert run(place, "custos_client_info", client_name="new one")["clients"] == [], "check mode made nothing"

    made = run(place, **gateway("new one"))
    assert (made["changed"], made["client"]["status"]) == (True, "REQUESTED")
    told = made["credentials"]
    assert (told["iam_client_id"], told["iam_client_secret"], told["custos_client_id"]) == (made["client"]["client_id"], "", made["client"]["client_id"])
    assert len(told["custos_client_secret"]) == 40
    again = run(place, **gateway("new one", admin_password="another"))
    assert (again["changed"], again["client"], again["credentials"]) == (False, made["client"], {}), "a secret is told once"
    assert "still REQUESTED after 0 s" in run(place, **gateway("new one"), wait=True, wait_timeout_seconds=0)["msg"]
    approve(place.server, made["client"]["client_id"])
    done = run(place, **gateway("new one"), wait=True)
    assert (done["changed"], done["client"]["status"]) == (False, "ACTIVE")
    for text in (told["custos_client_secret"], "hub admin password"):
        assert text not in json.dumps([made["diff"], made["client"]])

    (found,) = run(place, "custos_client_info", client_name="new one", discovery=True)["clients"]
    assert found["discovery"]["issuer"]
    assert found["client_id"] == made["client"]["client_id"]


def test_what_would_hit_the_tenant_that_asks_is_refused(place: Place) -> None:
    run(place, **gateway("kept"))
    for check in (True, False):
        changed = run(place, check=check, **gateway("kept", comment="new"))
        assert "the parent would be overwritten" in changed["msg"]
        deleted = run(place, check=check, client_name="kept", domain="hub.example.org", state="absent")
        assert "the parent would be lost" in deleted["msg"]
    (kept,) = run(place, "custos_client_info", client_name="kept")["clients"]
    assert (kept["status"], kept["comment"]) == ("REQUESTED", "")
    assert run(place, client_name="never was", domain="hub.example.org", state="absent")["changed"] is False
    assert run(place, "custos_client_info")["clients"], "the account is still there"


def test_children_are_found_though_they_cannot_be_made(place: Place) -> None:
    made = call("custos_client", {**place.as_tenant(place.server.parent, "v1.0.0"), **gateway("a child")})
    found = place.run("custos_client_info", client_name="a child")["clients"]
    assert [client["client_id"] for client in found] == [made["client"]["client_id"]]
    assert "the parent would be lost" in place.run("custos_client", client_name="a child", domain="hub.example.org", state="absent")["msg"]


def test_a_connection_that_cannot_work_says_why(place: Place) -> None:
    # Only registering shows the parent's Custos secret to anybody, and nobody looks at it.
    cases = [case for case in wrong(place) if "parent_client_secret" not in case[0]]
    cases += [
        ({"parent_iam_client_secret": "wrong"}, ["401", "parent_iam_client_secret is its secret at Keycloak"]),
        ({"parent_password": "wrong"}, ["invalid_grant", "Check parent_username and parent_password"]),
        ({"parent_client_id": "custos-nobody-1"}, ["Custos answered"]),
    ]
    for changes, texts in cases:
        for module, arguments in (("custos_client", gateway("refused")), ("custos_client_info", {})):
            result = run(place, module, **{**arguments, **changes})
            assert result["failed"] is True, changes
            for text in texts:
                assert text in result["msg"]


def test_a_registration_is_sent_once(place: Place) -> None:
    place.server.faults(unavailable_count=1, unavailable_path="/api/v1/tenant-management/oauth2/tenant")
    lost = run(place, **gateway("overloaded"))
    assert "not sent again" in lost["msg"]
    place.server.calm()
    assert run(place, **gateway("overloaded"))["changed"] is True
    assert len(run(place, "custos_client_info", client_name="overloaded")["clients"]) == 1
