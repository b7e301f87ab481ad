"""The second API's tenants, users and groups, at the addresses that release 1.1 really has."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from custos_double.errors import INVALID_ARGUMENT, UNAUTHENTICATED, ApiError
from custos_double.g1 import Handler, as_internal
from custos_double.g1_tenants import TenantService
from custos_double.g1_users import UserService
from custos_double.g2 import G2Service, answer, body_of, unexpected
from custos_double.groups import Groups
from custos_double.keys import new_client_id
from custos_double.params import nested, number, text
from custos_double.store import Record
from custos_double.tenants import clean


class G2TenantService(G2Service, TenantService):
    """Tenants. Where 1.1 asks nobody for a token (status, list of all, new client), a token of the right administrator is needed here."""

    inherits = True

    def calls(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/oauth2/tenant", self.create_tenant),
            ("GET", "/oauth2/tenant", self.get_tenant),
            ("PUT", "/user/profile", self.update_tenant),  # the address is another service's: copied in the source, too
            ("DELETE", "/user", self.delete_tenant),
            ("POST", "/oauth2/tenant/{tenant_id}/client", self.configure_client),
            ("POST", "/status", self.update_status),
            ("GET", "/tenants", self.get_all_tenants),
            ("GET", "/child/tenants", self.get_child_tenants),
            ("POST", "/roles", self.add_tenant_roles),
            ("GET", "/roles", self.get_tenant_roles),
            ("DELETE", "/role", self.delete_role),
        ]

    async def create_tenant(self, request: web.Request) -> web.Response:
        """Always a tenant without a parent: 1.1 looks for the parent's token only when there is none."""
        try:
            fields = clean(await body_of(request), "createTenant", creating=True)
        except ApiError as error:
            if error.code != INVALID_ARGUMENT:
                raise
            raise ApiError(INVALID_ARGUMENT, "Error occurred when creating tenant with Id: 0") from error
        tenant = await self.tenants.create(fields, None)
        return answer(self.tenants.created_message(tenant, self.realms.settings.front_url))

    async def get_tenant(self, request: web.Request) -> web.Response:
        """1.1 looks up the tenant inside the request instead of the caller's: it never finds one."""
        await body_of(request)
        tenant = (await self.user(request, "getTenant")).tenant
        raise ApiError(INVALID_ARGUMENT, f"Error occurred when retrieving tenant with the Id:  {tenant['tenant_id']}")

    async def update_tenant(self, request: web.Request) -> web.Response:
        """Replaces the tenant of the token, whatever client the request names."""
        values = nested(await body_of(request), "body")
        tenant = (await self.user(request, "updateTenant")).tenant
        try:
            await self.tenants.update(tenant, clean(values, "updateTenant", creating=False))
        except ApiError as error:
            raise ApiError(INVALID_ARGUMENT, f"Error occurred at updateTenant with the Id: {tenant['tenant_id']}") from error
        return answer(self.tenants.message(tenant))

    async def delete_tenant(self, request: web.Request) -> web.Response:
        """Takes away the tenant of the token, whatever client the request names."""
        await body_of(request)
        await self.tenants.delete((await self.user(request, "deleteTenant")).tenant)
        return web.Response(status=204)

    async def configure_client(self, request: web.Request) -> web.Response:
        """One more client in a tenant's realm, with the options of the time after 1.1."""
        caller = await self.user(request, "configureClient")
        options, realm = await body_of(request), request.match_info["tenant_id"]
        tenant = self.tenants.by_id(realm)
        if tenant is None or tenant["status"] != "ACTIVE":
            raise unexpected()
        self.tenants.reach(caller, tenant["client_id"], "configureClient")
        flows = {name: bool(options.get(f"{name}Enabled")) for name in ("authorizationCode", "clientCredentials", "implicit", "password", "deviceCode")}
        public, uris = bool(options.get("publicClient")), list(options.get("redirectUris") or [])
        for wrong, message in (
            (not options.get("tenantUrl"), "tenantUrl must not be blank"),
            (not any(flows.values()), "At least one grant type must be enabled"),
            (public and flows["clientCredentials"], "Public clients cannot use client_credentials grant type"),
            ((flows["authorizationCode"] or flows["implicit"]) and not uris, "redirectUris required when authorization_code or implicit grant is enabled"),
        ):
            if wrong:
                raise ApiError(INVALID_ARGUMENT, message)
        client_id = new_client_id(int(realm))
        values: Record = {
            "clientId": client_id,
            "name": options.get("clientName") or client_id,
            "baseUrl": options["tenantUrl"],
            "redirectUris": uris,
            "publicClient": public,
            "standardFlowEnabled": flows["authorizationCode"],
            "implicitFlowEnabled": flows["implicit"],
            "directAccessGrantsEnabled": flows["password"],
            "serviceAccountsEnabled": flows["clientCredentials"],
            "attributes": {"pkce.code.challenge.method": "S256"} if options.get("pkceEnabled") else {},
        }
        return web.json_response({"clientId": client_id, "clientSecret": await self.iam.add_client(realm, values)})


class G2UserService(G2Service, UserService):
    """Users: the first API's calls, with every argument in the body (also of a GET), the user's name in an object ``user``."""

    inherits = True
    subject = "user"

    def calls(self) -> list[tuple[str, str, Handler]]:
        return UserService.calls(self)

    async def profile(self, realm: str, client_id: str, user: Record, membership_type: str = "") -> dict[str, Any]:
        """Without the two values that are defaults of their enumerations."""
        shown = await super().profile(realm, client_id, user, membership_type)
        return {name: value for name, value in shown.items() if value not in ("ACTIVE", "END_USER")}

    async def find_users(self, request: web.Request) -> web.Response:
        if any(name not in request.query for name in ("client_id", "offset", "limit", "user.id")):
            raise unexpected()
        return await super().find_users(request)

    async def add_user_attributes(self, request: web.Request) -> web.Response:
        if "client_id" not in request.query:
            raise unexpected()
        return await super().add_user_attributes(request)


