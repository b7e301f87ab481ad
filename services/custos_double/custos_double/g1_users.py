"""Custos' user-management: accounts of a tenant's realm."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web

from custos_double.errors import INTERNAL, NOT_FOUND, UNAUTHENTICATED, ApiError
from custos_double.g1 import Handler, Service, as_internal
from custos_double.params import flag, needed, nested, number, objects, read_params, text, texts
from custos_double.store import Record


class UserService(Service):
    name = "user-management"
    subject = ""  # the object in which calls that change one user name him

    def calls(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/user", self.register_user),
            ("GET", "/user", self.get_user),
            ("DELETE", "/user", self.delete_user),
            ("POST", "/user/activation", self.enable_user),
            ("POST", "/user/deactivation", self.disable_user),
            ("GET", "/user/activation/status", self.is_user_enabled),
            ("GET", "/user/availability", self.is_username_available),
            ("PUT", "/user/password", self.reset_password),
            ("POST", "/user/admin", self.grant_admin_privileges),
            ("DELETE", "/user/admin", self.remove_admin_privileges),
            ("DELETE", "/user/roles", self.delete_user_roles),
            ("GET", "/user/profile", self.get_user_profile),
            ("PUT", "/user/profile", self.update_user_profile),
            ("POST", "/users", self.register_and_enable_users),
            ("GET", "/users", self.find_users),
            ("POST", "/users/roles", self.add_roles_to_users),
            ("GET", "/users/profile", self.get_all_user_profiles),
            ("POST", "/attributes", self.add_user_attributes),
            ("DELETE", "/attributes", self.delete_user_attributes),
        ]

    async def message(self, realm: str, client_id: str, user: Record) -> dict[str, Any]:
        """Custos' UserRepresentation. It never fills in the id, and knows three states: Keycloak has only enabled, not enabled and e-mail verified."""
        roles = await self.iam.roles_of(realm, user) if user["username"] else {"": []}
        return {
            "id": "",
            "username": user["username"],
            "first_name": user["first_name"],
            "last_name": user["last_name"],
            "password": "",
            "email": user["email"],
            "temporary_password": False,
            "realm_roles": roles[""],
            "client_roles": roles.get(client_id, []),
            "attributes": [{"key": key, "values": values} for key, values in sorted(user.get("attributes", {}).items())],
            "state": "ACTIVE" if user["enabled"] else "PENDING_CONFIRMATION",
            "creation_time": float(user["created"]),
            "last_login_at": 0.0,
        }

    @staticmethod
    def _echo(person: Record) -> dict[str, Any]:
        """What was asked for, with all defaults printed. Custos sends the password back, too."""
        return {
            "id": "",
            **{name: text(person, name) for name in ("username", "first_name", "last_name", "password", "email")},
            "temporary_password": flag(person, "temporary_password"),
            **{name: texts(person, name) for name in ("realm_roles", "client_roles")},
            "attributes": objects(person, "attributes"),
            "state": "",
            "creation_time": 0.0,
            "last_login_at": 0.0,
        }

    async def profile(self, realm: str, client_id: str, user: Record, membership_type: str = "") -> dict[str, Any]:
        """Custos' UserProfile, which it keeps beside Keycloak's account. Here both are the same record."""
        shown = await self.message(realm, client_id, user)
        return {
            **{name: shown[name] for name in ("username", "email", "first_name", "last_name", "client_roles", "realm_roles")},
            "created_at": str(user["created"]),
            "status": "ACTIVE" if user["enabled"] else "PENDING_CONFIRMATION",
            "attributes": [{"id": "0", **attribute} for attribute in shown["attributes"]],
            "last_modified_at": str(user["created"]),
            "type": "END_USER",
            "membership_type": membership_type,
        }

    # One user

    async def register_user(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        caller = await self.client(request, "registerUser")
        for name in ("username", "first_name", "last_name", "password", "email"):
            needed(params, name, "registerUser")
        try:
            await self.iam.add_user(str(caller.tenant["tenant_id"]), params, {}, enabled=False)
        except ApiError as error:
            reason = f"Error occurred during registerUser: Reason for user account creation failure : {HTTPStatus(error.status).phrase}"
            raise ApiError(INTERNAL, f"Error occurred while registering users,  UNAUTHENTICATED: {reason}") from error
        return web.json_response({"is_registered": True})

    async def _found(self, request: web.Request, method: str, place: str = "") -> tuple[Record, str, Record | None, Record]:
        """(tenant, realm, user or None, params); ``place`` names the object that holds ``username``."""
        tenant, params = await self.tenant(request, method)
        username = needed(nested(params, place) if place else params, "username", method)
        realm = str(tenant["tenant_id"])
        return tenant, realm, await self.iam.user(realm, username), params

    async def _valid(self, request: web.Request, method: str, place: str = "") -> tuple[Record, str, Record, Record]:
        tenant, realm, user, params = await self._found(request, method, place)
        if user is None:
            raise ApiError(INTERNAL, f"Error occurred at {method} INTERNAL: User not valid ")
        return tenant, realm, user, params

    async def get_user(self, request: web.Request) -> web.Response:
        tenant, realm, user, params = await self._found(request, "getUser", "user")
        if user is None:
            name = text(nested(params, "user"), "username")
            raise ApiError(NOT_FOUND, f"Error occurred while fetching user, NOT_FOUND: User {name}not found at {realm}")
        return web.json_response(await self.message(realm, tenant["client_id"], user))

    async def _enable(self, request: web.Request, method: str, enabled: bool) -> web.Response:
        tenant, realm, user, _params = await self._valid(request, method, self.subject)
        user = await self.iam.change_user(realm, user, {"enabled": enabled})
        return web.json_response(await self.message(realm, tenant["client_id"], user))

    async def enable_user(self, request: web.Request) -> web.Response:
        return await self._enable(request, "enableUser", True)

    async def disable_user(self, request: web.Request) -> web.Response:
        return await self._enable(request, "disableUser", False)

    async def is_user_enabled(self, request: web.Request) -> web.Response:
        _tenant, _realm, user, _params = await self._found(request, "isUserEnabled", "user")
        return web.json_response({"status": bool(user and user["enabled"])})

    async def is_username_available(self, request: web.Request) -> web.Response:
        _tenant, _realm, user, _params = await self._found(request, "isUsernameAvailable", "user")
        return web.json_response({"status": user is None})

    async def reset_password(self, request: web.Request) -> web.Response:
        _tenant, realm, user, params = await self._valid(request, "resetPassword")
        await self.iam.set_password(realm, user, needed(params, "password", "resetPassword"))
        return web.json_response({"status": True})

    async def delete_user(self, request: web.Request) -> web.Response:
        await self.user(request, "deleteUser")
        _tenant, realm, user, _params = await self._valid(request, "deleteUser", self.subject)
        await self.iam.delete_user(realm, user)
        return web.json_response({"status": True})

    async def _set_admin(self, request: web.Request, method: str, admin: bool) -> web.Response:
        await self.user(request, method)
        _tenant, realm, user, _params = await self._valid(request, method, self.subject)
        await (self.iam.grant if admin else self.iam.revoke)(realm, user, "", ["admin"])
        return web.json_response({"status": True})

    async def grant_admin_privileges(self, request: web.Request) -> web.Response:
        return await self._set_admin(request, "grantAdminPrivileges", True)

    async def remove_admin_privileges(self, request: web.Request) -> web.Response:
        return await self._set_admin(request, "removeAdminPrivileges", False)

    # Profiles

    async def get_user_profile(self, request: web.Request) -> web.Response:
        tenant, realm, user, _params = await self._found(request, "getUserProfile", "user_profile")
        if user is None:  # Custos does not refuse: it answers an empty profile
            user = {"username": "", "first_name": "", "last_name": "", "email": "", "enabled": True, "created": 0}
        return web.json_response(await self.profile(realm, tenant["client_id"], user))

    async def update_user_profile(self, request: web.Request) -> web.Response:
        tenant, realm, user, params = await self._valid(request, "updateUserProfile", "user_profile" if self.subject else "")
        values = nested(params, "user_profile") or params
        user = await self.iam.change_user(realm, user, {name: text(values, name) for name in ("first_name", "last_name", "email")})
        return web.json_response(await self.profile(realm, tenant["client_id"], user))

    async def get_all_user_profiles(self, request: web.Request) -> web.Response:
        tenant, _params = await self.tenant(request, "getAllUserProfilesInTenant")
        realm = str(tenant["tenant_id"])
        return web.json_response({"profiles": [await self.profile(realm, tenant["client_id"], user) for user in await self.iam.users(realm, {})]})

    # Many users

    async def register_and_enable_users(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        method = "registerAndEnableUsers"
        tenant = self.tenants.reach(await self.user(request, method), text(params, "client_id"), method)
        realm, client_id, failed = str(tenant["tenant_id"]), tenant["client_id"], []
        for person in objects(params, "users"):
            for name in ("username", "password", "email"):
                needed(person, name, method)
            attributes = {text(item, "key"): texts(item, "values") for item in objects(person, "attributes")}
            try:
                user = await self.iam.add_user(realm, person, attributes, enabled=True)
                await self.iam.grant(realm, user, "", texts(person, "realm_roles"))
                await self.iam.grant(realm, user, client_id, texts(person, "client_roles"))
            except ApiError:  # Custos goes on, and leaves the account as far as it came
                failed.append(self._echo(person))
        return web.json_response({"all_useres_registered": not failed, "failed_users": failed})

    async def find_users(self, request: web.Request) -> web.Response:
        tenant, params = await self.tenant(request, "findUsers")
        realm, wanted = str(tenant["tenant_id"]), nested(params, "user")
        anywhere = text(wanted, "id")  # Custos' way to hand on Keycloak's search in all fields
        fields = {} if anywhere else {name: text(wanted, name) for name in ("username", "first_name", "last_name", "email")}
        users = await self.iam.users(realm, fields, anywhere, number(params, "offset", 0), number(params, "limit", 20))
        return web.json_response({"users": [await self.message(realm, tenant["client_id"], user) for user in users]})

    async def _managed(self, request: web.Request, method: str) -> tuple[Record, str, Record]:
        """(tenant, realm, params) of a call that a client token may make only when it names the client, too."""
        params = await read_params(request)
        caller = await self.caller(request, method)
        if not caller.username and not text(params, "client_id"):
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, Request is not authorized")
        tenant = self.tenants.reach(caller, text(params, "client_id"), method)
        return tenant, str(tenant["tenant_id"]), params

    async def _users(self, realm: str, names: list[str], method: str) -> list[Record]:
        """The users that exist; after the others have been passed over, Custos stumbles when it reads one back."""
        users = [await self.iam.user(realm, name) for name in names]
        if None in users:
            raise ApiError(INTERNAL, f"Error occurred at {method} NOT_FOUND: User not found at {realm}")
        return [user for user in users if user]

    async def add_roles_to_users(self, request: web.Request) -> web.Response:
        tenant, realm, params = await self._managed(request, "addRolesToUsers")
        owner = tenant["client_id"] if flag(params, "client_level") else ""
        with as_internal("addRolesToUsers"):
            for user in await self._users(realm, texts(params, "usernames"), "addRolesToUsers"):
                await self.iam.grant(realm, user, owner, texts(params, "roles"))
        return web.json_response({"status": True})

    async def delete_user_roles(self, request: web.Request) -> web.Response:
        tenant, realm, params = await self._managed(request, "deleteUserRoles")
        with as_internal("deleteUserRoles"):
            (user,) = await self._users(realm, [needed(params, "username", "deleteUserRoles")], "deleteUserRoles")
            for owner, names in (("", texts(params, "roles")), (tenant["client_id"], texts(params, "client_roles"))):
                await self.iam.revoke(realm, user, owner, names)
        return web.json_response({"status": True})

    async def _attributes(self, request: web.Request, method: str) -> tuple[str, list[Record], dict[str, list[str]]]:
        _tenant, realm, params = await self._managed(request, method)
        attributes = {needed(item, "key", method): texts(item, "values") for item in objects(params, "attributes")}
        return realm, await self._users(realm, texts(params, "users"), method), attributes

    async def add_user_attributes(self, request: web.Request) -> web.Response:
        """An attribute's values are replaced, other attributes stay."""
        realm, users, attributes = await self._attributes(request, "addUserAttributes")
        for user in users:
            both = {**user.get("attributes", {}), **attributes}
            await self.iam.change_user(realm, user, {"attributes": {key: values for key, values in both.items() if values}})
        return web.json_response({"status": True})

    async def delete_user_attributes(self, request: web.Request) -> web.Response:
        """Only the values that are named go; an attribute without a value left is none."""
        realm, users, attributes = await self._attributes(request, "deleteUserAttributes")
        for user in users:
            left = {key: [value for value in values if value not in attributes.get(key, [])] for key, values in user.get("attributes", {}).items()}
            await self.iam.change_user(realm, user, {"attributes": {key: values for key, values in left.items() if values}})
        return web.json_response({"status": True})
