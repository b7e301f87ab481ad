"""Roles of a realm and of its clients, and which of them a user has. No HTTP in here."""

from __future__ import annotations

import uuid
from typing import Any

from custos_double.errors import ALREADY_EXISTS, NOT_FOUND, ApiError
from custos_double.realms import Realms
from custos_double.store import Record


class Roles:
    """Roles by realm and ``owner``: a client id, or nothing for roles of the realm itself."""

    def __init__(self, realms: Realms) -> None:
        self.realms = realms
        self.store = realms.store

    def _builtin(self, realm: str) -> list[Record]:
        """What every realm has from the start: Keycloak's own roles, and the one that Custos makes."""
        texts = {
            f"default-roles-{realm}": "${role_default-roles}", "offline_access": "${role_offline-access}", "uma_authorization": "${role_uma_authorization}",
            "admin": "Admin role for PGA users",
        }  # fmt: skip
        return [self._record(realm, "", name, text, str(uuid.uuid5(uuid.NAMESPACE_URL, f"{realm}/{name}"))) for name, text in texts.items()]

    def _record(self, realm: str, owner: str, name: str, description: str, role_id: str) -> Record:
        composite = not owner and name in (f"default-roles-{realm}", "admin")
        return {"id": role_id, "name": name, "description": description, "composite": composite, "owner": owner}

    def all(self, realm: str, owner: str = "") -> list[Record]:
        made = [role for role in self.store.list("role", realm, self.realms.clock()) if role["owner"] == owner]
        return made if owner else [*self._builtin(realm), *made]

    def get(self, realm: str, owner: str, name: str) -> Record:
        for role in self.all(realm, owner):
            if role["name"] == name:
                return role
        raise ApiError(NOT_FOUND, "Could not find role")

    def add(self, realm: str, owner: str, name: str, description: str) -> Record:
        if any(role["name"] == name for role in self.all(realm, owner)):
            raise ApiError(ALREADY_EXISTS, f"Role with name {name} already exists")
        role = self._record(realm, owner, name, description, str(uuid.uuid4()))
        self.store.put("role", realm, f"{owner}/{name}", role)
        return role

    def delete(self, realm: str, owner: str, name: str) -> None:
        self.get(realm, owner, name)
        with self.store.transaction():
            self.store.delete("role", realm, f"{owner}/{name}")
            for user in self.realms.users(realm):
                if name in self._direct(user, owner):
                    self.revoke(realm, user, owner, [name])

    @staticmethod
    def _direct(user: Record, owner: str) -> list[str]:
        stored: dict[str, Any] = user.get("roles", {})
        return list(stored.get(owner, []))

    def of(self, realm: str, user: Record, owner: str = "") -> list[str]:
        """The names of a user's roles. ``default-roles-<realm>`` is among them, as Keycloak gives it to everybody."""
        own = self._direct(user, owner)
        return own if owner else [f"default-roles-{realm}", *(["admin"] if user["admin"] else []), *own]

    def grant(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        """Give roles; raises ApiError(NOT_FOUND) before anything is given when one does not exist."""
        self.give(realm, user, owner, [self.get(realm, owner, name)["name"] for name in names])

    def give(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        """The same for roles that are known to exist."""
        if "admin" in names and not owner:
            user["admin"] = True
        self._save(realm, user, owner, [*self._direct(user, owner), *names])

    def revoke(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        if "admin" in names and not owner:
            user["admin"] = False
        self._save(realm, user, owner, [name for name in self._direct(user, owner) if name not in names])

    def _save(self, realm: str, user: Record, owner: str, names: list[str]) -> None:
        implied = () if owner else ("admin", f"default-roles-{realm}")
        user["roles"] = {**user.get("roles", {}), owner: [name for name in dict.fromkeys(names) if name not in implied]}
        self.realms.save_user(realm, user)
