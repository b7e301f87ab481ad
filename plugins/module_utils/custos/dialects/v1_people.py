# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users of a tenant in Custos' second API, as its release 1.1 takes them: the first API's calls, with the arguments in the body, also of a GET."""

from __future__ import annotations

from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1 import SessionV1
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0_people import from_representation, to_attributes
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.users import NAMES

USERS = "/user-management"
PAGE = 50


class UsersV1:
    """Accounts of a tenant's realm."""

    required: tuple[str, ...] = (*NAMES, "password")

    def __init__(self, session: SessionV1) -> None:
        self.session = session
        self.named = {"client_id": session.account["client_id"]}

    def _client(self, method: str, path: str, query: Any = None, body: Any = None, repeatable: bool | None = None) -> dict[str, Any]:
        """A call that Custos wants a client token for."""
        try:
            return self.session.http.call(method, f"{USERS}{path}", self.session.client_token(), query, body, repeatable)
        except CustosError as error:
            if error.status == 401:
                raise error.explained("Check parent_client_id and parent_client_secret, and that this tenant is ACTIVE.") from error
            raise

    def _admin(self, method: str, path: str, query: Any = None, body: Any = None, repeatable: bool | None = None) -> dict[str, Any]:
        """A call that Custos wants a person for."""
        return self.session.as_admin(self.session.http.call, method, f"{USERS}{path}", query=query, body=body, repeatable=repeatable)

    def _subject(self, username: str) -> dict[str, Any]:
        return {"user": {"username": username}, **self.named}

    def find(self, username: str) -> dict[str, Any] | None:
        try:
            return from_representation(self._client("GET", "/user", body=self._subject(username)))
        except CustosError as error:
            if error.status == 404:
                return None
            raise

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            # `user.id` is a search in all fields; it has to be there, and may be empty.
            page = self._client("GET", "/users", {**self.named, "user.id": "", "offset": len(found), "limit": PAGE}).get("users") or []
            found += [from_representation(user) for user in page]
            if len(page) < PAGE:
                return found

    def register(self, username: str, names: dict[str, str], password: str) -> None:
        body = {"username": username, **names, "password": password, "temporary_password": False}
        if not self._client("POST", "/user", body=body).get("is_registered"):
            raise CustosError(f"Custos did not register user {username}, and does not say why.")

    def enable(self, username: str, enabled: bool) -> None:
        self._client("POST", f"/user/{'activation' if enabled else 'deactivation'}", body=self._subject(username), repeatable=True)

    def rename(self, username: str, names: dict[str, str]) -> None:
        self._admin("PUT", "/user/profile", body={**self.named, "user_profile": {"username": username, **names}})

    def add_roles(self, username: str, roles: list[str]) -> None:
        self._admin("POST", "/users/roles", body={**self.named, "usernames": [username], "roles": roles, "client_level": False}, repeatable=True)

    def remove_roles(self, username: str, roles: list[str]) -> None:
        self._admin("DELETE", "/user/roles", body={**self.named, "username": username, "roles": roles})

    def set_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        self._admin("POST", "/attributes", self.named, {"users": [username], "attributes": to_attributes(attributes)}, repeatable=True)

    def drop_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        self._admin("DELETE", "/attributes", self.named, {"users": [username], "attributes": to_attributes(attributes)})

    def delete(self, username: str) -> None:
        try:
            self._admin("DELETE", "/user", body=self._subject(username))
        except CustosError:
            if self.find(username) is not None:  # else a first try did it, and only its answer was lost
                raise
