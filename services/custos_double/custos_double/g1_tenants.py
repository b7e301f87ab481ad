"""Custos' tenant-management: its clients are called tenants."""

from __future__ import annotations

from aiohttp import web

from custos_double.errors import INVALID_ARGUMENT, NOT_FOUND, UNAUTHENTICATED, ApiError
from custos_double.g1 import Handler, Service, as_internal
from custos_double.params import flag, needed, nested, number, objects, read_params, text
from custos_double.store import Record
from custos_double.tenants import STATUSES, Caller, clean


class TenantService(Service):
    name = "tenant-management"

    def calls(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/oauth2/tenant", self.create_tenant),
            ("GET", "/oauth2/tenant", self.get_tenant),
            ("PUT", "/oauth2/tenant", self.update_tenant),
            ("DELETE", "/oauth2/tenant", self.delete_tenant),
            ("POST", "/status", self.update_status),
            ("GET", "/child/tenants", self.get_child_tenants),
            ("GET", "/tenants", self.get_all_tenants),
            ("POST", "/tenant/credentials/status", self.validate_credentials),
            ("POST", "/roles", self.add_tenant_roles),
            ("GET", "/roles", self.get_tenant_roles),
            ("DELETE", "/role", self.delete_role),
        ]

    async def create_tenant(self, request: web.Request) -> web.Response:
        method, header = "createTenant", request.headers.get("Authorization")
        parent = None
        if header:
            parent = self.tenants.client_of(header[6:].strip())
            if parent is None:
                raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, invalid client credentials")
            if parent["status"] != "ACTIVE":
                parent = None  # Custos does not refuse: it makes a tenant without a parent, which then waits for approval
        fields = clean(await read_params(request), method, creating=True)
        tenant = await self.tenants.create(fields, parent)
        return web.json_response(self.tenants.created_message(tenant, self.realms.settings.front_url))

    async def _managed(self, request: web.Request, method: str) -> tuple[Record, Record]:
        params = await read_params(request)
        caller = await self.user(request, method)
        return self.tenants.reach(caller, needed(params, "client_id", method), method), params

    async def get_tenant(self, request: web.Request) -> web.Response:
        tenant, _params = await self._managed(request, "getTenant")
        return web.json_response(self.tenants.message(tenant))

    async def update_tenant(self, request: web.Request) -> web.Response:
        tenant, params = await self._managed(request, "updateTenant")
        await self.tenants.update(tenant, clean(params, "updateTenant", creating=False))
        return web.json_response(self.tenants.message(tenant))

    async def delete_tenant(self, request: web.Request) -> web.Response:
        tenant, _params = await self._managed(request, "deleteTenant")
        await self.tenants.delete(tenant)
        return web.json_response({})

    async def _super(self, request: web.Request, method: str) -> Caller:
        caller = await self.user(request, method)
        if not self.tenants.is_super(caller.tenant):
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, only the super tenant may do this")
        return caller

    async def update_status(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        await self._super(request, "updateTenantStatus")
        tenant = self.tenants.by_client(needed(params, "client_id", "updateTenantStatus"))
        status = needed(params, "status", "updateTenantStatus")
        if status not in STATUSES:
            raise ApiError(INVALID_ARGUMENT, f"status: invalid value {status!r} for type TYPE_ENUM")
        if tenant is None:
            raise ApiError(NOT_FOUND, "Tenant not found")
        await self.tenants.set_status(tenant, status)
        return web.json_response({"tenant_id": str(tenant["tenant_id"]), "status": tenant["status"]})

    def _page(self, tenants: list[Record], params: Record) -> web.Response:
        offset, limit = number(params, "offset", 0), number(params, "limit", 20)
        for name, key in (("status", "status"), ("requester_email", "requester_email")):
            wanted = text(params, name)
            if wanted:
                tenants = [tenant for tenant in tenants if wanted == (tenant[key] if key == "status" else tenant["fields"][key])]
        page = tenants[offset : offset + limit]
        return web.json_response({"tenant": [self.tenants.message(tenant) for tenant in page], "total_num_of_tenants": len(tenants)})

    async def get_child_tenants(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        caller = await self.user(request, "getChildTenants")
        parent = self.tenants.reach(caller, text(params, "parent_client_id"), "getChildTenants")
        return self._page([tenant for tenant in self.tenants.all() if tenant["parent_id"] == parent["tenant_id"]], params)

    async def get_all_tenants(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        await self._super(request, "getAllTenants")
        admin_only = text(params, "type") == "ADMIN"
        found = [tenant for tenant in self.tenants.all() if not self.tenants.is_super(tenant) and not (admin_only and tenant["parent_id"])]
        return self._page(found, params)

    async def validate_credentials(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        await self._super(request, "validateCredentials")
        tenant = self.tenants.by_client(needed(params, "client_id", "validateCredentials"))
        good = tenant is not None and tenant["client_secret"] == text(params, "client_sec")
        return web.json_response({"status": good})

    async def _all_roles(self, tenant: Record, client_level: bool) -> web.Response:
        roles = await self.iam.roles(str(tenant["tenant_id"]), tenant["client_id"] if client_level else "")
        shown = [{name: role[name] for name in ("name", "description", "composite", "id")} for role in roles]
        return web.json_response({"roles": shown, "scope": "client_level" if client_level else "realm_level"})

    async def add_tenant_roles(self, request: web.Request) -> web.Response:
        await self.user(request, "addTenantRoles")
        tenant, params = await self.tenant(request, "addTenantRoles")
        client_level = flag(params, "client_level")
        with as_internal("addTenantRoles"):
            for role in objects(params, "roles"):
                owner = tenant["client_id"] if client_level else ""
                await self.iam.add_role(str(tenant["tenant_id"]), owner, needed(role, "name", "addTenantRoles"), text(role, "description"))
        return await self._all_roles(tenant, client_level)

    async def get_tenant_roles(self, request: web.Request) -> web.Response:
        await self.user(request, "getTenantRoles")
        tenant, params = await self.tenant(request, "getTenantRoles")
        return await self._all_roles(tenant, flag(params, "client_level"))

    async def delete_role(self, request: web.Request) -> web.Response:
        await self.user(request, "deleteRole")
        tenant, params = await self.tenant(request, "deleteRole")
        realm, owner = str(tenant["tenant_id"]), tenant["client_id"] if flag(params, "client_level") else ""
        with as_internal("deleteRole"):
            await self.iam.delete_role(realm, owner, text(nested(params, "role"), "name"))
        return web.json_response({"status": True})
