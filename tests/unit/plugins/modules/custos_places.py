"""Servers that the Custos modules are run against, one for each dialect: where it is, who acts, and what a test has to prepare itself."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from dataclasses import dataclass
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.unit.services.custos_double.server import IDENTITY, TENANT, Server, admin_token, client_token

MODULES = "ansible_collections.airavata.jupyterhub.plugins.modules"


def call(name: str, arguments: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    """Run a module's main(); returns its result (``failed`` included). An argument that is None is left out."""
    module = importlib.import_module(f"{MODULES}.{name}")
    given = {key: value for key, value in arguments.items() if value is not None}
    out = io.StringIO()
    with patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(SystemExit), contextlib.redirect_stdout(out):
        module.main()
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


@dataclass
class Place:
    """A tenant or realm at a server."""

    api: str
    server: Server

    @property
    def owns(self) -> bool:
        """Whether groups have an owner, and members a type."""
        return self.api != "keycloak"

    @property
    def connection(self) -> dict[str, Any]:
        return self.as_tenant(self.server.parent)

    def as_tenant(self, parent: dict[str, str], api: str = "") -> dict[str, Any]:
        """The options with which the administrator of ``parent`` acts."""
        api = api or self.api
        if api == "keycloak":
            return {
                "url": f"{self.server.url}/auth",
                "api": api,
                "realm": parent["tenant_id"],
                "ca_path": str(self.server.ca),
                "parent_username": parent["admin_username"],
                "parent_password": parent["admin_password"],
            }
        with self.server.client() as client:
            iam = client.get(f"{IDENTITY}/credentials", headers=client_token(parent)).json()["iam_client_secret"] if api == "v1" else None
        return {
            "url": self.server.url,
            "api": api,
            "parent_iam_client_secret": iam,
            "ca_path": str(self.server.ca),
            "parent_client_id": parent["client_id"],
            "parent_client_secret": parent["client_secret"],
            "parent_username": parent["admin_username"],
            "parent_password": parent["admin_password"],
        }

    def run(self, module: str, /, *, check: bool = False, **changes: Any) -> dict[str, Any]:
        return call(module, {**self.connection, **changes}, check=check)

    def make_roles(self, *names: str) -> None:
        with self.server.client() as client:
            headers = admin_token(client, self.server.parent)
            known = [role["name"] for role in client.get(f"{TENANT}/roles", headers=headers).json()["roles"]]
            roles = [{"name": name} for name in names if name not in known]
            assert client.post(f"{TENANT}/roles", json={"roles": roles}, headers=headers).status_code == 200

    def register(self, *usernames: str) -> None:
        for name in usernames:
            done = self.run("custos_user", **person(name))
            assert not done.get("failed"), done


def person(username: str, **changes: Any) -> dict[str, Any]:
    return {
        "username": username,
        "email": f"{username}@example.org".lower(),
        "first_name": username.title(),
        "last_name": "Tester",
        "password": f"{username}'s own first",
        **changes,
    }


def wrong(place: Place) -> list[tuple[dict[str, Any], list[str]]]:
    """Connections that cannot work, and what the error has to say: for every module the same."""
    return [
        ({"ca_path": None}, ["certificate was not accepted", "ca_path"]),
        ({"url": "https://127.0.0.1:1", "retries": 0}, ["no connection", "check url"]),
        ({"parent_client_secret": "wrong"}, ["401", "Check parent_client_id and parent_client_secret"])
        if place.api != "keycloak"
        else ({"parent_password": "wrong"}, ["invalid_grant", "Check parent_username and parent_password"]),
    ]
