"""What people do at a hub under test, and what an administrator does at its provider."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.unit.roles.jupyterhub.hub_process import Browser, Hub
from tests.unit.services.custos_double.browser import Page
from tests.unit.services.custos_double.server import GROUPS, PASSWORD, USERS, Server, admin_token, client_token, tenant_values


def log_in(browser: Browser, username: str = "alice", password: str = PASSWORD, next_path: str = "/hub/home") -> httpx.Response:
    """Go from the hub to the provider's form and back; returns the hub's answer to the provider's code."""
    away = browser.get(str(httpx.URL("/hub/oauth_login", params={"next": next_path})))
    assert away.status_code == 302, away.text
    page = browser.at_provider.get(away.headers["location"])
    if page.status_code == 200:  # otherwise the provider knows the person and sends them back at once
        form = Page(page.text)
        assert "Custos" in form.title
        values = {**form.inputs, "username": username, "password": password}
        action = form.form.get("action") or str(page.url)
        page = browser.at_provider.post(str(page.url.join(action)), data=values)
    assert page.status_code in (302, 303), page.text
    back = urlsplit(page.headers["location"])
    assert f"{back.scheme}://{back.netloc}" == browser.hub.public
    return browser.get(f"{back.path}?{back.query}")


def asks_for_password(browser: Browser) -> bool:
    """Whether the provider has forgotten this browser."""
    away = browser.get("/hub/oauth_login")
    return browser.at_provider.get(away.headers["location"]).status_code == 200


class Realm:
    """The hub's realm at the provider, as its own client manages it."""

    def __init__(self, hub: Hub, double: Server) -> None:
        self.hub, self.double = hub, double
        self.header = client_token({"client_id": hub.child["custos_client_id"], "client_secret": hub.child["custos_client_secret"]})

    def _call(self, method: str, path: str, **values: Any) -> Any:
        with self.double.client() as client:
            answer = client.request(method, path, headers=self.header, json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def make_group(self, group: str) -> None:
        """Make a group with this id, as a group's id is chosen by Custos otherwise."""
        self._call("POST", f"{GROUPS}/group", group={"id": group, "name": "any", "owner_id": tenant_values()["admin_username"]})

    def join(self, group: str, member: str) -> None:
        self._call("POST", f"{GROUPS}/user/group/membership", group_id=group, username=member, type="MEMBER")

    def leave(self, group: str, member: str) -> None:
        self._call("DELETE", f"{GROUPS}/user/group/membership", group_id=group, username=member)

    def good(self, token: str) -> bool:
        """Whether the provider takes an access token."""
        with self.double.client() as client:
            path = f"/auth/realms/{self.hub.child['realm']}/protocol/openid-connect/userinfo"
            return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200

    def replace(self, username: str) -> None:
        """Delete an account; the next login with the name makes another one, as if the name had been given to somebody else."""
        tenant = {**tenant_values(), "client_id": self.hub.child["custos_client_id"], "client_secret": self.hub.child["custos_client_secret"]}
        with self.double.client() as client:
            answer = client.request("DELETE", f"{USERS}/user", headers=admin_token(client, tenant), json={"username": username})
        assert answer.status_code == 200, answer.text
