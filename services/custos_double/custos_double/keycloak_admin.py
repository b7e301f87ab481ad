"""Keycloak's admin REST: realms, clients and roles, as far as programs that set up a realm use them."""

from __future__ import annotations

import uuid

from aiohttp import web

from custos_double.keycloak_rest import BASE, AdminError, AdminRest, Endpoint, flag, object_of, page, user_shown
from custos_double.realms import MASTER
from custos_double.store import Record


class RealmAdmin(AdminRest):
    """Realms, their clients, their roles."""

    def routes(self) -> list[web.RouteDef]:
        return [web.get(BASE, self.answered(self.list_realms)), web.post(BASE, self.answered(self.create_realm)), *super().routes()]

    def table(self) -> list[tuple[str, str, str, Endpoint]]:
        client = "/clients/{client}"
        scopes: list[tuple[str, str, str, Endpoint]] = []
        for kind in ("default", "optional"):
            scopes += [
                ("GET", f"{client}/{kind}-client-scopes", "view-clients", self.scopes_of_client),
                ("PUT", f"{client}/{kind}-client-scopes/{{scope}}", "manage-clients", self.assign_scope),
                ("DELETE", f"{client}/{kind}-client-scopes/{{scope}}", "manage-clients", self.assign_scope),
            ]
        return [
            *scopes,
            ("GET", "/client-scopes", "view-clients", self.list_scopes),
            ("POST", "/client-scopes", "manage-clients", self.create_scope),
            ("DELETE", "/client-scopes/{scope}", "manage-clients", self.delete_scope),
            ("GET", "", "view-realm", self.read_realm),
            ("PUT", "", "manage-realm", self.update_realm),
            ("DELETE", "", "manage-realm", self.delete_realm),
            ("GET", "/clients", "view-clients", self.list_clients),
            ("POST", "/clients", "manage-clients", self.create_client),
            ("GET", client, "view-clients", self.read_client),
            ("PUT", client, "manage-clients", self.update_client),
            ("DELETE", client, "manage-clients", self.delete_client),
            ("GET", f"{client}/client-secret", "view-clients", self.read_secret),
            ("POST", f"{client}/client-secret", "manage-clients", self.rotate_secret),
            ("GET", f"{client}/service-account-user", "view-clients", self.service_account),
            ("GET", f"{client}/protocol-mappers/models", "view-clients", self.list_mappers),
            ("POST", f"{client}/protocol-mappers/models", "manage-clients", self.create_mapper),
            ("DELETE", f"{client}/protocol-mappers/models/{{mapper}}", "manage-clients", self.delete_mapper),
            ("GET", f"{client}/roles", "view-clients", self.list_roles),
            ("POST", f"{client}/roles", "manage-clients", self.create_role),
            ("GET", f"{client}/roles/{{role}}", "view-clients", self.read_role),
            ("DELETE", f"{client}/roles/{{role}}", "manage-clients", self.delete_role),
            ("GET", "/roles", "view-realm", self.list_roles),
            ("POST", "/roles", "manage-realm", self.create_role),
            ("GET", "/roles/{role}", "view-realm", self.read_role),
            ("DELETE", "/roles/{role}", "manage-realm", self.delete_role),
        ]

    # Realms

    def _super(self, request: web.Request) -> None:
        home, held = self.caller(request)
        if home != MASTER or "realm-admin" not in held:
            raise AdminError(403, error="HTTP 403 Forbidden")

    async def list_realms(self, request: web.Request) -> web.Response:
        self._super(request)
        tenants = [str(tenant["tenant_id"]) for tenant in self.clients.tenants.all() if tenant["status"] == "ACTIVE"]
        made = [realm["realm"] for realm in self.store.list("realm", "", self.realms.clock())]
        return web.json_response([self.realm(name) for name in dict.fromkeys([*made, *tenants])])

    async def create_realm(self, request: web.Request) -> web.Response:
        self._super(request)
        values = await object_of(request)
        name = str(values.get("realm") or "")
        if not name or "/" in name:
            raise AdminError(400, errorMessage="Realm name cannot be empty")
        if self.clients.exists(name):
            raise AdminError(409, errorMessage=f"Realm {name} already exists")
        self.store.put("realm", "", name, {**values, "id": values.get("id") or str(uuid.uuid4()), "realm": name})
        return self.made(request, name)

    async def read_realm(self, _request: web.Request, realm: str) -> web.Response:
        return web.json_response(self.realm(realm))

    async def update_realm(self, request: web.Request, realm: str) -> web.Response:
        self.store.put("realm", "", realm, {**self.realm(realm), **await object_of(request), "realm": realm})
        return web.Response(status=204)

    async def delete_realm(self, _request: web.Request, realm: str) -> web.Response:
        if self.clients.tenants.by_id(realm) or realm == MASTER:
            raise AdminError(400, errorMessage="this realm belongs to Custos or to Keycloak itself")
        with self.store.transaction():
            self.realms.drop(realm)
            self.store.delete("realm", "", realm)
        return web.Response(status=204)

    # Clients

    async def list_clients(self, request: web.Request, realm: str) -> web.Response:
        wanted, part = request.query.get("clientId", ""), flag(request, "search")
        found = [client for client in self.clients.all(realm) if not wanted or client["clientId"] == wanted or (part and wanted in client["clientId"])]
        return page(request, [self.clients.read(client) for client in found])

    async def create_client(self, request: web.Request, realm: str) -> web.Response:
        return self.made(request, str(self.clients.create(realm, await object_of(request, "ClientRepresentation"))["id"]))

    async def read_client(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response(self.clients.read(self.clients.get(realm, request.match_info["client"])))

    async def update_client(self, request: web.Request, realm: str) -> web.Response:
        self.clients.update(realm, request.match_info["client"], await object_of(request, "ClientRepresentation"))
        return web.Response(status=204)

    async def delete_client(self, request: web.Request, realm: str) -> web.Response:
        self.clients.delete(realm, request.match_info["client"])
        return web.Response(status=204)

    async def read_secret(self, request: web.Request, realm: str) -> web.Response:
        client = self.clients.get(realm, request.match_info["client"])
        return web.json_response({"type": "secret", **({"value": client["secret"]} if client.get("secret") else {})})

    async def rotate_secret(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response({"type": "secret", "value": self.clients.rotate(realm, request.match_info["client"])})

    def _mappers(self, request: web.Request, realm: str) -> tuple[str, list[Record]]:
        """(id of the client, its mappers)"""
        client = self.clients.get(realm, request.match_info["client"])
        return str(client["id"]), list(client.get("protocolMappers") or [])

    async def list_mappers(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response(self._mappers(request, realm)[1])

    async def create_mapper(self, request: web.Request, realm: str) -> web.Response:
        (key, mappers), values = self._mappers(request, realm), await object_of(request)
        if any(mapper["name"] == values.get("name") for mapper in mappers):
            raise AdminError(409, errorMessage="Protocol mapper exists with same name")
        mapper = {"consentRequired": False, **values, "id": str(uuid.uuid4())}
        self.clients.update(realm, key, {"protocolMappers": [*mappers, mapper]})
        return self.made(request, mapper["id"])

    async def delete_mapper(self, request: web.Request, realm: str) -> web.Response:
        key, mappers = self._mappers(request, realm)
        left = [mapper for mapper in mappers if mapper["id"] != request.match_info["mapper"]]
        if len(left) == len(mappers):
            raise AdminError(404, error="Model not found")
        self.clients.update(realm, key, {"protocolMappers": left})
        return web.Response(status=204)

    # Client scopes

    async def list_scopes(self, _request: web.Request, realm: str) -> web.Response:
        return web.json_response(self.clients.scopes(realm))

    async def create_scope(self, request: web.Request, realm: str) -> web.Response:
        values = await object_of(request)
        name = str(values.get("name") or "")
        if any(scope["name"] == name for scope in self.clients.scopes(realm)):
            raise AdminError(409, errorMessage=f"Client Scope {name} already exists")
        scope: Record = {"attributes": {}, **values, "id": str(uuid.uuid4()), "name": name}
        self.store.put("kcscope", realm, scope["id"], scope)
        return self.made(request, scope["id"])

    async def delete_scope(self, request: web.Request, realm: str) -> web.Response:
        self.store.delete("kcscope", realm, self.clients.scope(realm, request.match_info["scope"])["id"])
        return web.Response(status=204)

    @staticmethod
    def _kind(request: web.Request) -> str:
        return "defaultClientScopes" if "/default-client-scopes" in request.path else "optionalClientScopes"

    async def scopes_of_client(self, request: web.Request, realm: str) -> web.Response:
        names = self.clients.get(realm, request.match_info["client"])[self._kind(request)]
        return web.json_response([{"id": scope["id"], "name": scope["name"]} for scope in self.clients.scopes(realm) if scope["name"] in names])

    async def assign_scope(self, request: web.Request, realm: str) -> web.Response:
        scope = self.clients.scope(realm, request.match_info["scope"])
        self.clients.assign(realm, request.match_info["client"], self._kind(request), scope["name"], given=request.method == "PUT")
        return web.Response(status=204)

    async def service_account(self, request: web.Request, realm: str) -> web.Response:
        client = self.clients.get(realm, request.match_info["client"])
        if not client["serviceAccountsEnabled"]:
            raise AdminError(400, error=f"Service account not enabled for the client '{client['clientId']}'")
        return web.json_response(user_shown(self.realms.service_user(realm, client["clientId"]), access=False))

    # Roles

    async def list_roles(self, request: web.Request, realm: str) -> web.Response:
        return page(request, [self.role(realm, role) for role in self.all_roles(realm, self.owner(request, realm))])

    async def create_role(self, request: web.Request, realm: str) -> web.Response:
        values = await object_of(request, "RoleRepresentation")
        role = self.roles.add(realm, self.owner(request, realm), str(values.get("name") or ""), str(values.get("description") or ""))
        return self.made(request, str(role["name"]))

    async def read_role(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response(self.role(realm, self.named_role(realm, self.owner(request, realm), request.match_info["role"])))

    async def delete_role(self, request: web.Request, realm: str) -> web.Response:
        self.roles.delete(realm, self.owner(request, realm), request.match_info["role"])
        return web.Response(status=204)
