# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users, groups and secrets of a tenant in Custos' first API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.v1_0_0 import SessionV100
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.resource_secrets import CONTENTS
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.users import NAMES
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.users import user as normal_user

USERS = "/user-management/v1.0.0"
GROUPS = "/group-management/v1.0.0"
MEMBERSHIP = f"{GROUPS}/user/group/membership"
SECRETS = "/resource-secret-management/v1.0.0"
PAGE = 50


def from_representation(user: dict[str, Any]) -> dict[str, Any]:
    """Custos' UserRepresentation with our names."""
    attributes = {attribute["key"]: attribute.get("values") or [] for attribute in user.get("attributes") or []}
    return normal_user(user["username"], user, user.get("state") == "ACTIVE", user.get("realm_roles") or [], attributes)


def to_attributes(attributes: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [{"key": key, "values": values} for key, values in attributes.items()]


class CustosUsers(ABC):
    """Accounts of a tenant's realm: what Custos' two APIs have in common. They differ in where a call's arguments stand."""

    required: tuple[str, ...] = (*NAMES, "password")

    @abstractmethod
    def _look(self, username: str) -> dict[str, Any]:
        """The UserRepresentation; a CustosError with status 404 when there is none."""

    @abstractmethod
    def _page(self, first: int) -> dict[str, Any]:
        """At most PAGE users from the ``first`` on, in ``users``."""

    @abstractmethod
    def _make(self, body: dict[str, Any]) -> dict[str, Any]: ...

    @abstractmethod
    def _remove(self, username: str) -> None: ...

    def find(self, username: str) -> dict[str, Any] | None:
        try:
            return from_representation(self._look(username))
        except CustosError as error:
            if error.status == 404:
                return None
            raise

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self._page(len(found)).get("users") or []
            found += [from_representation(user) for user in page]
            if len(page) < PAGE:
                return found

    def register(self, username: str, names: dict[str, str], password: str) -> None:
        if not self._make({"username": username, **names, "password": password, "temporary_password": False}).get("is_registered"):
            raise CustosError(f"Custos did not register user {username}, and does not say why.")

    def delete(self, username: str) -> None:
        try:
            self._remove(username)
        except CustosError:
            if self.find(username) is not None:  # else a first try did it, and only its answer was lost
                raise


class UsersV100(CustosUsers):
    """As the first API takes them."""

    def __init__(self, session: SessionV100) -> None:
        self.session = session

    def _look(self, username: str) -> dict[str, Any]:
        return self.session.client("GET", f"{USERS}/user", {"user.username": username})

    def _page(self, first: int) -> dict[str, Any]:
        return self.session.client("GET", f"{USERS}/users", {"offset": first, "limit": PAGE})

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.session.client("POST", f"{USERS}/user", body=body)

    def _remove(self, username: str) -> None:
        self.session.admin("DELETE", f"{USERS}/user", body={"username": username})

    def enable(self, username: str, enabled: bool) -> None:
        self.session.client("POST", f"{USERS}/user/{'activation' if enabled else 'deactivation'}", body={"username": username}, repeatable=True)

    def rename(self, username: str, names: dict[str, str]) -> None:
        self.session.admin("PUT", f"{USERS}/user/profile", body={"username": username, **names})

    def add_roles(self, username: str, roles: list[str]) -> None:
        self.session.admin("POST", f"{USERS}/users/roles", body={"usernames": [username], "roles": roles, "client_level": False}, repeatable=True)

    def remove_roles(self, username: str, roles: list[str]) -> None:
        self.session.admin("DELETE", f"{USERS}/user/roles", {"username": username, "roles": roles})

    def set_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        self.session.admin("POST", f"{USERS}/attributes", body={"users": [username], "attributes": to_attributes(attributes)}, repeatable=True)

    def drop_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        self.session.admin("DELETE", f"{USERS}/attributes", body={"users": [username], "attributes": to_attributes(attributes)})


def from_group(group: dict[str, Any], members: dict[str, str]) -> dict[str, Any]:
    """Custos' Group with our names."""
    return {
        "group_id": group["id"],
        "name": group.get("name") or "",
        "description": group.get("description") or "",
        "owner": (group.get("owner_id") or "").lower(),
        "members": members,
    }


def from_profiles(profiles: list[dict[str, Any]]) -> dict[str, str]:
    """A group's members by their names, out of Custos' user profiles."""
    return {profile["username"]: profile.get("membership_type") or "MEMBER" for profile in sorted(profiles, key=lambda profile: str(profile["username"]))}


class GroupsV100:
    """Groups of a tenant. Custos wants a registered, enabled owner for each."""

    owned = True

    def __init__(self, session: SessionV100) -> None:
        self.session = session

    def all(self) -> list[dict[str, Any]]:
        """All groups, without their members."""
        return [from_group(group, {}) for group in self.session.client("GET", f"{GROUPS}/groups").get("groups") or []]

    def members(self, group_id: str) -> dict[str, str]:
        answer = self.session.client("GET", f"{GROUPS}/user/group/memberships/child", {"group.id": group_id})
        return from_profiles(answer.get("profiles") or [])

    def create(self, name: str, description: str, owner: str) -> str:
        group = {"name": name, "description": description, "owner_id": owner}
        return str(self.session.client("POST", f"{GROUPS}/group", body={"group": group})["id"])

    def update(self, group_id: str, name: str, description: str) -> None:
        # PUT replaces, so what we have no option for is sent back as it is.
        group = self.session.client("GET", f"{GROUPS}/group", {"group.id": group_id})
        body = {"group": {**group, "name": name, "description": description}}
        self.session.client("PUT", f"{GROUPS}/group/{quote(group_id, safe='')}", body=body)

    def add_member(self, group_id: str, username: str, kind: str) -> None:
        self.session.client("POST", MEMBERSHIP, body={"group_id": group_id, "username": username, "type": kind}, repeatable=True)

    def change_member(self, group_id: str, username: str, kind: str) -> None:
        self.session.client("PUT", MEMBERSHIP, body={"group_id": group_id, "username": username, "type": kind})

    def remove_member(self, group_id: str, username: str) -> None:
        self.session.client("DELETE", MEMBERSHIP, {"group_id": group_id, "username": username})

    def delete(self, group_id: str) -> None:
        try:
            self.session.client("DELETE", f"{GROUPS}/group/{quote(group_id, safe='')}")
        except CustosError:
            if any(group["group_id"] == group_id for group in self.all()):
                raise


class SecretsV100:
    """SSH keys and passwords that Custos keeps, each under a name of our choice (Custos says token)."""

    NAMES = {"user_id": "userId"}  # ours -> Custos', where they differ

    def __init__(self, session: SessionV100) -> None:
        self.session = session

    def find(self, names: list[str]) -> list[dict[str, Any]]:
        """Summaries of those that exist. Custos tells only of the names that it is asked for."""
        answer = self.session.client("GET", f"{SECRETS}/secret/summaries", {"accessible_tokens": names})
        return [
            {
                "name": found["token"],
                "kind": "ssh" if found.get("type", "SSH") == "SSH" else str(found["type"]).lower(),  # SSH is the default, which some leave out
                "owner": found.get("owner_id") or "",
                "description": found.get("description") or "",
            }
            for found in answer.get("metadata") or []
        ]

    def read(self, name: str, kind: str) -> dict[str, str]:
        """The contents: private_key, public_key and passphrase, or password and user_id."""
        answer = self.session.client("GET", f"{SECRETS}/secret/{kind}", {"token": name})
        return {ours: answer.get(self.NAMES.get(ours, ours)) or "" for ours in CONTENTS[kind]}

    def create(self, name: str, kind: str, owner: str, description: str, values: dict[str, str]) -> None:
        metadata = {"token": name, "owner_id": owner, "description": description}
        contents = {self.NAMES.get(ours, ours): value for ours, value in values.items()}
        self.session.client("POST", f"{SECRETS}/secret/{kind}", body={"metadata": metadata, **contents})

    def delete(self, name: str, kind: str) -> None:
        try:
            self.session.client("DELETE", f"{SECRETS}/secret/{kind}", {"token": name})
        except CustosError:
            if self.find([name]):
                raise
