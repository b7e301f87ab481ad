"""Tables of what is, what is wanted, and what follows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.clients import REQUIRED, choose, missing, plan
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0 import base_of, from_tenant, to_tenant
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import custos_message
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.wait import wait_active

CURRENT: dict[str, Any] = {
    "client_id": "custos-x-7",
    "tenant_id": "7",
    "status": "ACTIVE",
    "client_name": "hub",
    "domain": "example.org",
    "redirect_uris": ["b", "a"],
    "scopes": ["openid", "email"],
    "comment": "",
    "contacts": [],
}


@pytest.mark.parametrize(
    ("current", "desired", "state", "action", "fields"),
    [
        (None, {"client_name": "hub"}, "absent", "none", {}),
        (CURRENT, {"client_name": "hub"}, "absent", "delete", {}),
        (None, {"client_name": "hub", "scopes": ["b", "a"], "comment": None}, "present", "create", {"client_name": "hub", "scopes": ["a", "b"]}),
        (CURRENT, {"client_name": "hub"}, "present", "none", {}),
        (CURRENT, {"redirect_uris": ["a", "b", "a"], "scopes": ["email", "openid"]}, "present", "none", {}),
        (CURRENT, {"contacts": [], "comment": ""}, "present", "none", {}),
        (CURRENT, {"admin_password": "new"}, "present", "none", {}),
        (CURRENT, {"client_id": "another"}, "present", "none", {}),
        (CURRENT, {"redirect_uris": []}, "present", "update", {"redirect_uris": [], "client_name": "hub", "domain": "example.org"}),
        (CURRENT, {"comment": "new"}, "present", "update", {"comment": "new", "redirect_uris": ["a", "b"], "scopes": ["email", "openid"]}),
        (CURRENT, {"client_name": "other"}, "present", "update", {"client_name": "other", "domain": "example.org"}),
    ],
)
def test_plan(current: dict[str, Any] | None, desired: dict[str, Any], state: str, action: str, fields: dict[str, Any]) -> None:
    result = plan(current, desired, state)
    assert result.action == action
    assert result.changed == (action != "none")
    if action == "create":
        assert result.fields == fields
        assert result.before == {}
    else:
        assert {name: result.fields.get(name) for name in fields} == fields
    assert "admin_password" not in {**result.fields, **result.before, **result.after}
    if action == "update":
        assert set(result.fields) >= set(CURRENT) - {"client_id", "tenant_id", "status"}, "Custos replaces: the whole client has to be sent"


def candidate(number: int, status: str = "ACTIVE", client_id: str | None = None, name: str = "hub", domain: str = "example.org") -> dict[str, Any]:
    identity = f"custos-x-{number}" if client_id is None else client_id
    return {"client_id": identity, "tenant_id": str(number), "status": status, "client_name": name, "domain": domain}


@pytest.mark.parametrize(
    ("candidates", "stored", "expected", "notes"),
    [
        ([], "", None, 0),
        ([candidate(1)], "", "custos-x-1", 0),
        ([candidate(1, name="other")], "", None, 0),
        ([candidate(1, domain="other.org")], "", None, 0),
        ([candidate(1, status) for status in ("DEACTIVATED", "CANCELLED", "DENIED")], "", None, 0),
        ([candidate(1, "DEACTIVATED"), candidate(2)], "custos-x-1", "custos-x-2", 0),
        ([candidate(1, "REQUESTED")], "", "custos-x-1", 0),
        ([candidate(1, "REQUESTED"), candidate(2)], "", "custos-x-2", 1),
        ([candidate(11), candidate(9)], "", "custos-x-9", 1),
        ([candidate(9), candidate(11)], "custos-x-11", "custos-x-11", 0),
        ([candidate(9, name="renamed")], "custos-x-9", "custos-x-9", 0),
        ([candidate(9, client_id="", name="renamed")], "custos-x-9", "custos-x-9", 0),
        ([candidate(9)], "custos-x-1", "custos-x-9", 0),
    ],
)
def test_choose(candidates: list[dict[str, Any]], stored: str, expected: str | None, notes: int) -> None:
    found, said = choose(candidates, stored, "hub", "example.org")
    assert (found["client_id"] if found else None) == expected
    assert len(said) == notes


def test_missing_names_what_custos_demands() -> None:
    given = {"client_name": "hub", "redirect_uris": [], "scopes": ["openid"], "domain": "d", "application_type": "web"}
    assert missing(given, ("client_name", "redirect_uris")) == ["redirect_uris"]
    assert missing(given, REQUIRED) == [
        "requester_email",
        "admin_first_name",
        "admin_last_name",
        "admin_email",
        "admin_username",
        "redirect_uris",
    ]


def test_translation_goes_both_ways_and_bears_omitted_defaults() -> None:
    client = from_tenant({"tenant_id": "7", "scope": "openid email", "redirect_uris": ["a"], "tenant_status": "ACTIVE"})
    assert client["scopes"] == ["openid", "email"]
    assert (client["contacts"], client["comment"], client["client_id"], client["status"]) == ([], "", "", "ACTIVE")
    assert to_tenant({"scopes": ["openid", "email"], "comment": "x"}) == {"scope": "openid email", "comment": "x"}


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://c.example.org", "https://c.example.org/apiserver"),
        ("https://c.example.org/", "https://c.example.org/apiserver"),
        ("https://c.example.org/custos/api/", "https://c.example.org/custos/api"),
    ],
)
def test_base_of(url: str, base: str) -> None:
    assert base_of(url) == base


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"code": 13, "message": "invalid_grant x", "details": []}', ("invalid_grant x", 13)),
        (b'{"errorMessage": "Client hub already exists"}', ("Client hub already exists", None)),
        (b'{"error": "invalid_grant", "error_description": "Invalid user credentials"}', ("invalid_grant Invalid user credentials", None)),
        (b'{"error": "HTTP 404 Not Found"}', ("HTTP 404 Not Found", None)),
        (b'{"code": "missing_bearer", "message": "no token"}', ("no token", None)),
        (b"Unauthorized: Invalid token", ("Unauthorized: Invalid token", None)),
        (b"[1]", ("[1]", None)),
        (b'{"other": 1}', ('{"other": 1}', None)),
        (b"<html>Bad Gateway</html>", ("<html>Bad Gateway</html>", None)),
        (b"", ("", None)),
    ],
)
def test_custos_message(raw: bytes, expected: tuple[str, int | None]) -> None:
    assert custos_message(raw) == expected


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_wait_until_active_with_a_limit() -> None:
    clock = Clock()

    def read() -> dict[str, Any]:
        return {"client_id": "c", "status": "ACTIVE" if clock.now >= 12 else "REQUESTED"}

    assert wait_active(read, 60, 5, clock, clock.sleep)["status"] == "ACTIVE"
    assert clock.now == 15
    clock.now = 0
    with pytest.raises(CustosError, match="still REQUESTED after 11 s"):
        wait_active(read, 11, 5, clock, clock.sleep)
    assert clock.now == 11, "the limit is not overstepped by a whole interval"


def test_a_refused_registration_is_not_waited_for() -> None:
    with pytest.raises(CustosError, match="DENIED"):
        wait_active(lambda: {"client_id": "c", "status": "DENIED"}, 60, 5)
    with pytest.raises(CustosError, match="c is disabled in Keycloak"):
        wait_active(lambda: {"client_id": "c", "status": "DISABLED"}, 60, 5)
