"""Custos' own endpoints under /apiserver, as Envoy transcodes them: query or JSON in, snake_case JSON out, never a form."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from custos_double import keys
from custos_double.errors import INTERNAL, INVALID_ARGUMENT, NOT_FOUND, UNAUTHENTICATED, ApiError, OAuthError
from custos_double.groups import Groups
from custos_double.realms import Realms
from custos_double.store import Record
from custos_double.tenants import STATUSES, Caller, Tenants, clean

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PREFIX = "/apiserver"


async def read_params(request: web.Request) -> Record:
    """One dictionary of a request's query (dots nest, repetition makes arrays) and JSON body (which wins).

    An array as the body comes back under the key ``users``. Raises ApiError for any other body: Envoy reads JSON only.
    """
    params: Record = {}
    for name in dict.fromkeys(request.query):
        values = request.query.getall(name)
        *path, last = name.split(".")
        place = params
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise ApiError(INVALID_ARGUMENT, f"Could not find field {name} in the type")
        place[last] = values if len(values) > 1 else values[0]
    raw = await request.read()
    if not raw.strip():
        return params
    try:
        body = json.loads(raw)
    except ValueError as error:
        start = raw[:20].decode(errors="replace")
        raise ApiError(INVALID_ARGUMENT, f"Unexpected token.\n{start}\n^ (bodies are JSON; {request.content_type} is not read here)") from error
    if isinstance(body, list):
        return {**params, "users": body}
    if not isinstance(body, dict):
        raise ApiError(INVALID_ARGUMENT, "The body must be a JSON object")
    return {**params, **body}


def _text(params: Record, name: str) -> str:
    value = params.get(name)
    if isinstance(value, list | dict):
        raise ApiError(INVALID_ARGUMENT, f"{name}: a single value is expected")
    return "" if value is None else str(value)


def _number(params: Record, name: str, default: int) -> int:
    text = _text(params, name) or str(default)
    if not text.isdigit():
        raise ApiError(INVALID_ARGUMENT, f"{name}: invalid value {text!r} for type TYPE_INT32")
    return int(text)


def _needed(params: Record, name: str, method: str) -> str:
    value = _text(params, name)
    if not value:
        raise ApiError(INVALID_ARGUMENT, f"Error while validating method {method}, {name} should not be null")
    return value


def _nested(params: Record, name: str) -> Record:
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise ApiError(INVALID_ARGUMENT, f"{name}: an object is expected")
    return value


class Api:
    """The handlers; each is named after the method of Custos' protocol buffers that it stands for."""

    def __init__(self, tenants: Tenants, realms: Realms, groups: Groups, discovery: Callable[[web.Request, str], Record]) -> None:
        self.tenants = tenants
        self.realms = realms
        self.groups = groups
        self.discovery = discovery

    def routes(self) -> list[web.RouteDef]:
        table: dict[str, list[tuple[str, str, Handler]]] = {
            "tenant-management": [
                ("POST", "/oauth2/tenant", self.create_tenant),
                ("GET", "/oauth2/tenant", self.get_tenant),
                ("PUT", "/oauth2/tenant", self.update_tenant),
                ("DELETE", "/oauth2/tenant", self.delete_tenant),
                ("POST", "/status", self.update_status),
                ("GET", "/child/tenants", self.get_child_tenants),
                ("GET", "/tenants", self.get_all_tenants),
                ("POST", "/tenant/credentials/status", self.validate_credentials),
            ],
            "identity-management": [
                ("GET", "/credentials", self.get_credentials),
                ("POST", "/token", self.token),
                ("GET", "/user", self.get_token_user),
                ("POST", "/user/logout", self.end_user_session),
                ("POST", "/authenticate", self.authenticate),
                ("POST", "/authenticate/status", self.is_authenticated),
                ("GET", "/account/token", self.service_account_token),
                ("GET", "/authorize", self.authorize),
                ("GET", "/.well-known/openid-configuration", self.openid_configuration),
            ],
            "user-management": [
                ("POST", "/user", self.register_user),
                ("GET", "/user", self.get_user),
                ("DELETE", "/user", self.delete_user),
                ("POST", "/user/activation", self.enable_user),
                ("POST", "/user/deactivation", self.disable_user),
                ("GET", "/user/activation/status", self.is_user_enabled),
                ("GET", "/user/availability", self.is_username_available),
                ("PUT", "/user/password", self.reset_password),
                ("POST", "/users", self.register_and_enable_users),
                ("GET", "/users", self.find_users),
            ],
            "group-management": [
                ("POST", "/group", self.create_group),
                ("GET", "/group", self.find_group),
                ("PUT", "/group/{id}", self.update_group),
                ("DELETE", "/group/{id}", self.delete_group),
                ("GET", "/groups", self.all_groups),
                ("POST", "/user/group/membership", self.add_user_to_group),
                ("PUT", "/user/group/membership", self.add_user_to_group),
                ("DELETE", "/user/group/membership", self.remove_user_from_group),
                ("GET", "/user/group/memberships", self.groups_of_user),
                ("GET", "/user/group/access", self.has_access),
            ],
        }
        return [
            web.route(verb, f"{PREFIX}/{service}/v1.0.0{path}", handler)
            for service, calls in table.items()
            for verb, path, handler in calls
        ]  # fmt: skip

    def _caller(self, request: web.Request, method: str) -> Caller:
        return self.tenants.caller(request.headers.get("Authorization"), method)

    def _client(self, request: web.Request, method: str) -> Caller:
        """The caller, who must show a client token."""
        caller = self._caller(request, method)
        if caller.username:
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, a client token is needed")
        return caller

    def _user(self, request: web.Request, method: str) -> Caller:
        """The caller, who must show an administrator's access token."""
        caller = self._caller(request, method)
        if not caller.username or not caller.admin:
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, an administrator's user token is needed")
        return caller

    # tenant-management

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

    async def _tenant(self, request: web.Request, method: str) -> tuple[Record, Record]:
        params = await read_params(request)
        caller = self._user(request, method)
        return self.tenants.reach(caller, _needed(params, "client_id", method), method), params

    async def get_tenant(self, request: web.Request) -> web.Response:
        tenant, _params = await self._tenant(request, "getTenant")
        return web.json_response(self.tenants.message(tenant))

    async def update_tenant(self, request: web.Request) -> web.Response:
        tenant, params = await self._tenant(request, "updateTenant")
        self.tenants.update(tenant, clean(params, "updateTenant", creating=False))
        return web.json_response(self.tenants.message(tenant))

    async def delete_tenant(self, request: web.Request) -> web.Response:
        tenant, _params = await self._tenant(request, "deleteTenant")
        self.tenants.delete(tenant)
        return web.json_response({})

    def _super(self, request: web.Request, method: str) -> Caller:
        caller = self._user(request, method)
        if not self.tenants.is_super(caller.tenant):
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, only the super tenant may do this")
        return caller

    async def update_status(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        self._super(request, "updateTenantStatus")
        tenant = self.tenants.by_client(_needed(params, "client_id", "updateTenantStatus"))
        status = _needed(params, "status", "updateTenantStatus")
        if status not in STATUSES:
            raise ApiError(INVALID_ARGUMENT, f"status: invalid value {status!r} for type TYPE_ENUM")
        if tenant is None:
            raise ApiError(NOT_FOUND, "Tenant not found")
        self.tenants.set_status(tenant, status)
        return web.json_response({"tenant_id": str(tenant["tenant_id"]), "status": tenant["status"]})

    def _page(self, tenants: list[Record], params: Record) -> web.Response:
        offset, limit = _number(params, "offset", 0), _number(params, "limit", 20)
        for name, key in (("status", "status"), ("requester_email", "requester_email")):
            wanted = _text(params, name)
            if wanted:
                tenants = [tenant for tenant in tenants if wanted == (tenant[key] if key == "status" else tenant["fields"][key])]
        page = tenants[offset : offset + limit]
        return web.json_response({"tenant": [self.tenants.message(tenant) for tenant in page], "total_num_of_tenants": len(tenants)})

    async def get_child_tenants(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        caller = self._user(request, "getChildTenants")
        parent = self.tenants.reach(caller, _text(params, "parent_client_id"), "getChildTenants")
        return self._page([tenant for tenant in self.tenants.all() if tenant["parent_id"] == parent["tenant_id"]], params)

    async def get_all_tenants(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        self._super(request, "getAllTenants")
        admin_only = _text(params, "type") == "ADMIN"
        found = [tenant for tenant in self.tenants.all() if not self.tenants.is_super(tenant) and not (admin_only and tenant["parent_id"])]
        return self._page(found, params)

    async def validate_credentials(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        self._super(request, "validateCredentials")
        tenant = self.tenants.by_client(_needed(params, "client_id", "validateCredentials"))
        good = tenant is not None and tenant["client_secret"] == _text(params, "client_sec")
        return web.json_response({"status": good})

    # identity-management

    async def get_credentials(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        method = "getCredentials"
        tenant = self.tenants.reach(self._caller(request, method), _text(params, "client_id"), method)
        if tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, tenant is not active")
        return web.json_response(self.tenants.credentials_message(tenant))

    async def token(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self._client(request, "token").tenant
        realm, client_id, scope = str(tenant["tenant_id"]), tenant["client_id"], _text(params, "scope") or "openid"
        grant = _text(params, "grant_type")
        try:
            if grant == "password":
                answer = await self.realms.password_grant(realm, client_id, _text(params, "username"), _text(params, "password"), scope)
            elif grant == "refresh_token":
                answer = self.realms.refresh(realm, client_id, _text(params, "refresh_token"))
            elif grant == "client_credentials":
                answer = self.realms.client_credentials(realm, client_id, scope)
            else:  # anything else is taken for a code; there is no field for a PKCE verifier
                answer = self.realms.redeem_code(realm, client_id, _text(params, "code"), _text(params, "redirect_uri"), None)
        except OAuthError as error:
            raise ApiError(INTERNAL, f"{error.error} {error.description}") from error
        return web.json_response(answer)

    def _token_user(self, realm: str, access_token: str, method: str) -> Record:
        verified = self.realms.verify_access(access_token, realm)
        if verified is None:
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, invalid access token")
        return verified[1]

    async def get_token_user(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self._client(request, "getUser").tenant
        claims = self._token_user(str(tenant["tenant_id"]), _needed(params, "access_token", "getUser"), "getUser")
        return web.json_response(
            {
                "sub": claims["sub"],
                "full_name": claims.get("name", ""),
                "first_name": claims.get("given_name", ""),
                "last_name": claims.get("family_name", ""),
                "email_address": claims.get("email", ""),
                "username": claims["preferred_username"],
                "client_id": tenant["client_id"],
            }
        )

    async def end_user_session(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self._client(request, "endUserSession").tenant
        realm = str(tenant["tenant_id"])
        session = self.realms.session_of_refresh(realm, tenant["client_id"], _needed(params, "refresh_token", "endUserSession"))
        return web.json_response({"status": bool(session and self.realms.end_session(realm, session["sid"]))})

    async def authenticate(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self._client(request, "authenticate").tenant
        realm = str(tenant["tenant_id"])
        try:
            answer = await self.realms.password_grant(realm, tenant["client_id"], _text(params, "username"), _text(params, "password"), "openid")
        except OAuthError as error:
            raise ApiError(INTERNAL, f"{error.error} {error.description}") from error
        user = self.realms.session(realm, answer["session_state"])
        claims = [{"key": "username", "value": user["username"] if user else ""}, {"key": "tenantId", "value": realm}]
        return web.json_response({"access_token": answer["access_token"], "claims": claims})

    async def is_authenticated(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self._client(request, "isAuthenticated").tenant
        verified = self.realms.verify_access(_text(params, "access_token"), str(tenant["tenant_id"]))
        return web.json_response({"authenticated": verified is not None})

    async def service_account_token(self, request: web.Request) -> web.Response:
        tenant = self._client(request, "getUserManagementServiceAccountAccessToken").tenant
        return web.json_response(self.realms.client_credentials(str(tenant["tenant_id"]), tenant["client_id"], "openid"))

    async def authorize(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.tenants.by_client(_needed(params, "client_id", "authorize"))
        if tenant is None or tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, "Error while authorizing method authorize, unknown client")
        redirect_uri = _needed(params, "redirect_uri", "authorize")
        if redirect_uri not in tenant["fields"]["redirect_uris"]:
            raise ApiError(INVALID_ARGUMENT, "Wrong redirect_uri")
        target = request.url.with_path(f"/auth/realms/{tenant['tenant_id']}/protocol/openid-connect/auth").with_query(request.query)
        front = self.realms.settings.front_url
        return web.json_response({"loginURI": f"{front}{target.update_query(kc_idp_hint='oidc').raw_path_qs}"})

    async def openid_configuration(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.tenants.by_client(_needed(params, "client_id", "getOIDCConfiguration"))
        if tenant is None or tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, "Error while authorizing method getOIDCConfiguration, unknown client")
        document = self.discovery(request, str(tenant["tenant_id"]))
        base = document["token_endpoint"].partition("/auth/realms/")[0] + PREFIX
        own = {
            "custos_token_endpoint": f"{base}/identity-management/v1.0.0/token",
            "custos_userinfo_endpoint": f"{base}/identity-management/v1.0.0/user",
            "registration_endpoint": f"{base}/tenant-management/v1.0.0/oauth2/tenant",
        }
        return web.json_response({**document, **own})

    # user-management

    async def register_user(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        caller = self._client(request, "registerUser")
        for name in ("username", "first_name", "last_name", "password", "email"):
            _needed(params, name, "registerUser")
        user = await self.realms.add_user(str(caller.tenant["tenant_id"]), params, enabled=False)
        return web.json_response({"is_registered": user is not None})

    async def register_and_enable_users(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        method = "registerAndEnableUsers"
        tenant = self.tenants.reach(self._user(request, method), _text(params, "client_id"), method)
        people, failed = params.get("users"), []
        if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
            raise ApiError(INVALID_ARGUMENT, f"Error while validating method {method}, users should be an array of users")
        for person in people:
            for name in ("username", "password", "email"):
                _needed(person, name, method)
            if await self.realms.add_user(str(tenant["tenant_id"]), person, enabled=True) is None:
                failed.append(self._person({"username": str(person["username"])}))
        return web.json_response({"all_useres_registered": not failed, "failed_users": failed})

    @staticmethod
    def _person(user: Record) -> dict[str, Any]:
        return {
            "id": user.get("id", ""),
            "username": user["username"],
            "first_name": user.get("first_name", ""),
            "last_name": user.get("last_name", ""),
            "password": "",
            "email": user.get("email", ""),
            "temporary_password": False,
            "realm_roles": [],
            "client_roles": [],
            "attributes": [],
            "state": "ACTIVE" if user.get("enabled") else "DEACTIVATED",
            "creation_time": float(user.get("created", 0)),
            "last_login_at": 0.0,
        }

    async def _found(self, request: web.Request, method: str, place: str = "") -> tuple[str, Record | None, Record]:
        """(realm, user or None, params); ``place`` names the object that holds ``username``."""
        params = await read_params(request)
        tenant = self.tenants.reach(self._caller(request, method), _text(params, "client_id"), method)
        name = _needed(_nested(params, place) if place else params, "username", method)
        realm = str(tenant["tenant_id"])
        return realm, self.realms.user(realm, name), params

    async def _person_of(self, request: web.Request, method: str, place: str = "") -> tuple[str, Record, Record]:
        realm, user, params = await self._found(request, method, place)
        if user is None:
            raise ApiError(NOT_FOUND, "User not found")
        return realm, user, params

    async def get_user(self, request: web.Request) -> web.Response:
        _realm, user, _params = await self._person_of(request, "getUser", "user")
        return web.json_response(self._person(user))

    async def _enable(self, request: web.Request, method: str, enabled: bool) -> web.Response:
        realm, user, _params = await self._person_of(request, method)
        user["enabled"] = enabled
        self.realms.save_user(realm, user)
        return web.json_response(self._person(user))

    async def enable_user(self, request: web.Request) -> web.Response:
        return await self._enable(request, "enableUser", True)

    async def disable_user(self, request: web.Request) -> web.Response:
        return await self._enable(request, "disableUser", False)

    async def is_user_enabled(self, request: web.Request) -> web.Response:
        _realm, user, _params = await self._found(request, "isUserEnabled", "user")
        return web.json_response({"status": bool(user and user["enabled"])})

    async def is_username_available(self, request: web.Request) -> web.Response:
        _realm, user, _params = await self._found(request, "isUsernameAvailable", "user")
        return web.json_response({"status": user is None})

    async def reset_password(self, request: web.Request) -> web.Response:
        realm, user, params = await self._person_of(request, "resetPassword")
        user["password"] = keys.hash_password(_needed(params, "password", "resetPassword"))
        self.realms.save_user(realm, user)
        return web.json_response({"status": True})

    async def delete_user(self, request: web.Request) -> web.Response:
        self._user(request, "deleteUser")
        realm, user, _params = await self._person_of(request, "deleteUser")
        self.realms.store.delete("user", realm, user["username"])
        return web.json_response({"status": True})

    async def find_users(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.tenants.reach(self._caller(request, "findUsers"), _text(params, "client_id"), "findUsers")
        wanted = {name: _text(_nested(params, "user"), name) for name in ("username", "first_name", "last_name", "email", "id")}
        users = [
            user
            for user in self.realms.users(str(tenant["tenant_id"]))
            if all(not value or value.lower() in str(user[name]).lower() for name, value in wanted.items())
        ]
        offset, limit = _number(params, "offset", 0), _number(params, "limit", 20)
        return web.json_response({"users": [self._person(user) for user in users[offset : offset + limit]]})

    # group-management

    async def _realm(self, request: web.Request, method: str) -> tuple[str, Record]:
        params = await read_params(request)
        tenant = self.tenants.reach(self._caller(request, method), _text(params, "client_id"), method)
        return str(tenant["tenant_id"]), params

    async def create_group(self, request: web.Request) -> web.Response:
        realm, params = await self._realm(request, "createGroup")
        return web.json_response(self.groups.message(self.groups.create(realm, _nested(params, "group") or params)))

    async def find_group(self, request: web.Request) -> web.Response:
        realm, params = await self._realm(request, "findGroup")
        return web.json_response(self.groups.message(self.groups.get(realm, _text(_nested(params, "group"), "id"))))

    async def update_group(self, request: web.Request) -> web.Response:
        realm, params = await self._realm(request, "updateGroup")
        group = self.groups.update(realm, request.match_info["id"], _nested(params, "group") or params)
        return web.json_response(self.groups.message(group))

    async def delete_group(self, request: web.Request) -> web.Response:
        realm, _params = await self._realm(request, "deleteGroup")
        self.groups.delete(realm, request.match_info["id"])
        return web.json_response({"status": True})

    async def all_groups(self, request: web.Request) -> web.Response:
        realm, _params = await self._realm(request, "getAllGroups")
        return web.json_response({"groups": [self.groups.message(group) for group in self.groups.all(realm)]})

    async def add_user_to_group(self, request: web.Request) -> web.Response:
        realm, params = await self._realm(request, "addUserToGroup")
        self.groups.join(realm, _needed(params, "group_id", "addUserToGroup"), _needed(params, "username", "addUserToGroup"), _text(params, "type"))
        return web.json_response({"status": True})

    async def remove_user_from_group(self, request: web.Request) -> web.Response:
        realm, params = await self._realm(request, "removeUserFromGroup")
        self.groups.leave(realm, _needed(params, "group_id", "removeUserFromGroup"), _needed(params, "username", "removeUserFromGroup"))
        return web.json_response({"status": True})

    async def groups_of_user(self, request: web.Request) -> web.Response:
        realm, params = await self._realm(request, "getAllGroupsOfUser")
        username = _needed(_nested(params, "profile"), "username", "getAllGroupsOfUser")
        return web.json_response({"groups": [self.groups.message(group) for group in self.groups.of_user(realm, username)]})

    async def has_access(self, request: web.Request) -> web.Response:
        realm, params = await self._realm(request, "hasAccess")
        wanted = (_needed(params, "group_id", "hasAccess"), _needed(params, "username", "hasAccess").lower())
        kind = _text(params, "type")
        members = [(member["group_id"], member["username"]) for member in self.groups.members(realm) if not kind or member["type"] == kind]
        return web.json_response({"status": wanted in members})
