"""SSH keys and passwords kept under a token."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from tests.unit.services.custos_double.server import SECRETS, Server, make_child, message_of, own


def add(client: httpx.Client, child: dict[str, Any], kind: str, **values: Any) -> str:
    metadata = {"client_id": child["client_id"], "owner_id": "carol", "description": "for the cluster", **values.pop("metadata", {})}
    answer = client.post(f"{SECRETS}/secret/{kind}", json={"metadata": metadata, **values}, headers=own(child))
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"token"}
    return str(answer.json()["token"])


def get(client: httpx.Client, child: dict[str, Any], path: str, token: str, verb: str = "GET") -> httpx.Response:
    return client.request(verb, f"{SECRETS}/secret/{path}", params={"token": token, "client_id": child["client_id"]}, headers=own(child))


def test_a_key_pair_is_kept_as_it_is_given(client: httpx.Client, child: dict[str, Any]) -> None:
    given = {"public_key": "ssh-ed25519 AAAA me", "private_key": "private", "passphrase": "open sesame"}
    token = add(client, child, "ssh", **given)
    secret = get(client, child, "ssh", token).json()
    assert {name: secret[name] for name in given} == given
    assert set(secret) - set(given) == {"metadata", "use_shamirs_secret_sharing_with_encryption", "num_of_shares", "threshold", "private_key_shares"}
    metadata = secret["metadata"]
    assert set(metadata) == {
        "owner_type", "resource_type", "source", "name", "value", "type", "tenantId", "owner_id", "persisted_time", "token", "description", "client_id",
    }  # fmt: skip
    assert (metadata["token"], metadata["type"], metadata["tenantId"]) == (token, "SSH", child["realm"])
    assert (metadata["owner_id"], metadata["description"], metadata["persisted_time"].isdigit()) == ("carol", "for the cluster", True)


def test_without_a_public_key_custos_makes_the_pair(client: httpx.Client, child: dict[str, Any]) -> None:
    secret = get(client, child, "ssh", add(client, child, "ssh", private_key="is thrown away")).json()
    private = serialization.load_pem_private_key(secret["private_key"].encode(), secret["passphrase"].encode())
    public = serialization.load_ssh_public_key(secret["public_key"].strip().encode())
    assert private.public_key() == public


def test_a_password_does_not_tell_its_token_unless_that_was_chosen(client: httpx.Client, child: dict[str, Any]) -> None:
    secret = get(client, child, "password", add(client, child, "password", password="geheim", userId="carol")).json()
    assert (secret["password"], secret["userId"]) == ("geheim", "carol")
    assert (secret["metadata"]["token"], secret["metadata"]["type"]) == ("", "PASSWORD")
    chosen = {"token": f"chosen-{child['realm']}"}
    token = add(client, child, "password", password="geheim", metadata=chosen)
    assert token == chosen["token"] == get(client, child, "password", token).json()["metadata"]["token"]
    body = {"metadata": {"client_id": child["client_id"], **chosen}, "password": "other"}
    message_of(client.post(f"{SECRETS}/secret/password", json=body, headers=own(child)), 500, 13)


def test_summaries_are_of_the_tokens_that_are_named(client: httpx.Client, child: dict[str, Any]) -> None:
    tokens = [add(client, child, "ssh"), add(client, child, "password", password="p")]

    def kinds(**query: Any) -> list[str]:
        answer = client.get(f"{SECRETS}/secret/summaries", params={"client_id": child["client_id"], **query}, headers=own(child))
        return [metadata["type"] for metadata in answer.json()["metadata"]]

    assert kinds(accessible_tokens=[*tokens, "none"]) == ["SSH", "PASSWORD"]
    assert kinds(accessible_tokens=tokens[1]) == ["PASSWORD"]
    assert kinds() == [], "Custos never says which secrets there are"
    summary = get(client, child, "summary", tokens[1]).json()
    assert (summary["token"], summary["type"]) == (tokens[1], "PASSWORD")
    assert "password" not in summary


@pytest.mark.parametrize("kind", ["ssh", "password"])
def test_deleted_secrets_and_unknown_tokens(client: httpx.Client, child: dict[str, Any], kind: str) -> None:
    token = add(client, child, kind, password="p")
    assert get(client, child, kind, token, "DELETE").json() == {"status": True}
    for path in (kind, "summary"):
        assert "No value present" in message_of(get(client, child, path, token), 500, 13)
    message_of(get(client, child, kind, token, "DELETE"), 500, 13)


def test_reading_a_secret_as_the_wrong_kind_loses_it(client: httpx.Client, child: dict[str, Any]) -> None:
    token = add(client, child, "password", password="p")
    message_of(get(client, child, "ssh", token), 500, 13)
    message_of(get(client, child, "password", token), 500, 13)


def test_secrets_are_a_tenants_own(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    token = add(client, child, "password", password="p")
    stranger = make_child(client, server.parent, "stranger")
    message_of(get(client, stranger, "password", token), 500, 13)
    answer = client.get(f"{SECRETS}/secret/password", params={"token": token, "client_id": child["client_id"]}, headers=own(stranger))
    message_of(answer, 401, 16)
    assert get(client, child, "password", token).status_code == 200
    body = {"metadata": {"client_id": child["client_id"], "resource_type": "CAR"}, "password": "p"}
    message_of(client.post(f"{SECRETS}/secret/password", json=body, headers=own(child)), 400, 3)
