"""Custos' identity-management: credentials, tokens and discovery."""

from __future__ import annotations

from aiohttp import web

from custos_double.errors import INTERNAL, INVALID_ARGUMENT, UNAUTHENTICATED, ApiError, OAuthError
from custos_double.g1 import PREFIX, Handler, Service
from custos_double.oidc import with_query
from custos_double.params import needed, read_params, text
from custos_double.store import Record

# What Custos hands on to Keycloak for each grant, be it empty. Anything else is taken for a code; there is no field for a PKCE verifier.
GRANTS = {"password": ("username", "password"), "refresh_token": ("refresh_token",), "client_credentials": (), "authorization_code": ("code", "redirect_uri")}


class IdentityService(Service):
    name = "identity-management"

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
        tenant = self.tenants.reach(await self.caller(request, method), text(params, "client_id"), method)
        if tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, f"Error while authorizing method {method}, tenant is not active")
        return web.json_response(self.tenants.credentials_message(tenant))

    async def token(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = (await self.client(request, "token")).tenant
        grant = text(params, "grant_type") if text(params, "grant_type") in GRANTS else "authorization_code"
        form = {name: text(params, name) for name in GRANTS[grant]}
        return web.json_response(await self._tokens(tenant, {**form, "grant_type": grant, "scope": text(params, "scope") or "openid"}))

    async def _tokens(self, tenant: Record, form: dict[str, str]) -> Record:
        try:
            return await self.iam.tokens(*self.tenants.iam_client(tenant), form)
        except OAuthError as error:
            raise ApiError(INTERNAL, f"{error.error} {error.description}") from error

    async def get_token_user(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = (await self.client(request, "getUser")).tenant
        verified = await self.iam.verify(needed(params, "access_token", "getUser"), str(tenant["tenant_id"]))
        if verified is None:
            raise ApiError(UNAUTHENTICATED, "Error while authorizing method getUser, invalid access token")
        claims = verified[1]
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
        tenant = (await self.client(request, "endUserSession")).tenant
        await self.iam.end_session(*self.tenants.iam_client(tenant), needed(params, "refresh_token", "endUserSession"))
        return web.json_response({"status": True})  # Custos does not look at what Keycloak says

    async def authenticate(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = (await self.client(request, "authenticate")).tenant
        login = {name: text(params, name) for name in ("username", "password")}
        answer = await self._tokens(tenant, {"grant_type": "password", "scope": "openid", **login})
        claims = [{"key": "username", "value": login["username"].lower()}, {"key": "tenantId", "value": str(tenant["tenant_id"])}]
        return web.json_response({"access_token": answer["access_token"], "claims": claims})

    async def is_authenticated(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = (await self.client(request, "isAuthenticated")).tenant
        verified = await self.iam.verify(text(params, "access_token"), str(tenant["tenant_id"]))
        return web.json_response({"authenticated": verified is not None})

    async def service_account_token(self, request: web.Request) -> web.Response:
        tenant = (await self.client(request, "getUserManagementServiceAccountAccessToken")).tenant
        return web.json_response(await self._tokens(tenant, {"grant_type": "client_credentials", "scope": "openid"}))

    async def authorize(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.tenants.by_client(needed(params, "client_id", "authorize"))
        if tenant is None or tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, "Error while authorizing method authorize, unknown client")
        redirect_uri = needed(params, "redirect_uri", "authorize")
        if redirect_uri not in tenant["fields"]["redirect_uris"]:
            raise ApiError(INVALID_ARGUMENT, "Wrong redirect_uri")
        document = await self.iam.discovery(request, str(tenant["tenant_id"]))
        return web.json_response({"loginURI": with_query(document["authorization_endpoint"], **{**request.query, "kc_idp_hint": "oidc"})})

    async def openid_configuration(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        tenant = self.tenants.by_client(needed(params, "client_id", "getOIDCConfiguration"))
        if tenant is None or tenant["status"] != "ACTIVE":
            raise ApiError(UNAUTHENTICATED, "Error while authorizing method getOIDCConfiguration, unknown client")
        document = await self.iam.discovery(request, str(tenant["tenant_id"]))
        base = self.realms.settings.base_for(request.host) + PREFIX
        own = {
            "custos_token_endpoint": f"{base}/identity-management/v1.0.0/token",
            "custos_userinfo_endpoint": f"{base}/identity-management/v1.0.0/user",
            "registration_endpoint": f"{base}/tenant-management/v1.0.0/oauth2/tenant",
        }
        return web.json_response({**document, **own})
