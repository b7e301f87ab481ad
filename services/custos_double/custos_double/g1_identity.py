"""Custos' identity-management: credentials, tokens and discovery."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from custos_double.errors import INTERNAL, INVALID_ARGUMENT, UNAUTHENTICATED, ApiError, OAuthError
from custos_double.g1 import PREFIX, Handler, Service
from custos_double.params import needed, read_params, text
from custos_double.store import Record
from custos_double.tenants import Tenants


class IdentityService(Service):
    name = "identity-management"

    def __init__(self, tenants: Tenants, discovery: Callable[[web.Request, str], Record]) -> None:
        super().__init__(tenants)
        self.discovery = discovery

    def calls(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/credentials", self.get_credentials),
            ("POST", "/token", self.token),
            ("GET", "/user", self.get_token_user),
            ("POST", "/user/logout", self.end_user_session),
            ("POST", "/authenticate", self.authenticate),
            ("POST", "/authenticate/status", self.is_authenticated),
            ("GET", "/account/token", self.service_account_token),
            ("GET", "/authorize", self.authorize),
            ("GET", "/.well-known/openid-configuration", self.openid_configuration),
        ]

    async def get_credentials(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        method = "getCredentials"
        tenant = self.tenants.reach(self.caller(request, method), text(params, "client_id"), method)
        if tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, tenant is not active")
        return web.json_response(self.tenants.credentials_message(tenant))

    async def token(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.client(request, "token").tenant
        realm, client_id, scope = str(tenant["tenant_id"]), tenant["client_id"], text(params, "scope") or "openid"
        grant = text(params, "grant_type")
        try:
            if grant == "password":
                answer = await self.realms.password_grant(realm, client_id, text(params, "username"), text(params, "password"), scope)
            elif grant == "refresh_token":
                answer = self.realms.refresh(realm, client_id, text(params, "refresh_token"))
            elif grant == "client_credentials":
                answer = self.realms.client_credentials(realm, client_id, scope)
            else:  # anything else is taken for a code; there is no field for a PKCE verifier
                answer = self.realms.redeem_code(realm, client_id, text(params, "code"), text(params, "redirect_uri"), None)
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
        tenant = self.client(request, "getUser").tenant
        claims = self._token_user(str(tenant["tenant_id"]), needed(params, "access_token", "getUser"), "getUser")
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
        tenant = self.client(request, "endUserSession").tenant
        realm = str(tenant["tenant_id"])
        session = self.realms.session_of_refresh(realm, tenant["client_id"], needed(params, "refresh_token", "endUserSession"))
        return web.json_response({"status": bool(session and self.realms.end_session(realm, session["sid"]))})

    async def authenticate(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.client(request, "authenticate").tenant
        realm = str(tenant["tenant_id"])
        try:
            answer = await self.realms.password_grant(realm, tenant["client_id"], text(params, "username"), text(params, "password"), "openid")
        except OAuthError as error:
            raise ApiError(INTERNAL, f"{error.error} {error.description}") from error
        user = self.realms.session(realm, answer["session_state"])
        claims = [{"key": "username", "value": user["username"] if user else ""}, {"key": "tenantId", "value": realm}]
        return web.json_response({"access_token": answer["access_token"], "claims": claims})

    async def is_authenticated(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.client(request, "isAuthenticated").tenant
        verified = self.realms.verify_access(text(params, "access_token"), str(tenant["tenant_id"]))
        return web.json_response({"authenticated": verified is not None})

    async def service_account_token(self, request: web.Request) -> web.Response:
        tenant = self.client(request, "getUserManagementServiceAccountAccessToken").tenant
        return web.json_response(self.realms.client_credentials(str(tenant["tenant_id"]), tenant["client_id"], "openid"))

    async def authorize(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.tenants.by_client(needed(params, "client_id", "authorize"))
        if tenant is None or tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, "Error while authorizing method authorize, unknown client")
        redirect_uri = needed(params, "redirect_uri", "authorize")
        if redirect_uri not in tenant["fields"]["redirect_uris"]:
            raise ApiError(INVALID_ARGUMENT, "Wrong redirect_uri")
        target = request.url.with_path(f"/auth/realms/{tenant['tenant_id']}/protocol/openid-connect/auth").with_query(request.query)
        front = self.realms.settings.front_url
        return web.json_response({"loginURI": f"{front}{target.update_query(kc_idp_hint='oidc').raw_path_qs}"})

    async def openid_configuration(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.tenants.by_client(needed(params, "client_id", "getOIDCConfiguration"))
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
