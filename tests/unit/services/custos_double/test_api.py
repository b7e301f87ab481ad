"""Custos' own endpoints, with the quirks that a client of it must bear."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.services.custos_double.browser import Login
from tests.unit.services.custos_double.server import (
    IDENTITY,
    TENANT,
    Server,
    admin_token,
    client_token,
    make_child,
    message_of,
    own,
    tenant_values,
)


def test_a_child_tenant_is_active_at_once_and_a_repeat_makes_a_second_one(server: Server, client: httpx.Client) -> None:
    answers = [client.post(f"{TENANT}/oauth2/tenant", json=tenant_values("twin"), headers=client_token(server.parent)).json() for _index in range(2)]
    for answer in answers:
        assert answer["is_activated"] is True
        assert isinstance(answer["client_id_issued_at"], float)
        assert answer["client_secret_expires_at"] == 0
        assert answer["token_endpoint_auth_method"] == "client_secret_basic"
        assert len(answer["client_secret"]) == 40
        word, text, number = answer["client_id"].split("-")
        assert (word, len(text), number.isdigit()) == ("custos", 20, True)
    assert answers[0]["client_id"] != answers[1]["client_id"]


def test_a_tenant_can_be_registered_by_query_with_an_empty_body(server: Server, client: httpx.Client) -> None:
    values = tenant_values("by query", redirect_uris=["https://a.example.org/x", "https://b.example.org/y"])
    answer = client.post(f"{TENANT}/oauth2/tenant", params=values, headers=client_token(server.parent, "Basic"))
    assert answer.status_code == 200, answer.text
    tenant = client.get(f"{TENANT}/oauth2/tenant", params={"client_id": answer.json()["client_id"]}, headers=admin_token(client, server.parent)).json()
    assert sorted(tenant["redirect_uris"]) == sorted(values["redirect_uris"])


def test_int64_are_strings_and_defaults_are_printed(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    tenant = client.get(f"{TENANT}/oauth2/tenant", params={"client_id": child["client_id"]}, headers=admin_token(client, server.parent)).json()
    assert tenant["tenant_id"] == child["realm"]
    assert tenant["parent_tenant_id"] == "10000001"
    assert tenant["refesh_token_lifetime"] == "0"
    assert (tenant["comment"], tenant["contacts"], tenant["admin_password"]) == ("", [], "")
    assert tenant["tenant_status"] == "ACTIVE"
    assert tenant["parent_client_id"] == server.parent["client_id"]


def test_form_bodies_are_not_read(server: Server, client: httpx.Client) -> None:
    for path in (f"{TENANT}/oauth2/tenant", f"{IDENTITY}/token"):
        assert "form" in message_of(client.post(path, data={"grant_type": "password"}, headers=client_token(server.parent)), 400, 3)


@pytest.mark.parametrize(
    "name",
    [
        "client_name",
        "domain",
        "admin_first_name",
        "admin_last_name",
        "admin_email",
        "admin_username",
        "admin_password",
        "requester_email",
        "redirect_uris",
        "scope",
    ],
)
def test_each_required_field_is_asked_for(server: Server, client: httpx.Client, name: str) -> None:
    values = {key: value for key, value in tenant_values().items() if key != name}
    assert name in message_of(client.post(f"{TENANT}/oauth2/tenant", json=values, headers=client_token(server.parent)), 400, 3)


def test_wrong_types_are_refused(server: Server, client: httpx.Client) -> None:
    for change in ({"client_name": ["x"]}, {"redirect_uris": [1]}, {"refesh_token_lifetime": "soon"}):
        message_of(client.post(f"{TENANT}/oauth2/tenant", json=tenant_values(**change), headers=client_token(server.parent)), 400, 3)


def test_no_header_is_400_and_a_wrong_secret_401(server: Server, client: httpx.Client) -> None:
    assert "authorization header not available" in message_of(client.get(f"{IDENTITY}/credentials"), 400, 3)
    wrong = client_token({**server.parent, "client_secret": "wrong"})
    message_of(client.get(f"{IDENTITY}/credentials", headers=wrong), 401, 16)
    message_of(client.post(f"{TENANT}/oauth2/tenant", json=tenant_values(), headers=wrong), 401, 16)


def test_an_anonymous_tenant_waits_for_approval(server: Server, client: httpx.Client) -> None:
    made = client.post(f"{TENANT}/oauth2/tenant", json=tenant_values("new gateway")).json()
    assert made["is_activated"] is False
    message_of(client.get(f"{IDENTITY}/credentials", headers=own(made)), 401, 16)
    assert client.get(f"/auth/realms/{made['client_id'].rpartition('-')[2]}/.well-known/openid-configuration").status_code == 404
    # Custos' trap: a tenant that is not active yet makes parentless ones, and nobody says so.
    orphan = client.post(f"{TENANT}/oauth2/tenant", json=tenant_values("orphan"), headers=own(made)).json()
    assert orphan["is_activated"] is False
    change = {"client_id": made["client_id"], "status": "ACTIVE"}
    message_of(client.post(f"{TENANT}/status", json=change, headers=admin_token(client, server.parent)), 401, 16)
    done = client.post(f"{TENANT}/status", json=change, headers=admin_token(client, server.root))
    assert done.json() == {"tenant_id": made["client_id"].rpartition("-")[2], "status": "ACTIVE"}
    assert client.get(f"{IDENTITY}/credentials", headers=own(made)).status_code == 200
    listed = client.get(f"{TENANT}/tenants", params={"type": "ADMIN", "status": "REQUESTED"}, headers=admin_token(client, server.root)).json()
    assert "orphan" in [tenant["client_name"] for tenant in listed["tenant"]]
    message_of(client.get(f"{TENANT}/tenants", headers=admin_token(client, server.parent)), 401, 16)


def test_approval_can_come_by_itself_after_a_delay(server: Server, client: httpx.Client) -> None:
    server.faults(approval_delay_seconds=0.3)
    made = client.post(f"{TENANT}/oauth2/tenant", json=tenant_values("patient")).json()
    assert made["is_activated"] is False
    server.faults(approval_delay_seconds=0)
    assert client.get(f"{IDENTITY}/credentials", headers=own(made)).status_code == 200


def test_managing_a_tenant_takes_an_administrators_token(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    query = {"client_id": child["client_id"]}
    path = f"{TENANT}/oauth2/tenant"
    for headers in (client_token(server.parent), own(child)):
        message_of(client.get(path, params=query, headers=headers), 401, 16)
    stranger = make_child(client, server.root, "stranger")
    foreign = admin_token(client, {"client_id": stranger["client_id"], "client_secret": stranger["client_secret"], **dict.fromkeys(["x"], ""), "admin_username": "hub-admin", "admin_password": "hub admin password"})  # fmt: skip  # noqa: E501
    message_of(client.get(path, params=query, headers=foreign), 401, 16)
    assert "client_id" in message_of(client.get(path, headers=foreign), 400, 3)
    for tenant in (server.parent, server.root):
        assert client.get(path, params=query, headers=admin_token(client, tenant)).status_code == 200


def test_put_replaces_and_delete_takes_everything_away(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    admin, path, query = admin_token(client, server.parent), f"{TENANT}/oauth2/tenant", {"client_id": child["client_id"]}
    changed = client.put(path, json={**tenant_values(redirect_uris=["https://new.example.org/cb"], client_uri=""), **query}, headers=admin)
    assert changed.status_code == 200, changed.text
    assert changed.json()["redirect_uris"] == ["https://new.example.org/cb"]
    assert changed.json()["client_uri"] == "", "what a request leaves out is gone"
    without_scope = {key: value for key, value in tenant_values().items() if key != "scope"}
    assert "scope" in message_of(client.put(path, params=query, json=without_scope, headers=admin), 400, 3)
    login = Login(client, child, "https://new.example.org/cb")
    assert login.authorize().status_code == 200

    assert client.delete(path, params=query, headers=admin).json() == {}
    message_of(client.get(path, params=query, headers=admin), 401, 16)
    message_of(client.get(f"{IDENTITY}/credentials", headers=own(child)), 401, 16)
    assert login.authorize().status_code == 404
    listed = client.get(f"{TENANT}/child/tenants", params={"status": "DEACTIVATED", "limit": 1000}, headers=admin).json()
    assert child["client_id"] in [tenant["client_id"] for tenant in listed["tenant"]]


def test_children_are_listed_in_pages(server: Server, client: httpx.Client) -> None:
    parent = make_child(client, server.root, "with many")
    parent_admin = {**parent, "admin_username": "hub-admin", "admin_password": "hub admin password"}
    made = [make_child(client, parent, f"n{number}")["client_id"] for number in range(5)]
    admin, seen, offset = admin_token(client, parent_admin), [], 0
    while True:
        page = client.get(f"{TENANT}/child/tenants", params={"offset": offset, "limit": 2}, headers=admin).json()
        assert page["total_num_of_tenants"] == 5
        if not page["tenant"]:
            break
        seen += [tenant["client_id"] for tenant in page["tenant"]]
        offset += 2
    assert seen == made
    message_of(client.get(f"{TENANT}/child/tenants", params={"offset": "x"}, headers=admin), 400, 3)


def test_credentials_can_be_read_by_the_parent_and_differ(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    query = {"client_id": child["client_id"]}
    for headers in (client_token(server.parent), own(child), admin_token(client, server.parent)):
        found = client.get(f"{IDENTITY}/credentials", params=query, headers=headers).json()
        assert found["iam_client_id"] == found["custos_client_id"] == child["client_id"]
        assert found["custos_client_secret"] == child["client_secret"] != found["iam_client_secret"]
    message_of(client.get(f"{IDENTITY}/credentials", params=query, headers=client_token(server.root)), 401, 16)
    status = client.post(f"{TENANT}/tenant/credentials/status", json={**query, "client_sec": child["client_secret"]}, headers=admin_token(client, server.root))
    assert status.json() == {"status": True}


def test_custos_own_token_endpoint_and_its_500_for_a_bad_grant(client: httpx.Client, child: dict[str, Any]) -> None:
    path = f"{IDENTITY}/token"
    good = {"grant_type": "password", "username": "HUB-admin", "password": "hub admin password"}
    tokens = client.post(path, params=good, headers=own(child)).json()
    assert {"access_token", "expires_in", "refresh_token", "refresh_expires_in", "token_type", "id_token", "not-before-policy", "session_state"} <= set(tokens)
    assert tokens["expires_in"] == 1800
    for bad in (
        {**good, "password": "wrong"},
        {"grant_type": "refresh_token", "refresh_token": "made-up"},
        {"grant_type": "authorization_code", "code": "made-up", "redirect_uri": "x"},
        {},
    ):
        assert message_of(client.post(path, json=bad, headers=own(child)), 500, 13).startswith("invalid_grant")
    person = client.get(f"{IDENTITY}/user", params={"access_token": tokens["access_token"]}, headers=own(child)).json()
    assert person["username"] == "hub-admin"
    assert set(person) == {"sub", "full_name", "first_name", "last_name", "email_address", "username", "client_id"}
    fresh = client.post(path, json={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}, headers=own(child)).json()
    assert client.post(f"{IDENTITY}/user/logout", json={"refresh_token": fresh["refresh_token"]}, headers=own(child)).json() == {"status": True}
    message_of(client.get(f"{IDENTITY}/user", params={"access_token": fresh["access_token"]}, headers=own(child)), 401, 16)


def test_a_code_with_a_pkce_challenge_cannot_be_redeemed_at_custos(client: httpx.Client, child: dict[str, Any]) -> None:
    login = Login(client, child)
    values = {"redirect_uri": login.redirect_uri, "code": login.code("bob", "bob's own")}
    assert "PKCE" in message_of(client.post(f"{IDENTITY}/token", json=values, headers=own(child)), 500, 13)
    answer = login.authorize(code_challenge=None, code_challenge_method=None)
    values["code"] = httpx.URL(answer.headers["location"]).params["code"]
    assert client.post(f"{IDENTITY}/token", params=values, headers=own(child)).status_code == 200


def test_client_credentials_and_service_account(client: httpx.Client, child: dict[str, Any]) -> None:
    for answer in (
        client.post(f"{IDENTITY}/token", json={"grant_type": "client_credentials"}, headers=own(child)),
        client.get(f"{IDENTITY}/account/token", headers=own(child)),
    ):
        assert "refresh_token" not in answer.json()
        # No administrator: it must not manage the tenant.
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        message_of(client.get(f"{TENANT}/oauth2/tenant", params={"client_id": child["client_id"]}, headers=bearer), 401, 16)


def test_authenticate(client: httpx.Client, child: dict[str, Any]) -> None:
    answer = client.post(f"{IDENTITY}/authenticate", json={"username": "hub-admin", "password": "hub admin password"}, headers=own(child)).json()
    status = client.post(f"{IDENTITY}/authenticate/status", json={"access_token": answer["access_token"]}, headers=own(child))
    assert status.json() == {"authenticated": True}
    message_of(client.post(f"{IDENTITY}/authenticate", json={"username": "hub-admin", "password": "x"}, headers=own(child)), 500, 13)


def test_discovery_by_client_and_authorize_as_json(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    query = {"client_id": child["client_id"]}
    document = client.get(f"{IDENTITY}/.well-known/openid-configuration", params=query).json()
    realm = client.get(f"/auth/realms/{child['realm']}/.well-known/openid-configuration").json()
    added = {key: value for key, value in document.items() if realm.get(key) != value}
    assert set(added) == {"custos_token_endpoint", "custos_userinfo_endpoint", "registration_endpoint"}
    assert added["custos_token_endpoint"] == f"{server.url}{IDENTITY}/token"
    good = {**query, "redirect_uri": "https://hub.example.org/hub/oauth_callback", "response_type": "code", "scope": "openid", "state": "s"}
    answer = client.get(f"{IDENTITY}/authorize", params=good)
    assert answer.status_code == 200
    assert "kc_idp_hint=oidc" in answer.json()["loginURI"]
    assert answer.json()["loginURI"].startswith(server.front_url)
    assert message_of(client.get(f"{IDENTITY}/authorize", params={**good, "redirect_uri": "https://x"}), 400, 3) == "Wrong redirect_uri"


def test_503_so_many_times_and_slow_answers(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    server.faults(unavailable_count=2, unavailable_path=IDENTITY)
    for _index in range(2):
        message_of(client.get(f"{IDENTITY}/credentials", headers=own(child)), 503, 14)
    assert client.get(f"{IDENTITY}/credentials", headers=own(child)).status_code == 200
    server.faults(slow_seconds=0.4)
    assert client.get(f"{IDENTITY}/credentials", headers=own(child)).elapsed.total_seconds() >= 0.4


def test_knobs_are_checked(client: httpx.Client) -> None:
    assert client.put("/double/faults", json={"slow_seconds": "very"}).status_code == 400
    assert "unknown" in client.put("/double/faults", json={"typo": 1}).json()["error"]


def test_roles_of_a_tenant(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    admin, query = admin_token(client, server.parent), {"client_id": child["client_id"]}
    new = {"roles": [{"name": "gateway-user", "description": "may submit"}], **query}
    answer = client.post(f"{TENANT}/roles", json=new, headers=admin).json()
    assert answer["scope"] == "realm_level"
    names = [role["name"] for role in answer["roles"]]
    assert names == [f"default-roles-{child['realm']}", "offline_access", "uma_authorization", "admin", "gateway-user"]
    message_of(client.post(f"{TENANT}/roles", json=new, headers=admin), 500, 13)
    of_client = client.post(f"{TENANT}/roles", json={**new, "client_level": True}, headers=admin).json()
    assert (of_client["scope"], [role["name"] for role in of_client["roles"]]) == ("client_level", ["gateway-user"])
    message_of(client.get(f"{TENANT}/roles", params=query, headers=own(child)), 401, 16)
    gone = {"role": {"name": "gateway-user"}, **query}
    assert client.request("DELETE", f"{TENANT}/role", json=gone, headers=admin).json() == {"status": True}
    message_of(client.request("DELETE", f"{TENANT}/role", json=gone, headers=admin), 500, 13)
    assert "gateway-user" not in [role["name"] for role in client.get(f"{TENANT}/roles", params=query, headers=admin).json()["roles"]]
