"""What of Keycloak's admin REST is particular to a realm that Custos made; the rest is in tests/contract, on a real Keycloak too."""

from __future__ import annotations

from typing import Any

import httpx

from tests.unit.services.custos_double.browser import Login
from tests.unit.services.custos_double.server import IDENTITY, TENANT, Server, admin_token, own, tenant_values

HUB = "https://hub.example.org/hub/oauth_callback"


def as_admin(client: httpx.Client, child: dict[str, Any]) -> dict[str, str]:
    return admin_token(client, {**child, "admin_username": "hub-admin", "admin_password": "hub admin password"})


def test_a_tenants_administrator_manages_the_realm_and_no_other(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    headers, path = as_admin(client, child), f"/auth/admin/realms/{child['realm']}/clients"
    assert child["client_id"] in [found["clientId"] for found in client.get(path, headers=headers).json()]
    assert client.get("/auth/admin/realms/10000001/clients", headers=headers).status_code == 403
    assert client.get("/auth/admin/realms/1/clients", headers=headers).json() == {"error": "Realm not found."}
    for verb, where in (("GET", ""), ("POST", "")):
        assert client.request(verb, f"/auth/admin/realms{where}", json={"realm": "x"}, headers=headers).status_code == 403
    assert client.delete(f"/auth/admin/realms/{child['realm']}", headers=headers).status_code == 400, "it is Custos'"
    token = client.get(f"{IDENTITY}/account/token", headers=own(child)).json()["access_token"]
    service = {"Authorization": f"Bearer {token}"}
    assert client.get(f"/auth/admin/realms/{child['realm']}/users", headers=service).status_code == 200
    assert client.get(path, headers=service).status_code == 403


def test_without_the_setting_there_is_no_realm_master(client: httpx.Client) -> None:
    answer = client.post("/auth/realms/master/protocol/openid-connect/token", data={"grant_type": "password", "client_id": "admin-cli"})
    assert (answer.status_code, answer.json()) == (404, {"error": "Realm does not exist"})


def test_a_new_secret_is_known_to_keycloak_only_and_outlives_an_update_by_custos(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    headers, path = as_admin(client, child), f"/auth/admin/realms/{child['realm']}/clients"
    (mine,) = client.get(path, params={"clientId": child["client_id"]}, headers=headers).json()
    assert mine["secret"] == child["iam_client_secret"]
    secret = client.post(f"{path}/{mine['id']}/client-secret", headers=headers).json()["value"]
    client.put(f"{path}/{mine['id']}", json={"redirectUris": ["https://other.example.org/cb"]}, headers=headers)
    assert client.get(f"{IDENTITY}/credentials", headers=own(child)).json()["iam_client_secret"] == child["iam_client_secret"]
    login = Login(client, {**child, "iam_client_secret": secret})
    assert login.authorize().status_code == 400
    changed = {**tenant_values(redirect_uris=[HUB]), "client_id": child["client_id"]}
    client.put(f"{TENANT}/oauth2/tenant", json=changed, headers=admin_token(client, server.parent))
    assert login.log_in("bob", "bob's own")["access_token"]


def test_a_deleted_client_of_custos_is_gone_for_logins(client: httpx.Client, child: dict[str, Any]) -> None:
    headers, path = as_admin(client, child), f"/auth/admin/realms/{child['realm']}/clients"
    (mine,) = client.get(path, params={"clientId": child["client_id"]}, headers=headers).json()
    assert client.delete(f"{path}/{mine['id']}", headers=headers).status_code == 204
    assert Login(client, child).authorize().status_code == 400
    assert client.get(f"{path}/{mine['id']}", headers=headers).status_code == 404
