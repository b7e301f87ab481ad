"""The realms' OpenID Connect endpoints, at Keycloak's paths and with Keycloak's answers."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from urllib.parse import unquote, urlencode, urlsplit

import jwt
from aiohttp import web

from custos_double import keys, pages
from custos_double.clients import Clients, fits, logout_uris
from custos_double.errors import OAuthError, PageError
from custos_double.realms import Realms
from custos_double.store import Record

SESSION_COOKIE = "__Secure-custos-session"
BROWSER_COOKIE = "__Secure-custos-browser"
FORM_SECONDS = 1800
PROTOCOL = "/protocol/openid-connect"


def with_query(uri: str, **values: str) -> str:
    """``uri`` with ``values`` added to its query; empty ones are left out."""
    extra = urlencode({name: value for name, value in values.items() if value})
    if not extra:
        return uri
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{extra}"


class Oidc:
    """The handlers of every realm."""

    def __init__(self, clients: Clients, realms: Realms) -> None:
        self.clients = clients
        self.realms = realms
        key = realms.store.get("key", "", "forms", realms.clock())
        if key is None:
            key = {"secret": secrets.token_urlsafe(48)}
            realms.store.put("key", "", "forms", key)
        self._form_key = str(key["secret"])

    def routes(self) -> list[web.RouteDef]:
        base = "/auth/realms/{realm}"
        return [
            web.get(f"{base}/.well-known/openid-configuration", self.discovery),
            web.get(f"{base}{PROTOCOL}/auth", self.authorize),
            web.post(f"{base}{PROTOCOL}/auth", self.authorize),
            web.post(f"{base}/login-actions/authenticate", self.login),
            web.post(f"{base}{PROTOCOL}/token", self.token),
            web.get(f"{base}{PROTOCOL}/userinfo", self.userinfo),
            web.post(f"{base}{PROTOCOL}/userinfo", self.userinfo),
            web.get(f"{base}{PROTOCOL}/certs", self.certs),
            web.get(f"{base}{PROTOCOL}/logout", self.logout),
            web.post(f"{base}{PROTOCOL}/logout", self.logout),
            web.post(f"{base}{PROTOCOL}/logout/logout-confirm", self.confirm_logout),
        ]

    def document(self, request: web.Request, realm: str) -> Record:
        """Discovery as Keycloak gives it with a fixed front URL and a dynamic back channel."""
        front_realm, back_realm = self.realms.issuer(realm), self.realms.issuer(realm, self.realms.settings.base_for(request.host))
        return {
            "issuer": front_realm,
            "authorization_endpoint": f"{front_realm}{PROTOCOL}/auth",
            "token_endpoint": f"{back_realm}{PROTOCOL}/token",
            "userinfo_endpoint": f"{back_realm}{PROTOCOL}/userinfo",
            "jwks_uri": f"{back_realm}{PROTOCOL}/certs",
            "end_session_endpoint": f"{front_realm}{PROTOCOL}/logout",
            "grant_types_supported": ["authorization_code", "refresh_token", "password", "client_credentials"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": ["openid", "profile", "email", "org.cilogon.userinfo"],
            "claims_supported": ["aud", "sub", "iss", "auth_time", "name", "given_name", "family_name", "preferred_username", "email"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _realm(self, request: web.Request) -> str:
        realm = request.match_info["realm"]
        if not self.clients.exists(realm):
            raise OAuthError(404, "Realm does not exist", "")
        return realm

    async def discovery(self, request: web.Request) -> web.Response:
        realm = self._realm(request)
        return web.json_response(self.document(request, realm), headers={"Cache-Control": "no-cache, must-revalidate, no-transform, no-store"})

    async def certs(self, request: web.Request) -> web.Response:
        realm = self._realm(request)
        return web.json_response({"keys": [self.realms.signing_key(realm)["public"]]})

    # The browser's part

    def _set_cookie(self, response: web.StreamResponse, realm: str, name: str, value: str) -> None:
        # Only the realm's own paths: cookies do not tell ports apart, and the hub may live on the same name.
        response.set_cookie(name, value, path=f"/auth/realms/{realm}/", secure=True, httponly=True, samesite="Lax")

    def _page(self, text: str, nonce: str, status: int = 200) -> web.Response:
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)

    def message_page(self, title: str, text: str, *, is_error: bool, status: int = 200) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        return self._page(pages.message(nonce, title=title, text=text, is_error=is_error), nonce, status)

    def _seal(self, realm: str, browser: str, purpose: str, content: Record) -> str:
        """What a form carries: bound to the browser's cookie, so that no other site can have the form sent, and to a time."""
        claims = {**content, "aud": f"{purpose}:{realm}", "browser": keys.fingerprint(browser), "exp": int(time.time()) + FORM_SECONDS}
        return jwt.encode(claims, self._form_key, algorithm="HS256")

    def _unseal(self, request: web.Request, realm: str, purpose: str, text: str) -> Record:
        try:
            content = jwt.decode(text, self._form_key, algorithms=["HS256"], audience=f"{purpose}:{realm}")
        except jwt.InvalidTokenError as error:
            raise PageError("This page is too old or incomplete. Go back to the application and sign in again.") from error
        if not secrets.compare_digest(content["browser"], keys.fingerprint(request.cookies.get(BROWSER_COOKIE, ""))):
            raise PageError("This page belongs to another browser session, or cookies are switched off. Go back to the application and sign in again.")
        return content

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        realm = self._realm(request)
        values = {name: str(value) for name, value in (await request.post() if request.method == "POST" else request.query).items()}
        redirect_uri = values.get("redirect_uri", "")
        client = self._asking(realm, values.get("client_id", ""), redirect_uri)
        state = values.get("state", "")

        def refuse(error: str, description: str) -> web.HTTPFound:
            return web.HTTPFound(with_query(redirect_uri, error=error, error_description=description, state=state))

        if values.get("response_type") != "code":
            raise refuse("unsupported_response_type", "response_type must be code")
        if not self.clients.may_ask(realm, client, values.get("scope", "")):
            raise refuse("invalid_scope", f"Invalid scopes: {values['scope']}")
        challenge, method = values.get("code_challenge", ""), values.get("code_challenge_method", "plain")
        if not challenge and client["attributes"].get("pkce.code.challenge.method"):
            raise refuse("invalid_request", "Missing parameter: code_challenge_method")
        if challenge and (method != "S256" or len(challenge) != 43):
            raise refuse("invalid_request", "Invalid parameter: code_challenge_method must be S256 and the challenge 43 characters")
        wanted = {
            "client_id": client["clientId"],
            "redirect_uri": redirect_uri,
            "scope": values.get("scope", ""),
            "nonce": values.get("nonce", ""),
            "state": state,
            "code_challenge": challenge,
        }
        prompt = values.get("prompt", "").split()
        session = self.realms.session_of_cookie(realm, request.cookies.get(SESSION_COOKIE))
        if session and "login" not in prompt:
            raise self._redirect(realm, session, wanted)
        if "none" in prompt:
            raise refuse("login_required", "")
        return self._login_page(request, realm, client, wanted, username=values.get("login_hint", ""))

    def _asking(self, realm: str, client_id: str, redirect_uri: str) -> Record:
        """The client whose page this is; nobody is sent to an address that is not one of its own."""
        client = self.clients.find(realm, client_id)
        if client is None or client["bearerOnly"]:
            raise PageError("Client not found.")
        if not client["enabled"] or not client["standardFlowEnabled"]:
            raise PageError("Client disabled." if not client["enabled"] else "Client is not allowed to initiate browser login.")
        if not fits(redirect_uri, client["redirectUris"]):
            raise PageError("Invalid parameter: redirect_uri")
        return client

    def _redirect(self, realm: str, session: Record, wanted: Record) -> web.HTTPFound:
        code = self.realms.issue_code(realm, session, wanted)
        target = with_query(wanted["redirect_uri"], state=wanted["state"], session_state=session["sid"], iss=self.realms.issuer(realm), code=code)
        return web.HTTPFound(target, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

    def _login_page(self, request: web.Request, realm: str, client: Record, wanted: Record, username: str = "", error: str = "") -> web.Response:
        browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(24)
        nonce = secrets.token_urlsafe(16)
        text = pages.login(
            nonce,
            action=f"/auth/realms/{realm}/login-actions/authenticate",
            request=self._seal(realm, browser, "login", wanted),
            client_name=str(client.get("name") or client["clientId"]),
            username=username,
            error=error,
        )
        response = self._page(text, nonce)
        self._set_cookie(response, realm, BROWSER_COOKIE, browser)
        return response

    async def login(self, request: web.Request) -> web.StreamResponse:
        realm = self._realm(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        content = self._unseal(request, realm, "login", form.get("request", ""))
        wanted = {name: content[name] for name in ("client_id", "redirect_uri", "scope", "nonce", "state", "code_challenge")}
        client = self._asking(realm, wanted["client_id"], wanted["redirect_uri"])  # again: the form may be older than a change of the client
        username = form.get("username", "")
        user = await self.realms.authenticate(realm, username, form.get("password", ""), brokered=True)
        if user is None or not user["enabled"]:
            error = "Invalid username or password." if user is None else "Account is disabled, contact your administrator."
            return self._login_page(request, realm, client, wanted, username=username, error=error)
        session = self.realms.session(realm, self.realms.start_session(realm, user["username"]))
        if session is None:
            raise PageError("The session could not be started.")
        response = self._redirect(realm, session, wanted)
        self._set_cookie(response, realm, SESSION_COOKIE, f"{session['sid']}.{session['cookie']}")
        raise response

    async def logout(self, request: web.Request) -> web.StreamResponse:
        realm = self._realm(request)
        values = {name: str(value) for name, value in request.query.items()}
        if request.method == "POST":
            values |= {name: str(value) for name, value in (await request.post()).items()}
            if "refresh_token" in values:  # Keycloak's logout for servers
                client = self._client(request, realm, values)
                session = self.realms.session_of_refresh(realm, client["clientId"], values["refresh_token"])
                if session is None:
                    raise OAuthError(400, "invalid_grant", "Invalid refresh token")
                self.realms.end_session(realm, session["sid"])
                return web.Response(status=204)
        target = values.get("post_logout_redirect_uri", "")
        hint = values.get("id_token_hint", "")
        claims = self.realms.verify_hint(realm, hint) if hint else None
        leaving = self.clients.find(realm, claims["aud"] if claims else values.get("client_id", ""))
        if hint and (claims is None or leaving is None):
            raise PageError("Invalid parameter: id_token_hint")
        if target and (leaving is None or not fits(target, logout_uris(leaving))):
            raise PageError("Invalid redirect uri")
        if claims is None:
            browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(24)
            nonce = secrets.token_urlsafe(16)
            seal = self._seal(realm, browser, "logout", {"target": with_query(target, state=values.get("state", "")) if target else ""})
            page = self._page(pages.logout(nonce, action=f"/auth/realms/{realm}{PROTOCOL}/logout/logout-confirm", request=seal), nonce)
            self._set_cookie(page, realm, BROWSER_COOKIE, browser)
            return page
        self.realms.end_session(realm, claims["sid"])
        return self._logged_out(request, realm, with_query(target, state=values.get("state", "")) if target else "")

    async def confirm_logout(self, request: web.Request) -> web.StreamResponse:
        realm = self._realm(request)
        content = self._unseal(request, realm, "logout", str((await request.post()).get("request", "")))
        session = self.realms.session_of_cookie(realm, request.cookies.get(SESSION_COOKIE))
        if session:
            self.realms.end_session(realm, session["sid"])
        return self._logged_out(request, realm, content["target"])

    def _logged_out(self, request: web.Request, realm: str, target: str) -> web.Response:
        response = self.message_page("Signed out", "You are logged out", is_error=False)
        if target:
            response = web.Response(status=302, headers={"Location": target, "Cache-Control": "no-cache"})
        if self.realms.session_of_cookie(realm, request.cookies.get(SESSION_COOKIE)) is None:
            response.del_cookie(SESSION_COOKIE, path=f"/auth/realms/{realm}/", secure=True, httponly=True, samesite="Lax")
        return response

    # The client's part

    def _client(self, request: web.Request, realm: str, form: Record) -> Record:
        """The client that shows its secret, by client_secret_basic or client_secret_post. A tenant's is the IAM secret, not the one of Custos' API."""
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        header = request.headers.get("Authorization", "")
        if header.lower().startswith("basic "):
            try:
                client_id, _colon, secret = base64.b64decode(header[6:].strip(), validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError, ValueError) as error:
                raise OAuthError(401, "unauthorized_client", "Invalid client or Invalid client credentials") from error
            client_id, secret = unquote(client_id), unquote(secret)
        return self.known_client(realm, client_id, secret)

    def known_client(self, realm: str, client_id: str, secret: str) -> Record:
        client = self.clients.find(realm, client_id)
        if client is None or client["bearerOnly"] or not client["enabled"] or not self.clients.holds(client, secret):
            raise OAuthError(401, "unauthorized_client" if client else "invalid_client", "Invalid client or Invalid client credentials")
        return client

    async def token(self, request: web.Request) -> web.Response:
        realm = self._realm(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        answer = await self.grant(realm, self._client(request, realm, form), form)
        return web.json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    async def grant(self, realm: str, client: Record, form: dict[str, str]) -> Record:
        """Tokens for a client that has shown itself."""
        client_id, scope = client["clientId"], form.get("scope", "")
        grant = form.get("grant_type", "")
        if grant == "authorization_code":
            if "code" not in form:
                raise OAuthError(400, "invalid_request", "Missing parameter: code")
            return self.realms.redeem_code(realm, client_id, form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier"))
        if grant == "refresh_token":
            if "refresh_token" not in form:
                raise OAuthError(400, "invalid_request", "No refresh token")
            return self.realms.refresh(realm, client_id, form.get("refresh_token", ""))
        if grant == "password":
            if "username" not in form:
                raise OAuthError(401, "invalid_request", "Missing parameter: username")
            if not client["directAccessGrantsEnabled"]:
                raise OAuthError(400, "unauthorized_client", "Client not allowed for direct access grants")
            return await self.realms.password_grant(realm, client_id, form.get("username", ""), form.get("password", ""), scope)
        if grant == "client_credentials":
            if not client["serviceAccountsEnabled"]:
                raise OAuthError(401, "unauthorized_client", "Client not enabled to retrieve service account")
            return self.realms.client_credentials(realm, client_id, scope)
        if not grant:
            raise OAuthError(400, "invalid_request", "Missing form parameter: grant_type")
        raise OAuthError(400, "unsupported_grant_type", "Unsupported grant_type")

    async def userinfo(self, request: web.Request) -> web.Response:
        realm = self._realm(request)
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        verified = self.realms.verify_access(token, realm)
        if verified is None:
            known = self.realms.verify_access(token, realm, living=False)
            reason = f'error="invalid_token", error_description="{"user_session_not_found" if known else "Token verification failed"}"'
            return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}", {reason}', "Cache-Control": "no-store"})
        if "openid" not in str(verified[1]["scope"]).split():
            reason = 'error="insufficient_scope", error_description="Missing openid scope"'
            return web.Response(status=403, headers={"WWW-Authenticate": f'Bearer realm="{realm}", {reason}', "Cache-Control": "no-store"})
        return web.json_response(self.person(realm, verified[1]), headers={"Cache-Control": "no-store"})

    def person(self, realm: str, claims: Record) -> Record:
        """What userinfo says to an access token with these claims."""
        username, client_id = str(claims["preferred_username"]), str(claims["azp"])
        return {**self.realms.claims(realm, username), **self.realms.more_claims(realm, username, client_id, "userinfo")}
