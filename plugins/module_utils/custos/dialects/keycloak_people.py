# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users and groups of a realm through Keycloak's admin REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.dialects.keycloak import SessionKeycloak
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.users import user as normal_user

NAMES = {"email": "email", "first_name": "firstName", "last_name": "lastName"}  # our name -> Keycloak's


def find_user(session: SessionKeycloak, username: str) -> dict[str, Any] | None:
    """A UserRepresentation, or None."""
    for found in session.send("GET", "/users", query={"username": username, "exact": "true", "briefRepresentation": "false"}):
        return dict(found)
    return None


class UsersKeycloak:
    """Accounts of a realm. Keycloak needs no more than a name; who has no password logs in through another provider."""

    required: tuple[str, ...] = ()

    def __init__(self, session: SessionKeycloak) -> None:
        self.session = session

    def _ours(self, found: Mapping[str, Any]) -> dict[str, Any]:
        roles = self.session.send("GET", f"/users/{found['id']}/role-mappings/realm")
        names = {name: found.get(key) for name, key in NAMES.items()}
        return normal_user(found["username"], names, bool(found.get("enabled")), [role["name"] for role in roles], found.get("attributes") or {})

    def _must(self, username: str) -> dict[str, Any]:
        found = find_user(self.session, username)
        if found is None:
            raise CustosError(f"Realm {self.session.realm} has no user {username}.", 404)
        return found

    def _change(self, username: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """PUT replaces attributes and leaves the rest, so the whole merged user is sent; returns the user afterwards."""
        found = self._must(username)
        self.session.send("PUT", f"/users/{found['id']}", body={**found, **change})
        return self._must(username)

    def find(self, username: str) -> dict[str, Any] | None:
        found = find_user(self.session, username)
        return self._ours(found) if found else None

    def all(self) -> list[dict[str, Any]]:
        return [self._ours(found) for found in self.session.pages("/users", briefRepresentation="false")]

    def register(self, username: str, names: dict[str, str], password: str) -> None:
        body: dict[str, Any] = {"username": username, "enabled": False, **{NAMES[name]: value for name, value in names.items() if value}}
        if password:
            body["credentials"] = [{"type": "password", "value": password, "temporary": False}]
        self.session.send("POST", "/users", body=body)

    def enable(self, username: str, enabled: bool) -> None:
        self._change(username, {"enabled": enabled})

    def rename(self, username: str, names: dict[str, str]) -> None:
        self._change(username, {NAMES[name]: value for name, value in names.items()})

    def _roles(self, names: list[str]) -> list[dict[str, Any]]:
        known = {role["name"]: role for role in self.session.pages("/roles")}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise CustosError(f"Realm {self.session.realm} has no role {', '.join(unknown)}; make it there first.")
        return [known[name] for name in names]

    def add_roles(self, username: str, roles: list[str]) -> None:
        self.session.send("POST", f"/users/{self._must(username)['id']}/role-mappings/realm", body=self._roles(roles), repeatable=True)

    def remove_roles(self, username: str, roles: list[str]) -> None:
        self.session.send("DELETE", f"/users/{self._must(username)['id']}/role-mappings/realm", body=self._roles(roles))

    def set_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        kept = self._must(username).get("attributes") or {}
        now = self._change(username, {"attributes": {**kept, **attributes}}).get("attributes") or {}
        lost = [name for name in attributes if name not in now]
        if lost:  # Keycloak says nothing, and drops what the realm's user profile does not know
            raise CustosError(
                f"Keycloak did not keep {', '.join(lost)} of user {username}: declare it in the user profile of realm {self.session.realm},"
                " or let administrators edit unmanaged attributes there."
            )

    def drop_attributes(self, username: str, attributes: dict[str, list[str]]) -> None:
        kept = self._must(username).get("attributes") or {}
        self._change(username, {"attributes": {name: values for name, values in kept.items() if name not in attributes}})

    def delete(self, username: str) -> None:
        found = find_user(self.session, username)
        if found:
            self.session.send("DELETE", f"/users/{found['id']}")


class GroupsKeycloak:
    """Groups at the top of a realm."""

    owned = False

    def __init__(self, session: SessionKeycloak) -> None:
        self.session = session

    def all(self) -> list[dict[str, Any]]:
        """All groups, without their members. The description is an attribute, as Keycloak has had a field for it only for a while."""
        return [
            {
                "group_id": group["id"],
                "name": group["name"],
                "description": next(iter((group.get("attributes") or {}).get("description") or [""])),
                "owner": "",
                "members": {},
            }
            for group in self.session.pages("/groups", briefRepresentation="false")
        ]

    def members(self, group_id: str) -> dict[str, str]:
        return dict.fromkeys(sorted(user["username"] for user in self.session.pages(f"/groups/{group_id}/members", briefRepresentation="true")), "MEMBER")

    def create(self, name: str, description: str, owner: str) -> str:
        self.session.send("POST", "/groups", body={"name": name, "attributes": {"description": [description]} if description else {}})
        return next(str(group["group_id"]) for group in self.all() if group["name"] == name)

    def update(self, group_id: str, name: str, description: str) -> None:
        group = self.session.send("GET", f"/groups/{group_id}")
        attributes = {**(group.get("attributes") or {}), "description": [description]}
        self.session.send("PUT", f"/groups/{group_id}", body={**group, "name": name, "attributes": attributes})

    def _member(self, method: str, group_id: str, username: str) -> None:
        found = find_user(self.session, username)
        if found is None:
            raise CustosError(f"Realm {self.session.realm} has no user {username} to be a member.", 404)
        self.session.send(method, f"/users/{found['id']}/groups/{group_id}")

    def add_member(self, group_id: str, username: str, kind: str) -> None:
        self._member("PUT", group_id, username)

    def change_member(self, group_id: str, username: str, kind: str) -> None:
        raise AssertionError("there is one kind of member only")

    def remove_member(self, group_id: str, username: str) -> None:
        self._member("DELETE", group_id, username)

    def delete(self, group_id: str) -> None:
        try:
            self.session.send("DELETE", f"/groups/{group_id}")
        except CustosError as error:
            if error.status != 404:  # gone already: perhaps by a first try whose answer was lost
                raise
