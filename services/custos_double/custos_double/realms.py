"""What a realm remembers and signs: users, sessions, codes and tokens. No HTTP in here."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import uuid
from collections.abc import Callable
from typing import Any

import jwt

from custos_double import keys
from custos_double.errors import OAuthError
from custos_double.settings import Settings
from custos_double.store import Record, Store

SERVICE_PREFIX = "service-account-"
MASTER = "master"  # the realm of Keycloak's own administrators
SLOWING_AFTER = 5  # wrong passwords in a row before answers become slower
SLOWEST_SECONDS = 4.0


class Realms:
    """The realms of all tenants; ``realm`` is a tenant's number as text."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float]) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self._failures: dict[tuple[str, str], int] = {}
        # What else is said of (realm, username, client id) in an access token, ID token or userinfo: roles and groups, which are not known in here.
        self.more_claims: Callable[[str, str, str, str], Record] = lambda _realm, _username, _client_id, _where: {}

    def issuer(self, realm: str, base: str | None = None) -> str:
        return f"{base or self.settings.front_url}/auth/realms/{realm}"

    def signing_key(self, realm: str) -> Record:
        key = self.store.get("key", realm, "current", self.clock())
        if key is None:
            key = keys.new_signing_key()
            self.store.put("key", realm, "current", key)
            self.store.put("kid", "", key["kid"], {"realm": realm})
        return key

    def drop(self, realm: str) -> None:
        """Remove a realm with everything in it. Tokens it signed are worth nothing from now on."""
        key = self.store.get("key", realm, "current", self.clock())
        if key:
            self.store.delete("kid", "", key["kid"])
        self.store.drop_realm(realm)

    # Users

    def user(self, realm: str, username: str) -> Record | None:
        return self.store.get("user", realm, username.lower(), self.clock())

    def users(self, realm: str) -> list[Record]:
        """Everybody but the accounts of clients."""
        return [user for user in self.store.list("user", realm, self.clock()) if not user["username"].startswith(SERVICE_PREFIX)]

    def by_id(self, realm: str, user_id: str) -> Record | None:
        return next((user for user in self.store.list("user", realm, self.clock()) if user["id"] == user_id), None)

    def service_user(self, realm: str, client_id: str) -> Record:
        """The account of a client, made when it is first asked for."""
        username = f"{SERVICE_PREFIX}{client_id}".lower()
        user = self.user(realm, username)
        if user is None:
            values = {"id": self.claims(realm, username)["sub"], "first_name": "", "last_name": "", "email": ""}
            user = self.new_user(username, values, "", enabled=True)
            self.save_user(realm, user)
        return user

    def save_user(self, realm: str, user: Record) -> None:
        self.store.put("user", realm, user["username"], user)

    def delete_user(self, realm: str, username: str) -> None:
        """Remove an account and its memberships."""
        with self.store.transaction():
            self.store.delete("user", realm, username)
            for member in self.store.list("member", realm, self.clock()):
                if member["username"] == username:
                    self.store.delete("member", realm, f"{member['group_id']}/{username}")

    def search(self, realm: str, fields: dict[str, str], anywhere: str = "") -> list[Record]:
        """Users each of whose ``fields`` contains what is wanted of it, and of whom one begins with ``anywhere``; in any case, as Keycloak searches."""

        def fits(user: Record) -> bool:
            begins = any(str(user[name]).lower().startswith(anywhere.lower()) for name in ("username", "first_name", "last_name", "email"))
            return begins and all(value.lower() in str(user[name]).lower() for name, value in fields.items())

        return [user for user in self.users(realm) if fits(user)]

    async def add_user(self, realm: str, values: Record, *, enabled: bool, admin: bool = False) -> Record | None:
        """Make a user from ``username, password, first_name, last_name, email``; None when the name is taken. Keycloak lower-cases names."""
        password = await asyncio.to_thread(keys.hash_password, str(values["password"]))
        username = str(values["username"]).lower()
        if self.user(realm, username):
            return None
        empty = {"first_name": "", "last_name": "", "email": ""}
        user = self.new_user(username, {**empty, **values, "email_verified": False}, password, enabled=enabled, admin=admin)
        self.save_user(realm, user)
        return user

    def new_user(self, username: str, values: Record, password: str, *, enabled: bool, admin: bool = False) -> Record:
        return {
            "id": str(values.get("id") or uuid.uuid4()),
            "username": username,
            "first_name": values.get("first_name", username.capitalize()),
            "last_name": values.get("last_name", "Demo"),
            "email": values.get("email", f"{username}@example.org"),
            "email_verified": values.get("email_verified", True),
            "password": password,
            "enabled": enabled,
            "admin": admin,
            "created": int(self.clock() * 1000),
        }

    async def authenticate(self, realm: str, username: str, password: str, *, brokered: bool) -> Record | None:
        """The user whose password this is, whether enabled or not; None when it is nobody's.

        With ``brokered`` people of the shared directory may come in too, and get an account in the realm at their first login: this is the part
        that CILogon, the broker with alias ``oidc``, plays in a real realm. The password grant is for the realm's own accounts only, as in Keycloak.
        """
        username = username.strip().lower()
        local = self.user(realm, username)
        person = self.store.get("directory", "", username, self.clock()) if brokered else None
        stored = local["password"] if local and local["password"] else (person or {}).get("password") or keys.NOBODY
        failures = self._failures.get((realm, username), 0)
        if failures >= SLOWING_AFTER:
            await asyncio.sleep(min(0.25 * 2 ** (failures - SLOWING_AFTER), SLOWEST_SECONDS))
        if not await asyncio.to_thread(keys.check_password, password, stored):
            if local or person:  # names nobody has are not counted: they would fill the memory
                self._failures[(realm, username)] = failures + 1
            return None
        self._failures.pop((realm, username), None)
        found = self.user(realm, username)  # again: another login may have made it meanwhile
        if found is None and person is not None:
            found = self.new_user(username, person, "", enabled=True)
            self.save_user(realm, found)
        return found

    # Sessions

    def start_session(self, realm: str, username: str) -> str:
        sid, now = str(uuid.uuid4()), self.clock()
        self._save_session(realm, {"sid": sid, "username": username, "started": now, "cookie": secrets.token_urlsafe(32)})
        return sid

    def _save_session(self, realm: str, session: Record) -> float:
        expires: float = min(session["started"] + self.settings.session_max_seconds, self.clock() + self.settings.session_idle_seconds)
        self.store.put("session", realm, session["sid"], session, expires)
        return expires

    def session(self, realm: str, sid: str | None) -> Record | None:
        """A session that still counts: not expired, not ended, its user still enabled."""
        session = self.store.get("session", realm, sid, self.clock()) if sid else None
        if session is None:
            return None
        if session["username"].startswith(SERVICE_PREFIX):
            return session
        user = self.user(realm, session["username"])
        return session if user and user["enabled"] else None

    def session_of_cookie(self, realm: str, cookie: str | None) -> Record | None:
        sid, _dot, value = (cookie or "").partition(".")
        session = self.session(realm, sid)
        return session if session and secrets.compare_digest(session["cookie"], value) else None

    def end_session(self, realm: str, sid: str) -> bool:
        return self.store.delete("session", realm, sid)

    # Codes and tokens

    def issue_code(self, realm: str, session: Record, request: Record) -> str:
        """A code for ``request`` (``client_id, redirect_uri, scope, nonce, code_challenge``)."""
        code = secrets.token_urlsafe(32)
        detached = [client_id for client_id in session.get("detached", []) if client_id != request["client_id"]]
        self._save_session(realm, {**session, "detached": detached})
        record = {**request, "sid": session["sid"], "used": False}
        self.store.put("code", realm, keys.fingerprint(code), record, self.clock() + self.settings.code_seconds)
        return code

    def redeem_code(self, realm: str, client_id: str, code: str, redirect_uri: str, verifier: str | None) -> Record:
        """Tokens for a code. Raises OAuthError; a code shown twice also ends the session, since somebody has stolen it."""
        key = keys.fingerprint(code)
        record = self.store.get("code", realm, key, self.clock())
        if record is None or record["client_id"] != client_id:
            raise OAuthError(400, "invalid_grant", "Code not valid")
        if record["used"]:
            self.end_session(realm, record["sid"])
            raise OAuthError(400, "invalid_grant", "Code not valid")
        self.store.put("code", realm, key, {**record, "used": True}, self.clock() + self.settings.session_idle_seconds)
        if record["redirect_uri"] != redirect_uri:
            raise OAuthError(400, "invalid_grant", "Incorrect redirect_uri")
        if record.get("code_challenge"):
            if not verifier:
                raise OAuthError(400, "invalid_grant", "PKCE code verifier not specified")
            if not secrets.compare_digest(keys.challenge_of(verifier), record["code_challenge"]):
                raise OAuthError(400, "invalid_grant", "PKCE verification failed: Code mismatch")
        session = self.session(realm, record["sid"])
        if session is None:
            raise OAuthError(400, "invalid_grant", "Session not active")
        return self.tokens(realm, client_id, session, record.get("scope", ""), record.get("nonce"))

    def tokens(self, realm: str, client_id: str, session: Record, scope: str, nonce: str | None = None, *, refreshable: bool = True) -> Record:
        """Keycloak's token answer: access token, ID token when ``openid`` is asked, and a refresh token that works once."""
        own = self.store.get("realm", "", realm, self.clock()) or {}
        now, lifetime = int(self.clock()), int(own.get("accessTokenLifespan", self.settings.access_token_seconds))
        expires = self._save_session(realm, session)
        scopes = list(dict.fromkeys([*scope.split(), "profile", "email"]))
        claims = {"iat": now, "iss": self.issuer(realm), "azp": client_id, "sid": session["sid"], **self.claims(realm, session["username"])}
        who = (realm, session["username"], client_id)
        expiry = now - 1 if self.settings.faults.expired_tokens else now + lifetime
        access = self._sign(
            realm,
            {
                **claims,
                "aud": "account",
                **self.more_claims(*who, "access"),
                "exp": expiry,
                "jti": str(uuid.uuid4()),
                "typ": "Bearer",
                "acr": "1",
                "scope": " ".join(scopes),
            },
        )
        answer: Record = {
            "access_token": access,
            "expires_in": lifetime,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": " ".join(scopes),
        }
        if refreshable:
            refresh = secrets.token_urlsafe(48)
            record = {"sid": session["sid"], "client_id": client_id, "scope": scope, "nonce": nonce}
            self.store.put("refresh", realm, keys.fingerprint(refresh), record, expires)
            answer |= {"refresh_token": refresh, "refresh_expires_in": int(expires - now), "session_state": session["sid"]}
        if "openid" in scopes:
            half = base64.urlsafe_b64encode(hashlib.sha256(access.encode()).digest()[:16]).rstrip(b"=").decode()
            extra = {"exp": now + lifetime, "aud": client_id, "typ": "ID", "auth_time": int(session["started"]), "at_hash": half, "jti": str(uuid.uuid4())}
            answer["id_token"] = self._sign(realm, {**claims, **self.more_claims(*who, "id"), **extra, **({"nonce": nonce} if nonce else {})})
        return answer

    def refresh(self, realm: str, client_id: str, token: str) -> Record:
        """Fresh tokens for a refresh token, which works once. Shown again, it takes the client out of the session where the realm revokes such tokens."""
        key = keys.fingerprint(token)
        record = self.store.get("refresh", realm, key, self.clock())
        if record is None or record["client_id"] != client_id:
            raise OAuthError(400, "invalid_grant", "Invalid refresh token")
        session = self.session(realm, record["sid"])
        if session is None:
            left = self.store.get("session", realm, record["sid"], self.clock())
            raise OAuthError(400, "invalid_grant", "User disabled" if left and self.user(realm, left["username"]) else "Session not active")
        if client_id in session.get("detached", []):
            raise OAuthError(400, "invalid_grant", "Session doesn't have required client")
        if record.get("used"):
            if not (self.store.get("realm", "", realm, self.clock()) or {}).get("revokeRefreshToken"):
                raise OAuthError(400, "invalid_grant", "Invalid refresh token")
            # Somebody has a copy: the client must send its user to log in again.
            self._save_session(realm, {**session, "detached": [*session.get("detached", []), client_id]})
            raise OAuthError(400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
        self.store.put("refresh", realm, key, {**record, "used": True}, self.clock() + self.settings.session_idle_seconds)
        return self.tokens(realm, client_id, session, record["scope"], record["nonce"])

    def session_of_refresh(self, realm: str, client_id: str, token: str) -> Record | None:
        record = self.store.get("refresh", realm, keys.fingerprint(token), self.clock())
        return self.session(realm, record["sid"]) if record and record["client_id"] == client_id else None

    async def password_grant(self, realm: str, client_id: str, username: str, password: str, scope: str) -> Record:
        user = await self.authenticate(realm, username, password, brokered=False)
        if user is None:
            raise OAuthError(400, "invalid_grant", "Invalid user credentials")
        if not user["enabled"]:
            raise OAuthError(400, "invalid_grant", "Account disabled")
        if realm != MASTER and not all(user[name] for name in ("first_name", "last_name", "email")):
            raise OAuthError(400, "invalid_grant", "Account is not fully set up")
        session = self.session(realm, self.start_session(realm, user["username"]))
        if session is None:
            raise OAuthError(400, "invalid_grant", "Session not active")
        return self.tokens(realm, client_id, session, scope)

    def client_credentials(self, realm: str, client_id: str, scope: str) -> Record:
        session = self.session(realm, self.start_session(realm, f"{SERVICE_PREFIX}{client_id}".lower()))
        if session is None:
            raise OAuthError(400, "invalid_grant", "Session not active")
        return self.tokens(realm, client_id, session, scope, refreshable=False)

    def claims(self, realm: str, username: str) -> Record:
        """What tokens and userinfo say about a user."""
        user = self.user(realm, username)
        if user is None:
            return {"sub": str(uuid.uuid5(uuid.NAMESPACE_URL, username)), "preferred_username": username}
        named = {
            "name": f"{user['first_name']} {user['last_name']}".strip(), "given_name": user["first_name"], "family_name": user["last_name"],
            "email": user["email"],
        }  # fmt: skip
        fixed = {"sub": user["id"], "email_verified": user.get("email_verified", True), "preferred_username": user["username"]}
        return {**fixed, **{name: value for name, value in named.items() if value}}

    def _sign(self, realm: str, claims: Record) -> str:
        key = self.signing_key(realm)
        return jwt.encode(claims, key["private"], algorithm="RS256", headers={"kid": key["kid"]})

    def _decode(self, realm: str, token: str, **options: Any) -> Record | None:
        key = self.store.get("key", realm, "current", self.clock())
        if key is None:
            return None
        # Expiry is compared with our own clock below, so that tests can move it.
        checks = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "require": ["exp", "iss", "sub", "sid", "typ"], **options}
        try:
            return jwt.decode(token, jwt.PyJWK(key["public"]).key, algorithms=["RS256"], issuer=self.issuer(realm), options=checks)  # type: ignore[arg-type]
        except jwt.InvalidTokenError:
            return None

    def verify_access(self, token: str, realm: str | None = None, *, living: bool = True) -> tuple[str, Record] | None:
        """``(realm, claims)`` of an access token that is ours, not expired, and of a session that is ``living``; None otherwise."""
        if realm is None:
            try:
                kid = str(jwt.get_unverified_header(token).get("kid"))
            except jwt.InvalidTokenError:
                return None
            home = self.store.get("kid", "", kid, self.clock())
            if home is None:
                return None
            realm = str(home["realm"])
        claims = self._decode(realm, token)
        if claims is None or claims["typ"] != "Bearer" or claims["exp"] <= self.clock():
            return None
        if living and self.session(realm, claims["sid"]) is None:
            return None
        return realm, claims

    def verify_hint(self, realm: str, token: str) -> Record | None:
        """Claims of an ID token given as a hint at logout: it may be expired, it must be ours."""
        claims = self._decode(realm, token)
        return claims if claims and claims["typ"] == "ID" else None
