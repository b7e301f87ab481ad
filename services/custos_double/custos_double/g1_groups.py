"""Custos' group-management."""

from __future__ import annotations

from aiohttp import web

from custos_double.errors import ALREADY_EXISTS, ApiError
from custos_double.g1 import Handler, Service, as_internal
from custos_double.g1_users import UserService
from custos_double.groups import Groups
from custos_double.params import nested, number, text
from custos_double.store import Record


class GroupService(Service):
    name = "group-management"

    def __init__(self, users: UserService, groups: Groups) -> None:
        super().__init__(users.tenants)
        self.users = users
        self.groups = groups

    def calls(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/group", self.create_group),
            ("GET", "/group", self.find_group),
            ("PUT", "/group/{id}", self.update_group),
            ("DELETE", "/group/{id}", self.delete_group),
            ("GET", "/groups", self.get_all_groups),
            ("POST", "/group/membership", self.add_child_group_to_parent_group),
            ("DELETE", "/group/membership", self.remove_child_group_from_parent_group),
            ("GET", "/groups/memberships", self.get_all_parent_groups_of_group),
            ("GET", "/groups/memberships/child", self.get_all_child_groups),
            ("POST", "/user/group/membership", self.add_user_to_group),
            ("PUT", "/user/group/membership", self.change_user_membership_type),
            ("DELETE", "/user/group/membership", self.remove_user_from_group),
            ("GET", "/user/group/memberships", self.get_all_groups_of_user),
            ("GET", "/user/group/memberships/child", self.get_all_child_users),
            ("GET", "/user/group/access", self.has_access),
        ]

    def _group(self, realm: str, group: Record) -> web.Response:
        return web.json_response(self.groups.message(realm, group))

    def _groups(self, realm: str, groups: list[Record]) -> web.Response:
        return web.json_response({"groups": [self.groups.message(realm, group) for group in groups]})

    async def create_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "createGroup")
        values = nested(params, "group") or params
        group_id = text(values, "id")
        if group_id and self.groups.find(realm, group_id):
            raise ApiError(ALREADY_EXISTS, f"Group already exist with given id {group_id}")
        with as_internal("createGroup"):
            return self._group(realm, await self.groups.create(realm, values))

    async def find_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "findGroup")
        with as_internal("findGroup"):
            return self._group(realm, self.groups.get(realm, text(nested(params, "group"), "id")))

    async def update_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "updateGroup")
        with as_internal("updateGroup"):
            self.groups.message(realm, self.groups.get(realm, request.match_info["id"]))
            return self._group(realm, self.groups.update(realm, request.match_info["id"], nested(params, "group") or params))

    async def delete_group(self, request: web.Request) -> web.Response:
        realm, _params = await self.realm(request, "deleteGroup")
        with as_internal("deleteGroup"):
            self.groups.message(realm, self.groups.get(realm, request.match_info["id"]))
            self.groups.delete(realm, request.match_info["id"])
        return web.json_response({"status": True})

    async def get_all_groups(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "getAllGroups")
        found = self.groups.search(realm, nested(params, "group"))
        offset, limit = number(params, "offset", 0), number(params, "limit", 0)
        with as_internal("getAllGroups"):
            return self._groups(realm, found[offset : offset + limit] if limit else found)

    # Members

    async def add_user_to_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "addUserToGroup")
        with as_internal("addUserToGroup"):
            await self.groups.join(realm, text(params, "group_id"), text(params, "username"), text(params, "type"))
        return web.json_response({"status": True})

    async def change_user_membership_type(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "changeUserMembershipType")
        with as_internal("changeUserMembershipType"):
            self.groups.change(realm, text(params, "group_id"), text(params, "username"), text(params, "type"))
        return web.json_response({"status": True})

    async def remove_user_from_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "removeUserFromGroup")
        self.groups.leave(realm, text(params, "group_id"), text(params, "username"))
        return web.json_response({"status": True})  # also when there was nobody to remove

    async def get_all_groups_of_user(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "getAllGroupsOfUser")
        with as_internal("getAllGroupsOfUser"):
            return self._groups(realm, self.groups.of_user(realm, text(nested(params, "profile"), "username")))

    async def get_all_child_users(self, request: web.Request) -> web.Response:
        tenant, params = await self.tenant(request, "getAllChildUsers")
        realm, group_id = str(tenant["tenant_id"]), text(nested(params, "group"), "id")
        with as_internal("getAllChildUsers"):
            self.groups.get(realm, group_id)
        members = [(await self.iam.user(realm, member["username"]), member["type"]) for member in self.groups.members(realm, group_id)]
        return web.json_response({"profiles": [await self.users.profile(realm, tenant["client_id"], user, kind) for user, kind in members if user]})

    async def has_access(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "hasAccess")
        member = self.groups.membership(realm, text(params, "group_id"), text(params, "username"))
        return web.json_response({"status": bool(member and member["type"] == text(params, "type"))})  # without a type nobody has access

    # Groups in groups

    async def add_child_group_to_parent_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "addChildGroupToParentGroup")
        with as_internal("addChildGroupToParentGroup"):
            self.groups.link(realm, text(params, "parent_id"), text(params, "child_id"))
        return web.json_response({"status": True})

    async def remove_child_group_from_parent_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "removeChildGroupFromParentGroup")
        with as_internal("removeChildGroupFromParentGroup"):
            for name in ("parent_id", "child_id"):
                self.groups.get(realm, text(params, name))
            self.groups.unlink(realm, text(params, "parent_id"), text(params, "child_id"))
        return web.json_response({"status": True})

    async def get_all_parent_groups_of_group(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "getAllParentGroupsOfGroup")
        with as_internal("getAllParentGroupsOfGroup"):
            return self._groups(realm, self.groups.parents(realm, text(nested(params, "group"), "id")))

    async def get_all_child_groups(self, request: web.Request) -> web.Response:
        realm, params = await self.realm(request, "getAllChildGroups")
        with as_internal("getAllChildGroups"):
            return self._groups(realm, self.groups.children(realm, text(nested(params, "group"), "id")))
