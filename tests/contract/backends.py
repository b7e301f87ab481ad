"""What the tests know of a server: where it is, who administers it, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.contract.keycloak import Keycloak
from tests.unit.services.custos_double.server import Server

REDIRECT, LOGGED_OUT = "https://hub.example.org/hub/oauth_callback", "https://hub.example.org/hub/logged-out"
BOB = {"username": "bob", "email": "bob@example.org", "firstName": "Bob", "lastName": "B", "enabled": True, "emailVerified": True}
PASSWORD = "bob's own"


@dataclass
class Backend:
    """A server that speaks as Keycloak does, and the login of its administrator."""

    name: str
    server: Server | Keycloak
    url: str
    admin: dict[str, str]

    def client(self) -> httpx.Client:
        return Server.client_of(self.url, self.server.ca)


class Admin:
    """The admin REST of one realm, as an administrator of the realm ``master``."""

    def __init__(self, http: httpx.Client, backend: Backend, realm: str) -> None:
        self.http = http
        self.realm = realm
        self.base = "/auth/admin/realms"
        values = {"grant_type": "password", "client_id": "admin-cli", **backend.admin}
        answer = http.post("/auth/realms/master/protocol/openid-connect/token", data=values)
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def call(self, verb: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: str) -> httpx.Response:
        where = f"{self.base}/{self.realm}{path}"
        return self.http.request(verb, where, json=body, params=query or None, headers=self.headers if headers is None else headers)

    def make(self, path: str, body: dict[str, Any]) -> str:
        """Create something; returns its id."""
        answer = self.call("POST", path, body)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["location"]).rpartition("/")[2]
