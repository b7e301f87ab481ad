"""Groups of a realm, who belongs to them and which belong to others. No HTTP in here."""

from __future__ import annotations

import re
import uuid

from custos_double.errors import ABORTED, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, ApiError
from custos_double.store import Record
from custos_double.tenants import Tenants

OWNER, ADMIN, MEMBER = TYPES = ("OWNER", "ADMIN", "MEMBER")


class Groups:
    """Groups by id, memberships by (group, username), children by (parent, child). Usernames are compared as they are written: Custos does so here."""

    def __init__(self, tenants: Tenants) -> None:
        self.iam = tenants.iam
        self.realms = tenants.realms
        self.store = tenants.store

    def all(self, realm: str) -> list[Record]:
        """Newest first."""
        return sorted(self.store.list("group", realm, self.realms.clock()), key=lambda group: int(group["created_time"]), reverse=True)

    def find(self, realm: str, group_id: str) -> Record | None:
        return self.store.get("group", realm, group_id, self.realms.clock())

    def get(self, realm: str, group_id: str) -> Record:
        group = self.find(realm, group_id)
        if group is None:
            raise ApiError(NOT_FOUND, f"Group {group_id or '(no id)'} not found")
        return group

    def search(self, realm: str, wanted: Record) -> list[Record]:
        """Groups by id, name or description, the latter two as SQL's LIKE. Nothing found means all: Custos' way."""

        def fits(group: Record) -> bool:
            like = (name for name in ("name", "description") if wanted.get(name))
            return (not wanted.get("id") or group["id"] == wanted["id"]) and all(
                re.fullmatch(re.escape(str(wanted[name])).replace("%", ".*"), group[name], re.IGNORECASE) for name in like
            )

        groups = self.all(realm)
        return [group for group in groups if fits(group)] or groups

    async def create(self, realm: str, values: Record) -> Record:
        """A new group; its owner becomes the first member. Raises ApiError when the owner or the parent does not exist."""
        name, owner, parent = (str(values.get(key) or "") for key in ("name", "owner_id", "parent_id"))
        if not name:
            raise ApiError(INVALID_ARGUMENT, "Error while validating method createGroup, name should not be null")
        if not owner or not await self._user(realm, owner):
            raise ApiError(NOT_FOUND, f"Error occurred while creating  Group for {realm} reason : Owner  not found")
        if parent and not self.find(realm, parent):
            raise ApiError(INVALID_ARGUMENT, f"Error occurred while creating  Group for {realm} reason : Parent group not found")
        now = str(int(self.realms.clock() * 1000))
        group: Record = {
            "id": str(values.get("id") or f"{name.lower().replace(' ', '_')}_{uuid.uuid4()}"),
            "name": name,
            "description": str(values.get("description") or ""),
            "parent_id": parent,
            "realm_roles": list(values.get("realm_roles") or []),
            "client_roles": list(values.get("client_roles") or []),
            "attributes": list(values.get("attributes") or []),
            "created_time": now,
            "last_modified_time": now,
        }
        with self.store.transaction():
            self.store.put("group", realm, group["id"], group)
            self._put_member(realm, group["id"], owner, OWNER)
            if parent:
                self.link(realm, parent, group["id"])
        return group

    def update(self, realm: str, group_id: str, values: Record) -> Record:
        """Replace everything but the parent: what the request left out is empty afterwards."""
        group = self.get(realm, group_id)
        group |= {name: str(values.get(name) or "") for name in ("name", "description")}
        group |= {name: list(values.get(name) or []) for name in ("realm_roles", "client_roles", "attributes")}
        group["last_modified_time"] = str(int(self.realms.clock() * 1000))
        self.store.put("group", realm, group_id, group)
        return group

    def delete(self, realm: str, group_id: str) -> None:
        """Remove a group and those that were created with it as their parent."""
        self.get(realm, group_id)
        gone = {group_id, *(group["id"] for group in self.all(realm) if group.get("parent_id") == group_id)}
        with self.store.transaction():
            for gone_id in gone:
                self.store.delete("group", realm, gone_id)
            for member in self.members(realm):
                if member["group_id"] in gone:
                    self.store.delete("member", realm, f"{member['group_id']}/{member['username']}")
            for link in self._links(realm):
                if gone & {link["parent_id"], link["child_id"]}:
                    self.unlink(realm, link["parent_id"], link["child_id"])

    # Members

    async def _user(self, realm: str, username: str) -> Record | None:
        user = await self.iam.user(realm, username)
        return user if user and user["username"] == username else None

    def members(self, realm: str, group_id: str = "") -> list[Record]:
        """Memberships ``{group_id, username, type}``, of one group if it is named."""
        return [member for member in self.store.list("member", realm, self.realms.clock()) if group_id in ("", member["group_id"])]

    def membership(self, realm: str, group_id: str, username: str) -> Record | None:
        return self.store.get("member", realm, f"{group_id}/{username}", self.realms.clock())

    def _put_member(self, realm: str, group_id: str, username: str, kind: str) -> None:
        self.store.put("member", realm, f"{group_id}/{username}", {"group_id": group_id, "username": username, "type": kind})

    async def join(self, realm: str, group_id: str, username: str, kind: str) -> None:
        """Make a member. Somebody who is one already stays as he is, whatever ``kind`` says."""
        if not self.find(realm, group_id) or not await self._user(realm, username):
            raise ApiError(INTERNAL, "Group or user not available")
        kind = kind.upper() or MEMBER
        if self.membership(realm, group_id, username):
            return
        if kind not in TYPES:
            raise ApiError(INTERNAL, f"Membership type {kind} is none of {', '.join(TYPES)}: No value present")
        self._put_member(realm, group_id, username, kind)

    def change(self, realm: str, group_id: str, username: str, kind: str) -> None:
        """Change a member's type. Custos' trap is kept: after a change to OWNER every owner, the new one too, is a MEMBER."""
        member = self.membership(realm, group_id, username)
        if member is None:
            raise ApiError(NOT_FOUND, "group membership not found")
        owners = [owner["username"] for owner in self.members(realm, group_id) if owner["type"] == OWNER]
        if owners == [username]:
            raise ApiError(ABORTED, f"Default owner {username} cannot be changed for group {group_id}")
        if kind not in TYPES:
            raise ApiError(INTERNAL, f"Error occurred while changing membership type  in   tenant{realm} with id {username} to {kind}")
        with self.store.transaction():
            self._put_member(realm, group_id, username, MEMBER if kind == OWNER else kind)
            for owner in owners if kind == OWNER else []:
                self._put_member(realm, group_id, owner, MEMBER)

    def leave(self, realm: str, group_id: str, username: str) -> bool:
        """Remove a member; False when there was none."""
        return self.store.delete("member", realm, f"{group_id}/{username}")

    def of_user(self, realm: str, username: str) -> list[Record]:
        """The groups somebody belongs to, and all that these are children of."""
        mine = [member["group_id"] for member in self.members(realm) if member["username"] == username]
        return self._with_ancestors(realm, mine)

    # Groups in groups

    def _links(self, realm: str) -> list[Record]:
        return self.store.list("grouplink", realm, self.realms.clock())

    def link(self, realm: str, parent_id: str, child_id: str) -> None:
        for group_id in (parent_id, child_id):
            if not self.find(realm, group_id):
                raise ApiError(NOT_FOUND, "Child or parent group not available")
        self.store.put("grouplink", realm, f"{parent_id}/{child_id}", {"parent_id": parent_id, "child_id": child_id})

    def unlink(self, realm: str, parent_id: str, child_id: str) -> None:
        self.store.delete("grouplink", realm, f"{parent_id}/{child_id}")

    def children(self, realm: str, group_id: str) -> list[Record]:
        self.get(realm, group_id)
        found = [link["child_id"] for link in self._links(realm) if link["parent_id"] == group_id]
        return [group for group in self.all(realm) if group["id"] in found]

    def parents(self, realm: str, group_id: str) -> list[Record]:
        """A group and all that it is a child of; nothing when there is no such group."""
        return self._with_ancestors(realm, [group_id])

    def _with_ancestors(self, realm: str, group_ids: list[str]) -> list[Record]:
        found, links = list(group_ids), self._links(realm)
        for group_id in found:  # grows while it is walked through
            found += [link["parent_id"] for link in links if link["child_id"] == group_id and link["parent_id"] not in found]
        return [group for group in self.all(realm) if group["id"] in found]

    def message(self, realm: str, group: Record) -> Record:
        """Custos' Group. It cannot write down a group that has lost its owner: every answer with such a group in it is an error."""
        owners = [member["username"] for member in self.members(realm, group["id"]) if member["type"] == OWNER]
        if not owners:
            raise ApiError(INTERNAL, f"Error occurred while fetching group {group['id']}at {realm} reason :null")
        return {**group, "owner_id": owners[-1]}
