"""The second API's login: an authorize and a token endpoint in front of Keycloak's, with the faults of release 1.1."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web

from custos_double import keys
from custos_double.errors import INTERNAL, UNAUTHENTICATED, ApiError, OAuthError
from custos_double.g1 import Handler
from custos_double.g1_identity import GRANTS
from custos_double.g2 import PREFIX, G2Service, answer, body_of, unexpected
from custos_double.groups import Groups
from custos_double.store import Record
from custos_double.tenants import Tenants


class G2IdentityService(G2Service):
    name = "identity-management"

    def __init__(self, groups: Groups, tenants: Tenants) -> None:
        super().__init__(tenants)
        self.groups = groups
        # Custos knows the tokens it has re-signed as long as it runs: by their id, the ones that Keycloak made.
        self._originals: dict[str, tuple[str, str]] = {}

    def calls(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/authorize", self.authorize),
            ("POST", "/token", self.token),
            ("POST", "/token/introspect", self.introspect),
            ("POST", "/user/logout", self.end_user_session),
            ("GET", "/credentials", self.get_credentials),
            ("GET", "/tenant/{tenant_id}/.well-known/openid-configuration", self.openid_configuration),
            ("GET", "/.well-known/jwks.json", self.jwks),
        ]

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get(f"{PREFIX}/user-management/userinfo", self._plain(self.userinfo))]

    def _signing_key(self) -> Record:
        """Custos' own key, one for all tenants."""
        key = self.realms.store.get("key", "", "g2", self.realms.clock())
        if key is None:
            key = keys.new_signing_key()
            self.realms.store.put("key", "", "g2", key)
        return key

    async def openid_configuration(self, request: web.Request) -> web.Response:
        tenant_id = request.match_info["tenant_id"]
        if not tenant_id.isdigit():
            raise unexpected()
        try:
            keycloak = await self.iam.discovery(request, tenant_id)
        except ApiError as error:
            reason = f"Error occurred while fetching access token for  user {tenant_id} "
            raise ApiError(INTERNAL, f"Exception occurred while retrieving OIDC configuration {reason}") from error
        base = f"{self.realms.settings.front_url}{PREFIX}"
        own = {
            "issuer": f"https://{tenant_id}.usecustos.org",
            "authorization_endpoint": f"{base}/identity-management/authorize",
            "token_endpoint": f"{base}/identity-management/token",
            "userinfo_endpoint": f"{base}/user-management/userinfo",
            "jwks_uri": f"{base}/identity-management/.well-known/jwks.json",
            "introspection_endpoint": f"{base}/identity-management/token/introspect",
        }
        return answer({**keycloak, **own})

    async def authorize(self, request: web.Request) -> web.Response:
        query = request.query
        if any(name not in query for name in ("client_id", "redirect_uri", "scope", "state", "response_type")):
            raise unexpected()
        tenant = self.tenants.by_client(query["client_id"])
        trouble = "Exception occurred while formulating the redirect uri"
        if tenant is None or tenant["status"] != "ACTIVE":
            raise ApiError(INTERNAL, f"{trouble} null")
        if query["redirect_uri"] not in tenant["fields"]["redirect_uris"]:
            raise ApiError(INTERNAL, f"{trouble} No matching redirect_uri is found for the Tenant with the Id: {tenant['tenant_id']}")
        scope = query["scope"] if "openid" in query["scope"] else f"{query['scope']} openid"
        values = {
            "client_id": query["client_id"], "redirect_uri": query["redirect_uri"], "response_type": "code", "scope": scope, "state": query["state"],
            "kc_idp_hint": "oidc",
        }  # fmt: skip
        if query.get("code_challenge") and query.get("code_challenge_method"):
            values |= {name: query[name] for name in ("code_challenge", "code_challenge_method")}
        target = (await self.iam.discovery(request, str(tenant["tenant_id"])))["authorization_endpoint"]
        return web.Response(status=302, headers={"Location": f"{target}?{urlencode(values)}"})

    @staticmethod
    def _credential(request: web.Request, form: Record) -> tuple[str, str]:
        """(client id, secret) that Custos passes on. With a verifier it takes the client for a public one and drops the secret."""
        if "code_verifier" in form:
            return str(form.get("client_id", "null")), ""
        header = request.headers.get("Authorization")
        if header is None:
            return str(form.get("client_id", "null")), str(form["client_secret"])
        try:
            client_id, _colon, secret = base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise unexpected() from error
        return client_id, secret

    async def token(self, request: web.Request) -> web.Response:
        if request.content_type != "application/x-www-form-urlencoded":
            raise unexpected()
        form = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        header = request.headers.get("Authorization")
        if "code_verifier" not in form:
            if header is None and "client_secret" not in form:
                return web.Response(status=400, text="No client id and secret or code_verifier is provided in the request")
            if header is not None and not header.startswith("Basic"):
                return web.Response(status=400, text="Expecting a basic auth type auth header")
        client_id, secret = self._credential(request, form)
        parts = client_id.split("-")
        if len(parts) < 3 or not parts[2].isdigit() or any(name not in form for name in ("redirect_uri", "code", "grant_type")):
            raise unexpected()  # 1.1 fills in its request without looking: a refresh has no code, and ends here
        realm, grant = parts[2], form["grant_type"]
        wanted = {"grant_type": grant if grant in GRANTS else "authorization_code", "scope": "openid"}
        # Neither name, password nor refresh token are ever handed on.
        wanted |= {name: form[name] for name in ("code", "redirect_uri", "code_verifier") if form.get(name)}
        try:
            tokens = await self.iam.tokens(realm, (client_id, secret), wanted)
        except OAuthError as error:
            reason = f"Error occurred while fetching access token for  user {realm} {error.error} {error.description}"
            raise ApiError(INTERNAL, f"Exception occurred while fetching access token {reason}") from error
        tokens["not_before_policy"] = tokens.pop("not-before-policy", 0)
        return answer({**tokens, "access_token": self._sign_anew(realm, str(tokens["access_token"]))})

    def _sign_anew(self, realm: str, token: str) -> str:
        """Keycloak's claims with the user's groups, signed by Custos. Their roles take the place of the scopes that were granted."""
        verified: Any = jwt.decode(token, options={"verify_signature": False})
        # Custos looks for groups by e-mail: the name of everybody who comes from CILogon. People here have other names.
        found = [group for name in ("email", "preferred_username") for group in self.groups.of_user(realm, str(verified.get(name)))]
        groups = {group["id"]: group for group in found}
        scopes = list(dict.fromkeys(role for group in groups.values() for role in [*group["realm_roles"], *group["client_roles"]]))
        claims = {**verified, "groups": list(groups), "scope": " ".join(scopes), "scopes": scopes, "iss": f"https://{realm}.usecustos.org"}
        key = self._signing_key()
        signed = jwt.encode(claims, key["private"], algorithm="RS256", headers={"kid": key["kid"]})
        self._originals[str(claims["jti"])] = (realm, token)
        return signed

    def _original(self, token: str) -> tuple[str, str, Record]:
        """(realm, Keycloak's token, Custos' claims) of a token that Custos signed; nothing otherwise."""
        key = self._signing_key()
        try:
            claims = jwt.decode(
                token, jwt.PyJWK(key["public"]).key, algorithms=["RS256"], options={"verify_aud": False, "verify_exp": False, "verify_iat": False}
            )
        except jwt.InvalidTokenError:
            return "", "", {}
        return (*self._originals.get(str(claims["jti"]), ("", "")), claims)

    async def userinfo(self, request: web.Request) -> web.Response:
        header = request.headers.get("Authorization", "")
        realm, original, claims = self._original(header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else "")
        verified = await self.iam.verify(original, realm) if original else None
        if verified is None:
            raise ApiError(UNAUTHENTICATED, "invalid token expired user token ")
        return web.json_response({**verified[1], "groups": claims["groups"], "scopes": claims["scopes"]})

    async def introspect(self, request: web.Request) -> web.Response:
        form = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        if any(name not in form for name in ("client_id", "client_secret", "token")):
            raise unexpected()
        if form["token"].count(".") != 2:
            raise ApiError(INTERNAL, "Error while extracting initial KC token")
        realm, original, _claims = self._original(form["token"])
        found = await self.iam.introspect(realm, (form["client_id"], form["client_secret"]), original) if original else {"active": False}
        return web.json_response({**found, **({"iss": f"https://{realm}.usecustos.org"} if found["active"] else {})})

    async def end_user_session(self, request: web.Request) -> web.Response:
        tenant = (await self.client(request, "endUserSession")).tenant
        refresh = str((await body_of(request)).get("refresh_token") or "")
        if not refresh:
            raise unexpected()
        await self.iam.end_session(*self.tenants.iam_client(tenant), refresh)
        return web.json_response(True)  # whatever Keycloak says

    async def get_credentials(self, request: web.Request) -> web.Response:
        """1.1 compares the client id of an empty request with the caller's, so nobody ever gets them."""
        tenant, _params = await self.tenant(request, "getCredentials")
        reason = f"No matching credential found for the defined client Id: {tenant['client_id']}"
        raise ApiError(INTERNAL, f"Exception occurred while retrieving Credentials {reason}")

    async def jwks(self, _request: web.Request) -> web.Response:
        public = self._signing_key()["public"]
        modulus = b"\0" + base64.urlsafe_b64decode(public["n"] + "==")  # as Java writes a positive number
        return web.json_response({"keys": [{**public, "n": base64.urlsafe_b64encode(modulus).rstrip(b"=").decode()}]})
