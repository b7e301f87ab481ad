"""How a client looks in Keycloak's words, and back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.keycloak import from_keycloak, slug, to_keycloak

FIELDS: dict[str, Any] = {
    "client_name": "JupyterHub",
    "domain": "hub.example.org",
    "redirect_uris": ["https://hub.example.org/cb"],
    "client_uri": "https://hub.example.org/out",
    "scopes": ["email", "openid"],
    "contacts": ["a@e.org", "b@e.org"],
    "requester_email": "a@e.org",
    "comment": "text",
    "logo_uri": "l",
    "tos_uri": "t",
    "policy_uri": "p",
}


def test_there_and_back() -> None:
    sent = to_keycloak(FIELDS, {"clientId": "jupyterhub"})
    assert sent["attributes"]["post.logout.redirect.uris"] == "https://hub.example.org/out"
    found = from_keycloak({**sent, "id": "uuid", "enabled": True, "defaultClientScopes": ["email", "profile", "basic"]}, "realm")
    assert {name: found[name] for name in FIELDS} == FIELDS
    assert (found["client_id"], found["tenant_id"], found["status"]) == ("jupyterhub", "realm", "ACTIVE")


def test_what_is_there_besides_stays() -> None:
    current = {"clientId": "x", "webOrigins": ["+"], "attributes": {"pkce.code.challenge.method": "S256", "tosUri": "old"}}
    sent = to_keycloak({"tos_uri": "new"}, current)
    assert sent == {"clientId": "x", "webOrigins": ["+"], "attributes": {"pkce.code.challenge.method": "S256", "tosUri": "new"}}
    assert current["attributes"]["tosUri"] == "old", "what was read is not changed"


def test_a_scope_that_somebody_took_away_is_missed() -> None:
    client = {"clientId": "x", "attributes": {"custos.scopes": "openid email phone"}, "optionalClientScopes": ["phone"]}
    assert from_keycloak(client, "r")["scopes"] == ["openid", "phone"]
    assert from_keycloak({"clientId": "x", "enabled": False}, "r")["status"] == "DISABLED"


def test_logging_out_leads_anywhere_a_login_may_when_nothing_is_said() -> None:
    assert to_keycloak({"client_uri": ""}, {})["attributes"]["post.logout.redirect.uris"] == "+"


@pytest.mark.parametrize(("name", "expected"), [("JupyterHub local", "jupyterhub-local"), ("--A__b!", "a__b"), ("Ünïcode", "n-code"), ("!!", "client")])
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected
