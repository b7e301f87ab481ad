"""Groups of a realm and who belongs to them. No HTTP in here."""

from __future__ import annotations

import uuid

from custos_double.errors import INVALID_ARGUMENT, NOT_FOUND, ApiError
from custos_double.realms import Realms
from custos_double.store import Record

TYPES = ("OWNER", "ADMIN", "MEMBER")


class Groups:
    """Groups by id, memberships by (group, username)."""

    def __init__(self, realms: Realms) -> None:
        self.realms = realms
        self.store = realms.store

    def all(self, realm: str) -> list[Record]:
        return self.store.list("group", realm, self.realms.clock())

    def get(self, realm: str, group_id: str) -> Record:
        group = self.store.get("group", realm, group_id, self.realms.clock())
        if group is None:
            raise ApiError(NOT_FOUND, f"Group {group_id or '(no id)'} not found")
        return group

    def create(self, realm: str, values: Record) -> Record:
        if not values.get("name"):
            raise ApiError(INVALID_ARGUMENT, "Error while validating method createGroup, name should not be null")
        group = {
            "id": str(values.get("id") or uuid.uuid4()),
            "name": str(values["name"]),
            "description": str(values.get("description") or ""),
            "owner_id": str(values.get("owner_id") or "").lower(),
            "created_time": str(int(self.realms.clock() * 1000)),
        }
        with self.store.transaction():
            self.store.put("group", realm, group["id"], group)
            if group["owner_id"]:
                self.join(realm, group["id"], group["owner_id"], "OWNER")
        return group

    def update(self, realm: str, group_id: str, values: Record) -> Record:
        group = self.get(realm, group_id)
        group |= {name: str(values.get(name) or "") for name in ("name", "description")}
        self.store.put("group", realm, group_id, group)
        return group

    def delete(self, realm: str, group_id: str) -> None:
        self.get(realm, group_id)
        with self.store.transaction():
            self.store.delete("group", realm, group_id)
            for member in self.members(realm):
                if member["group_id"] == group_id:
                    self.store.delete("member", realm, f"{group_id}/{member['username']}")

    def members(self, realm: str) -> list[Record]:
        return self.store.list("member", realm, self.realms.clock())

    def join(self, realm: str, group_id: str, username: str, kind: str) -> None:
        self.get(realm, group_id)
        username, kind = username.lower(), kind or "MEMBER"
        if kind not in TYPES:
            raise ApiError(INVALID_ARGUMENT, f"Membership type {kind} is none of {', '.join(TYPES)}")
        if not self.realms.user(realm, username):
            raise ApiError(NOT_FOUND, f"User {username or '(no name)'} not found")
        self.store.put("member", realm, f"{group_id}/{username}", {"group_id": group_id, "username": username, "type": kind})

    def leave(self, realm: str, group_id: str, username: str) -> None:
        if not self.store.delete("member", realm, f"{group_id}/{username.lower()}"):
            raise ApiError(NOT_FOUND, f"User {username} is not in group {group_id}")

    def of_user(self, realm: str, username: str) -> list[Record]:
        mine = [member["group_id"] for member in self.members(realm) if member["username"] == username.lower()]
        return [group for group in self.all(realm) if group["id"] in mine]

    @staticmethod
    def message(group: Record) -> Record:
        empty: Record = {"realm_roles": [], "client_roles": [], "users": [], "attributes": [], "sub_groups": []}
        return {**empty, **group, "last_modified_time": group["created_time"]}