class G2GroupService(G2Service):
    """Groups; ``client_id`` is a header here. Most refusals are a 500 with a sentence."""

    name = "group-management"

    def __init__(self, users: G2UserService, groups: Groups) -> None:
        super().__init__(users.tenants)
        self.users = users
        self.groups = groups

    def calls(self) -> list[tuple[str, str, Handler]]:
        group, member = "/groups/{group_id}", "/groups/{group_id}/members/{username}"
        return [
            ("POST", "/groups", self.create_group),
            ("GET", "/groups", self.search_groups),
            ("GET", group, self.find_group),
            ("PUT", group, self.update_group),
            ("DELETE", group, self.delete_group),
            ("GET", f"{group}/members", self.members),
            ("POST", f"{group}/members", self.add_member),
            ("PUT", member, self.change_member),
            ("DELETE", member, self.remove_member),
            ("GET", f"{member}/access", self.has_access),
            ("GET", f"{group}/children", self.children),
            ("POST", f"{group}/children", self.add_child),
            ("DELETE", f"{group}/children/{{child_id}}", self.remove_child),
            ("GET", f"{group}/parents", self.parents),
            ("GET", "/users/{username}/group-memberships", self.groups_of_user),
        ]

    async def _tenant(self, request: web.Request) -> Record:
        caller = await self.caller(request, "authorize")
        if caller.username and not caller.admin:
            raise ApiError(UNAUTHENTICATED, "an administrator's token is needed")
        return self.tenants.reach(caller, request.headers.get("client_id", ""), "authorize")

    async def _where(self, request: web.Request) -> tuple[str, str]:
        """(realm, group id)"""
        return str((await self._tenant(request))["tenant_id"]), request.match_info.get("group_id", "")

    def _groups(self, realm: str, groups: list[Record]) -> web.Response:
        return answer({"groups": [self.groups.message(realm, group) for group in groups]})

    async def create_group(self, request: web.Request) -> web.Response:
        realm, _none = await self._where(request)
        values = await body_of(request)
        with as_internal("createGroup"):
            if values.get("id") and self.groups.find(realm, str(values["id"])):
                raise ApiError(INVALID_ARGUMENT, f"Group already exist with given id {values['id']}")
            group = await self.groups.create(realm, values)
        return answer(self.groups.message(realm, group), 201, {"Location": f"{self.realms.settings.front_url}{request.path}/{group['id']}"})

    async def find_group(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        return answer(self.groups.message(realm, self.groups.get(realm, group_id)))

    async def search_groups(self, request: web.Request) -> web.Response:
        realm, _none = await self._where(request)
        found = self.groups.search(realm, dict(request.query))
        offset, limit = number(dict(request.query), "offset", 0), number(dict(request.query), "limit", 20)
        return self._groups(realm, found[offset : offset + limit])

    async def update_group(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        with as_internal("updateGroup"):
            group = self.groups.update(realm, group_id, await body_of(request))
        return answer(self.groups.message(realm, group))

    async def delete_group(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        with as_internal("removeUserFromGroup"):  # the source's name for it
            self.groups.delete(realm, group_id)
        return web.Response(status=204)

    async def members(self, request: web.Request) -> web.Response:
        tenant = await self._tenant(request)
        realm, group_id = str(tenant["tenant_id"]), request.match_info["group_id"]
        with as_internal("getAllChildUsers"):
            self.groups.get(realm, group_id)
        found = [(await self.iam.user(realm, member["username"]), member["type"]) for member in self.groups.members(realm, group_id)]
        return answer({"profiles": [await self.users.profile(realm, tenant["client_id"], user, kind) for user, kind in found if user]})

    async def add_member(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        values = await body_of(request)
        username = text(values, "username")
        try:
            await self.groups.join(realm, group_id, username, text(values, "type"))
        except ApiError as error:
            raise ApiError(error.code, f"Error occurred while adding the user: {username} into the group: {group_id}") from error
        return answer({"status": True})

    async def change_member(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        with as_internal("changeUserMembershipType"):
            self.groups.change(realm, group_id, request.match_info["username"], text(await body_of(request), "type"))
        return answer({"status": True})

    async def remove_member(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        self.groups.leave(realm, group_id, request.match_info["username"])
        return web.Response(status=204)

    async def has_access(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        if "type" not in request.query:
            raise unexpected()
        member = self.groups.membership(realm, group_id, request.match_info["username"])
        return answer({"status": bool(member and member["type"] == request.query["type"])})

    async def children(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        with as_internal("getAllChildGroups"):
            return self._groups(realm, self.groups.children(realm, group_id))

    async def add_child(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        with as_internal("addChildGroupToParentGroup"):
            self.groups.link(realm, group_id, text(await body_of(request), "child_id"))
        return answer({"status": True})

    async def remove_child(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        self.groups.unlink(realm, group_id, request.match_info["child_id"])
        return web.Response(status=204)

    async def parents(self, request: web.Request) -> web.Response:
        realm, group_id = await self._where(request)
        return self._groups(realm, self.groups.parents(realm, group_id))

    async def groups_of_user(self, request: web.Request) -> web.Response:
        realm, _none = await self._where(request)
        return self._groups(realm, self.groups.of_user(realm, request.match_info["username"]))
