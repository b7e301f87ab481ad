"""Keycloak's admin REST: users with their roles, and groups."""

from __future__ import annotations

import asyncio
import uuid

from aiohttp import web

from custos_double import keys
from custos_double.clients import Clients
from custos_double.keycloak_rest import BASE, USER_FIELDS, AdminError, AdminRest, Endpoint, body_of, flag, object_of, page, user_shown
from custos_double.roles import Roles
from custos_double.store import Record

PROFILE = ("username", "email", "firstName", "lastName")


class PeopleAdmin(AdminRest):
    """Users, their roles, Keycloak's own groups, and what tokens say of the latter two."""

    def __init__(self, clients: Clients, roles: Roles) -> None:
        super().__init__(clients, roles)
        self.realms.more_claims = self.token_claims

    def table(self) -> list[tuple[str, str, str, Endpoint]]:
        user, group = "/users/{user}", "/groups/{group}"
        return [
            ("GET", "/users", "view-users", self.list_users),
            ("GET", "/users/count", "view-users", self.count_users),
            ("GET", "/users/profile", "view-realm", self.read_profile),
            ("PUT", "/users/profile", "manage-realm", self.update_profile),
            ("POST", "/users", "manage-users", self.create_user),
            ("GET", user, "view-users", self.read_user),
            ("PUT", user, "manage-users", self.update_user),
            ("DELETE", user, "manage-users", self.delete_user),
            ("PUT", f"{user}/reset-password", "manage-users", self.reset_password),
            ("POST", f"{user}/logout", "manage-users", self.log_out),
            ("GET", f"{user}/groups", "view-users", self.groups_of_user),
            ("PUT", f"{user}/groups/{{group}}", "manage-users", self.join),
            ("DELETE", f"{user}/groups/{{group}}", "manage-users", self.leave),
            ("GET", f"{user}/role-mappings", "view-users", self.mappings),
            ("GET", f"{user}/role-mappings/realm", "view-users", self.roles_of_user),
            ("POST", f"{user}/role-mappings/realm", "manage-users", self.map_roles),
            ("DELETE", f"{user}/role-mappings/realm", "manage-users", self.unmap_roles),
            ("GET", f"{user}/role-mappings/clients/{{client}}", "view-users", self.roles_of_user),
            ("POST", f"{user}/role-mappings/clients/{{client}}", "manage-users", self.map_roles),
            ("DELETE", f"{user}/role-mappings/clients/{{client}}", "manage-users", self.unmap_roles),
            ("GET", "/groups", "view-users", self.list_groups),
            ("POST", "/groups", "manage-users", self.create_group),
            ("GET", group, "view-users", self.read_group),
            ("PUT", group, "manage-users", self.update_group),
            ("DELETE", group, "manage-users", self.delete_group),
            ("GET", f"{group}/children", "view-users", self.list_groups),
            ("POST", f"{group}/children", "manage-users", self.create_group),
            ("GET", f"{group}/members", "view-users", self.members),
        ]

    def token_claims(self, realm: str, username: str, client_id: str, where: str) -> Record:
        """What a token says of roles, and of groups where the client has a mapper; ``where`` is access, id or userinfo."""
        user = self.realms.user(realm, username)
        if user is None:
            return {}
        claims: Record = {}
        if where == "access":
            claims["realm_access"] = {"roles": [*self.roles.of(realm, user), "offline_access", "uma_authorization"]}
            of_clients = {owner: {"roles": names} for owner, names in user.get("roles", {}).items() if owner and names}
            claims |= {"resource_access": of_clients} if of_clients else {}
        for mapper in (self.clients.find(realm, client_id) or {}).get("protocolMappers") or []:
            config = mapper.get("config") or {}
            if mapper.get("protocolMapper") == "oidc-group-membership-mapper" and config.get(f"{where}.token.claim", "true") == "true":
                full = config.get("full.path", "true") == "true"
                claims[str(config.get("claim.name", "groups"))] = [group["path"] if full else group["name"] for group in self._groups_of(realm, user)]
            if mapper.get("protocolMapper") == "oidc-audience-mapper" and where == "access":
                claims["aud"] = [*claims.get("aud", ["account"]), str(config.get("included.client.audience"))]
        return claims

    # Users

    def _named(self, request: web.Request, realm: str) -> Record:
        user = self.realms.by_id(realm, request.match_info["user"])
        if user is None:
            raise AdminError(404, error="User not found")
        return user

    def _search(self, request: web.Request, realm: str) -> list[Record]:
        fields = {
            own: request.query[name] for name, own in USER_FIELDS.items() if name in ("username", "email", "firstName", "lastName") and name in request.query
        }
        found = self.realms.search(realm, fields, request.query.get("search", "").strip("*"))
        if flag(request, "exact"):
            found = [user for user in found if all(str(user[own]).lower() == value.lower() for own, value in fields.items())]
        enabled = request.query.get("enabled", "")
        return [user for user in found if not enabled or user["enabled"] == flag(request, "enabled")]

    async def list_users(self, request: web.Request, realm: str) -> web.Response:
        return page(request, [user_shown(user, brief=True) for user in self._search(request, realm)])

    async def count_users(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response(len(self._search(request, realm)))

    # Keycloak keeps attributes that the realm's user profile does not name only where it is told to, and drops them without a word elsewhere.

    def _policy(self, realm: str) -> str:
        """Custos' realms come from a time before profiles: they keep everything."""
        default = "ENABLED" if self.clients.tenants.by_id(realm) else ""
        return str(self.realm(realm).get("unmanagedAttributePolicy", default))

    async def read_profile(self, _request: web.Request, realm: str) -> web.Response:
        named = [{"name": name, "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}} for name in PROFILE]
        policy = {"unmanagedAttributePolicy": self._policy(realm)} if self._policy(realm) else {}
        return web.json_response({"attributes": named, **policy})

    async def update_profile(self, request: web.Request, realm: str) -> web.Response:
        values = await object_of(request)
        self.store.put("realm", "", realm, {**self.realm(realm), "unmanagedAttributePolicy": str(values.get("unmanagedAttributePolicy") or "")})
        return await self.read_profile(request, realm)

    def _attributes(self, realm: str, values: Record) -> Record:
        return values.get("attributes") or {} if self._policy(realm) in ("ENABLED", "ADMIN_EDIT") else {}

    async def _password(self, values: Record) -> str:
        """The hash of the password among the credentials, or nothing."""
        given = [str(item.get("value", "")) for item in values.get("credentials") or [] if item.get("type") == "password"]
        return await asyncio.to_thread(keys.hash_password, given[0]) if given else ""

    async def create_user(self, request: web.Request, realm: str) -> web.Response:
        values = await object_of(request, "UserRepresentation")
        username = str(values.get("username") or "").lower()
        if not username:
            raise AdminError(400, errorMessage="User name is missing")
        password = await self._password(values)
        self._unique_email(realm, values, "")
        if self.realms.user(realm, username):
            raise AdminError(409, errorMessage="User exists with same username")
        empty = {"first_name": "", "last_name": "", "email": "", "email_verified": False}
        known = {own: values[name] for name, own in USER_FIELDS.items() if values.get(name) is not None}
        user = {**self.realms.new_user(username, {**empty, **known}, password, enabled=bool(values.get("enabled", False))), "username": username}
        user["attributes"] = self._attributes(realm, values)
        user["kcgroups"] = [group["id"] for path in values.get("groups") or [] for group in self._groups(realm) if group["path"] == path]
        self.realms.save_user(realm, user)
        return self.made(request, str(user["id"]))

    def _unique_email(self, realm: str, values: Record, own: str) -> None:
        email = str(values.get("email") or "").lower()
        shared = self.realm(realm).get("duplicateEmailsAllowed", self.clients.tenants.by_id(realm) is not None)
        if email and not shared and any(user["email"].lower() == email and user["id"] != own for user in self.realms.users(realm)):
            raise AdminError(409, errorMessage="User exists with same email")

    async def read_user(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response(user_shown(self._named(request, realm)))

    async def update_user(self, request: web.Request, realm: str) -> web.Response:
        """What the request names is replaced. With attributes in it the whole profile is: what it leaves out of name and e-mail is gone."""
        user, values = self._named(request, realm), await object_of(request, "UserRepresentation")
        self._unique_email(realm, values, user["id"])
        user |= {own: values[name] for name, own in USER_FIELDS.items() if values.get(name) is not None and name not in ("username", "attributes")}
        if values.get("attributes") is not None:
            user["attributes"] = self._attributes(realm, values)
            user |= {USER_FIELDS[name]: "" for name in PROFILE if name not in values and name != "username"}
        self.realms.save_user(realm, user)
        return web.Response(status=204)

    async def delete_user(self, request: web.Request, realm: str) -> web.Response:
        self.realms.delete_user(realm, self._named(request, realm)["username"])
        return web.Response(status=204)

    async def reset_password(self, request: web.Request, realm: str) -> web.Response:
        user, values = self._named(request, realm), await object_of(request)
        if not values.get("value"):
            raise AdminError(400, error="No password provided")
        user["password"] = await asyncio.to_thread(keys.hash_password, str(values["value"]))
        self.realms.save_user(realm, user)
        return web.Response(status=204)

    async def log_out(self, request: web.Request, realm: str) -> web.Response:
        username = self._named(request, realm)["username"]
        for session in self.store.list("session", realm, self.realms.clock()):
            if session["username"] == username:
                self.realms.end_session(realm, session["sid"])
        return web.Response(status=204)

    # Roles of users

    async def mappings(self, request: web.Request, realm: str) -> web.Response:
        user = self._named(request, realm)
        owners = [owner for owner, names in user.get("roles", {}).items() if owner and names]
        of_clients = {
            owner: {"id": (self.clients.find(realm, owner) or {}).get("id", ""), "client": owner, "mappings": self._roles_of(realm, user, owner)}
            for owner in owners
        }  # fmt: skip
        return web.json_response({"realmMappings": self._roles_of(realm, user, ""), **({"clientMappings": of_clients} if of_clients else {})})

    def _roles_of(self, realm: str, user: Record, owner: str) -> list[Record]:
        return [self.role(realm, self.named_role(realm, owner, name)) for name in self.roles.of(realm, user, owner)]

    async def roles_of_user(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response(self._roles_of(realm, self._named(request, realm), self.owner(request, realm)))

    async def _wanted(self, request: web.Request, realm: str) -> tuple[Record, str, list[str]]:
        user, owner, body = self._named(request, realm), self.owner(request, realm), await body_of(request)
        if not isinstance(body, list):
            raise AdminError(400, error="unable to read contents from stream")
        names = [str(item.get("name")) for item in body]
        for name in names:
            self.named_role(realm, owner, name)
        return user, owner, names

    async def map_roles(self, request: web.Request, realm: str) -> web.Response:
        user, owner, names = await self._wanted(request, realm)
        self.roles.give(realm, user, owner, names)
        return web.Response(status=204)

    async def unmap_roles(self, request: web.Request, realm: str) -> web.Response:
        user, owner, names = await self._wanted(request, realm)
        self.roles.revoke(realm, user, owner, names)
        return web.Response(status=204)

    # Groups: Keycloak's own, which have nothing to do with those of Custos

    def _groups(self, realm: str) -> list[Record]:
        """All groups, each with its path."""
        groups = {group["id"]: group for group in self.store.list("kcgroup", realm, self.realms.clock())}

        def path(group: Record) -> str:
            above = groups.get(str(group["parentId"]))
            return f"{path(above) if above else ''}/{group['name']}"

        return sorted(({**group, "path": path(group)} for group in groups.values()), key=lambda group: str(group["path"]))

    def _group(self, request: web.Request, realm: str) -> Record:
        for group in self._groups(realm):
            if group["id"] == request.match_info["group"]:
                return group
        raise AdminError(404, error="Could not find group by id")

    def _groups_of(self, realm: str, user: Record) -> list[Record]:
        return [group for group in self._groups(realm) if group["id"] in user.get("kcgroups", [])]

    def _shown(self, realm: str, group: Record) -> Record:
        children = sum(1 for other in self._groups(realm) if other["parentId"] == group["id"])
        above = {"parentId": group["parentId"]} if group["parentId"] else {}
        return {
            **{name: group[name] for name in ("id", "name", "path")},
            **above,
            "subGroupCount": children,
            "subGroups": [],
            "attributes": group["attributes"],
            "realmRoles": [],
            "clientRoles": {},
            "access": {"view": True, "viewMembers": True, "manageMembers": True, "manage": True, "manageMembership": True},
        }

    async def list_groups(self, request: web.Request, realm: str) -> web.Response:
        """The top groups, or the children of the one in the address; a search looks for part of the name."""
        parent = self._group(request, realm)["id"] if "group" in request.match_info else ""
        wanted = request.query.get("search", "")
        groups = [group for group in self._groups(realm) if group["parentId"] == parent]
        found = [group for group in groups if (group["name"] == wanted if flag(request, "exact") else wanted.lower() in group["name"].lower())]
        return page(request, [self._shown(realm, group) for group in (found if wanted else groups)])

    async def create_group(self, request: web.Request, realm: str) -> web.Response:
        values = await object_of(request, "GroupRepresentation")
        parent = self._group(request, realm)["id"] if "group" in request.match_info else ""
        name = str(values.get("name") or "")
        if not name:
            raise AdminError(400, errorMessage="Group name is missing")
        if any(group["name"] == name and group["parentId"] == parent for group in self._groups(realm)):
            where = f"Sibling group named '{name}' already exists." if parent else f"Top level group named '{name}' already exists."
            raise AdminError(409, errorMessage=where)
        group: Record = {"id": str(uuid.uuid4()), "name": name, "parentId": parent, "attributes": values.get("attributes") or {}}
        self.store.put("kcgroup", realm, group["id"], group)
        made = f"{request.scheme}://{request.host}{BASE}/{realm}/groups/{group['id']}"
        if parent:
            shown = self._shown(realm, next(other for other in self._groups(realm) if other["id"] == group["id"]))
            del shown["subGroupCount"]
            return web.json_response(shown, status=201, headers={"Location": made})
        return web.Response(status=201, headers={"Location": made})

    async def read_group(self, request: web.Request, realm: str) -> web.Response:
        return web.json_response(self._shown(realm, self._group(request, realm)))

    async def update_group(self, request: web.Request, realm: str) -> web.Response:
        group, values = self._group(request, realm), await object_of(request, "GroupRepresentation")
        group |= {name: values[name] for name in ("name", "attributes") if values.get(name) is not None}
        self.store.put("kcgroup", realm, group["id"], {name: group[name] for name in ("id", "name", "parentId", "attributes")})
        return web.Response(status=204)

    async def delete_group(self, request: web.Request, realm: str) -> web.Response:
        """With everything below it."""
        top = self._group(request, realm)["path"]
        gone = [group["id"] for group in self._groups(realm) if group["path"] == top or group["path"].startswith(f"{top}/")]
        with self.store.transaction():
            for key in gone:
                self.store.delete("kcgroup", realm, key)
            for user in self.realms.users(realm):
                if set(gone) & set(user.get("kcgroups", [])):
                    self.realms.save_user(realm, {**user, "kcgroups": [key for key in user["kcgroups"] if key not in gone]})
        return web.Response(status=204)

    async def members(self, request: web.Request, realm: str) -> web.Response:
        key = self._group(request, realm)["id"]
        return page(request, [user_shown(user, access=False) for user in self.realms.users(realm) if key in user.get("kcgroups", [])])

    async def groups_of_user(self, request: web.Request, realm: str) -> web.Response:
        names = ("id", "name", "path")
        return page(request, [{**{name: group[name] for name in names}, "subGroups": []} for group in self._groups_of(realm, self._named(request, realm))])

    async def join(self, request: web.Request, realm: str) -> web.Response:
        user, group = self._named(request, realm), self._group(request, realm)
        self.realms.save_user(realm, {**user, "kcgroups": list(dict.fromkeys([*user.get("kcgroups", []), group["id"]]))})
        return web.Response(status=204)

    async def leave(self, request: web.Request, realm: str) -> web.Response:
        user, group = self._named(request, realm), self._group(request, realm)
        self.realms.save_user(realm, {**user, "kcgroups": [key for key in user.get("kcgroups", []) if key != group["id"]]})
        return web.Response(status=204)
