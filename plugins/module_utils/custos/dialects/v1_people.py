# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users of a tenant in Custos' second API, as its release 1.1 takes them: the first API's calls, with the arguments in the body, also of a GET."""

from __future__ import annotations

from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1 import SessionV1
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0_people import PAGE, CustosUsers, to_attributes

USERS = "/user-management"


class UsersV1(CustosUsers):
    """As the second API takes them."""

    def __init__(self, session: SessionV1) -> None:
        self.session = session
        self.named = {"client_id": session.account["client_id"]}

    def _subject(self, username: str) -> dict[str, Any]:
        return {"user": {"username": username}, **self.named}

    def _look(self, username: str) -> dict[str, Any]:
        return self.session.client("GET", f"{USERS}/user", body=self._subject(username))

    def _page(self, first: int) -> dict[str, Any]:
        # `user.id` is a search in all fields; it has to be there, and may be empty.
        return self.session.client("GET", f"{USERS}/users", {**self.named, "user.id": "", "offset": first, "limit": PAGE})

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.session.client("POST", f"{USERS}/user", body=body)

    def _remove(self, username: str) -> None:
        self.session.admin("DELETE", f"{USERS}/user", body=self._subject(username))

    def enable(self, username: str, enabled: bool) -> None:
        self.session.client("POST", f"{USERS}/user/{'activation' if enabled else 'deactivation'}", body=self._subject(username), repeatable=True)

    def rename(self, username: str, names: dict[str, str]) -> None:
        self.session.admin("PUT", f"{USERS}/user/profile", body={**self.named, "user_profile": {"username": username, **names}})

    def add_roles(self, username: str, roles: list[str]) -> None:
        self.session.admin("POST", f"{USERS}/users/roles", body={**self.named, "usernames": [username], "roles": roles, "client_level": False}, repeatable=True)

    def remove_roles(self, username: str, roles: list[str]) -> None:
        self.session.admin("DELETE", f"{USERS}/user/roles", body={**self.named, "username": username, "roles": roles})

    def set_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        self.session.admin("POST", f"{USERS}/attributes", self.named, {"users": [username], "attributes": to_attributes(attributes)}, repeatable=True)

    def drop_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        self.session.admin("DELETE", f"{USERS}/attributes", self.named, {"users": [username], "attributes": to_attributes(attributes)})
