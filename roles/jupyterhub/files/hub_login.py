"""How people log in and out: OpenID Connect, names that stay, tokens that stay fresh, and a logout that ends the provider's session too."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from typing import Any

import jwt
from hub_access import Person, admin_of, fits, person, who_may
from hub_names import Account, NameRefusedError, account_of, binding, bound, settle
from hub_settings import TOKEN_SCOPE
from jupyterhub import orm
from jupyterhub.apihandlers import APIHandler
from jupyterhub.user import User
from kubespawner.slugs import safe_slug
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLogoutHandler
from sqlalchemy import Text, type_coerce
from sqlalchemy.orm import Session
from tornado import web
from tornado.httpclient import HTTPClientError
from tornado.httputil import url_concat
from traitlets import Bool, Dict, List, Set, Unicode

SLUG_LENGTH = 48  # of KubeSpawner's names
_SPARE_SECONDS = 60  # a token that somebody is given lives at least this long, or half its life


def end_session_address(end_session_url: str, logged_out_url: str, client_id: str, id_token: str) -> str:
    """Return where the browser goes to end the session at the provider. With the ID token as hint it asks no question."""
    return url_concat(
        end_session_url,
        {"client_id": client_id, "id_token_hint": id_token, "post_logout_redirect_uri": logged_out_url},
    )


class LoginRefusedError(web.HTTPError):
    """The provider knows who it is, and the hub does not let them in."""

    def __init__(self, reason: str, claims: dict[str, Any], id_token: str) -> None:
        super().__init__(403, reason)
        self.jupyterhub_message = reason
        self.claims, self.id_token = claims, id_token


class HubUsers:
    """The users in the hub's database, as the rules of names ask about them."""

    def __init__(self, db: Session) -> None:
        self.db = db

    def name_of(self, account: Account) -> str | None:
        """Name of the user that belongs to ``account``."""
        text = type_coerce(orm.User.user_info, Text)
        found = self.db.query(orm.User).filter(text.contains(json.dumps(account.subject), autoescape=True))
        return next((user.name for user in found if bound(user.user_info) == account), None)

    def exists(self, name: str) -> bool:
        """Whether there is a user of that name."""
        return orm.User.find(self.db, name) is not None

    def owner(self, name: str) -> Account | None:
        """The account that a user belongs to."""
        return bound(orm.User.find(self.db, name).user_info)

    def twin(self, name: str) -> str | None:
        """Another user with the same slug. A slug ends with 32 bits of a hash: somebody who may choose a name could find one that fits."""
        slug = safe_slug(name, max_length=SLUG_LENGTH)
        if slug == name:  # then it has no hash, and no other name comes to it
            return None
        others = (other for (other,) in self.db.query(orm.User.name) if other != name)
        return next((other for other in others if safe_slug(other, max_length=SLUG_LENGTH) == slug), None)


class SiteLogoutHandler(OAuthLogoutHandler):
    """Logs out of the hub, then of the provider."""

    _id_token = ""

    async def get(self) -> None:
        """Keep the ID token, which is gone with the hub's session, then log out."""
        user = self.current_user
        if user and self.authenticator.end_session_url:
            self._id_token = (await user.get_auth_state() or {}).get("id_token") or ""
        await super().get()

    async def render_logout_page(self) -> None:
        """Send the browser to the provider, which sends it back to the hub."""
        if not self._id_token:
            await super().render_logout_page()
            return
        login = self.authenticator
        self.redirect(end_session_address(login.end_session_url, login.logged_out_url, login.client_id, self._id_token))


class SiteCallbackHandler(OAuthCallbackHandler):
    """Where the provider sends people back to; explains a refusal."""

    async def get(self) -> None:
        """Log in, or show who was refused, why, whom to ask, and the way out at the provider."""
        try:
            await super().get()
        except (HTTPClientError, OSError) as error:
            self.log.error("A login failed, because the login provider did not do its part: %s", error)  # its answer was logged
            raise web.HTTPError(
                503, "The login provider does not answer as it should. Try again in a minute; if it lasts, tell the site's administrators."
            ) from error
        except LoginRefusedError as refused:
            login = self.authenticator
            self.log.warning("Refused to let in %s: %s", login.described(refused.claims), refused.jupyterhub_message)
            self.set_status(403)
            self.set_header("Cache-Control", "no-store")
            page = await self.render_template(
                "login_refused.html", login=login, claims=refused.claims, reason=refused.jupyterhub_message, id_token=refused.id_token
            )
            self.finish(page)


class AccessTokenHandler(APIHandler):
    """``GET /hub/api/access-token``: a fresh access token of the login provider, for the user's own servers.

    Not `auth_state` through the hub's API: that would also give away the refresh token and the ID token.
    """

    _accept_cookie_auth = False  # a page in the browser has no business with it

    async def get(self) -> None:
        """Answer ``{"access_token": "...", "expires_at": <seconds since 1970>}``; 403 when the person has to log in again, 503 when the provider is away."""
        user = self.current_user
        if not isinstance(user, User) or not self.get_scope_filter(TOKEN_SCOPE)(user.orm_user, "user"):
            raise web.HTTPError(403, "This token may not read an access token of the login provider.")
        try:
            state = await self.authenticator.fresh_state(user)
        except (HTTPClientError, OSError) as error:
            raise web.HTTPError(503, "The login provider does not answer. Try again in a minute.") from error
        if state is None:
            raise web.HTTPError(403, "The login provider has ended your session: open the hub's page, log in, and try again.")
        self.set_header("Cache-Control", "no-store")
        self.write(json.dumps({"access_token": state["access_token"], "expires_at": state["token_response"]["expires_at"]}))


class SiteAuthenticator(GenericOAuthenticator):
    """The generic client of oauthenticator, with the rules of hub_names and hub_access, and the handlers above."""

    logout_handler = SiteLogoutHandler
    callback_handler = SiteCallbackHandler
    end_session_url = Unicode("", config=True, help="Where the provider ends a session. Empty: logging out ends the hub's session only.")
    logged_out_url = Unicode("", config=True, help="Where the provider sends the browser after that. It has to be registered there.")
    issuer = Unicode("", config=True, help="The provider; half of what identifies an account.")
    former_issuers = Set(Unicode(), config=True, help="Providers used before, whose people keep their users by name.")
    subject_claim = Unicode("sub", config=True, help="The claim that identifies an account at the provider.")
    allow_rules = Dict(config=True, help="Who may come in when not everybody may: users, groups, email_domains, institutions.")
    admin_rules = Dict(config=True, help="Who administers the hub, in the same words.")
    institution_claims = List(Unicode(), config=True, help="Claims that say where somebody is from.")
    groups_claim = Unicode("groups", config=True, help="The claim with somebody's groups.")
    groups_url = Unicode("", config=True, help="Custos' address for somebody's groups; used instead of the claim.")
    groups_token = Unicode("", config=True, help="Custos' client token for that address.")
    refresh_tokens = Bool(True, config=True, help="Whether the provider renews tokens. False: a login ends with its token.")
    contact = Unicode("", config=True, help="Whom somebody asks who was refused: an e-mail address or a page.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A refresh token that is used twice at once ends the session at some providers.
        self._one_at_a_time: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def get_handlers(self, app: Any) -> list[Any]:
        """Return the handlers of oauthenticator, and the one for tokens."""
        return [*super().get_handlers(app), (r"/api/access-token", AccessTokenHandler)]

    # --- who it is ---

    def described(self, claims: dict[str, Any]) -> str:
        """Return an account for a log."""
        return f"{claims.get(self.username_claim)!r} (subject {claims.get(self.subject_claim)!r})"

    def user_info_to_username(self, user_info: dict[str, Any]) -> str:
        """Return the name that the provider gives. Raises LoginRefusedError when it gives none."""
        name = user_info.get(self.username_claim)
        if not name:
            raise LoginRefusedError(f"The login provider did not say your user name (claim {self.username_claim}).", user_info, "")
        return str(name)

    def _name_of(self, model: dict[str, Any]) -> tuple[str, Account]:
        claims = model["auth_state"][self.user_auth_state_key]
        try:
            account = account_of(claims, self.issuer, self.subject_claim)
            return settle(str(claims[self.username_claim]), account, HubUsers(self.parent.db), self.former_issuers), account
        except NameRefusedError as refused:
            raise self._refused(str(refused), model) from refused

    def _refused(self, reason: str, model: dict[str, Any]) -> LoginRefusedError:
        state = model["auth_state"]
        return LoginRefusedError(reason, state[self.user_auth_state_key], state.get("id_token") or "")

    def _person(self, model: dict[str, Any]) -> Person:
        state = model["auth_state"]
        return person(model["name"], state[self.user_auth_state_key], state["groups"], self.institution_claims)

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Give a login the hub user it belongs to, its groups and its rights. Raises LoginRefusedError."""
        await self._bind_as_before(auth_model)
        name, account = self._name_of(auth_model)
        auth_model["name"], auth_model["user_info"] = name, binding(account)
        auth_model["auth_state"]["groups"] = await self._groups(auth_model["auth_state"][self.user_auth_state_key]) if self.manage_groups else []
        auth_model["admin"] = admin_of(self._person(auth_model), self.admin_rules)
        return auth_model

    async def _bind_as_before(self, model: dict[str, Any]) -> None:
        """A user from before there were bindings belongs to the account of their last login."""
        user = orm.User.find(self.parent.db, model["name"])
        if user is None or bound(user.user_info):
            return
        state = await self.parent.users[user].get_auth_state() or {}
        subject = state.get(self.user_auth_state_key, {}).get(self.subject_claim)
        if subject:
            claims = jwt.decode(state["id_token"], options={"verify_signature": False}) if state.get("id_token") else {}  # kept by this hub
            user.user_info = binding(Account(str(claims.get("iss") or self.issuer), str(subject)))
            self.parent.db.commit()

    async def run_post_auth_hook(self, handler: Any, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Take the name, for somebody who is let in: between here and the hub's own making of the user another login could come."""
        model: dict[str, Any] = await super().run_post_auth_hook(handler, auth_model)
        name, account = self._name_of(model)
        if name != model["name"]:
            raise self._refused(f"The user name {model['name']} is taken here by another account.", model)
        handler.user_from_username(name).user_info = binding(account)
        self.parent.db.commit()
        return model

    # --- what they may ---

    async def _groups(self, claims: dict[str, Any]) -> list[str]:
        """Return the groups of a person: from the claim, or the ids of their groups at Custos, where names are not unique."""
        if not self.groups_url:
            groups = claims.get(self.groups_claim) or []
            return sorted({str(group) for group in groups} if isinstance(groups, list) else {str(groups)})
        url = url_concat(self.groups_url, {"profile.username": str(claims.get("preferred_username") or "")})
        found = await self.httpfetch(url, "reading groups", headers={"Authorization": f"Bearer {self.groups_token}", "Accept": "application/json"})
        return sorted({str(group["id"]) for group in (found or {}).get("groups") or []})

    def _let_in(self, model: dict[str, Any]) -> bool:
        return bool(self.allow_all or model["admin"] or fits(self._person(model), self.allow_rules))

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None) -> bool:
        """Return True for people whom the rules let in. Raises LoginRefusedError for all others."""
        if auth_model is None or self._let_in(auth_model):
            return True
        raise self._refused(who_may(self.allow_rules), auth_model)

    # --- for how long ---

    async def get_token_info(self, handler: Any, params: dict[str, Any]) -> dict[str, Any]:
        """Return the provider's answer, with the moment at which the access token ends, by this machine's clock."""
        info: dict[str, Any] = await super().get_token_info(handler, params)
        if not self.refresh_tokens:
            info.pop("refresh_token", None)  # a provider that fails to renew would seem to be away, and the person would stay logged in
        return {**info, "expires_at": int(time.time()) + int(info.get("expires_in") or 2 * _SPARE_SECONDS)}

    async def refresh_user(self, user: User, handler: Any = None, **kwargs: Any) -> Any:
        """Renew a token that is about to end and ask the provider again who it is. False: a new login is needed.

        A provider that does not answer sends nobody home.
        """
        async with self._one_at_a_time[user.name]:
            try:
                state = await self._renew(user)
                if state is None:
                    return False
                model = await super().refresh_user(user, handler, **kwargs)
            except (HTTPClientError, OSError) as error:
                self.log.warning("The login provider does not answer, %s stays logged in: %s", user.name, error)
                return True
            except LoginRefusedError as refused:
                self.log.warning("%s has to log in again: %s", user.name, refused.jupyterhub_message)
                return False
            if isinstance(model, dict):
                if not self._let_in({**model, "name": user.name}):
                    self.log.warning("%s is not let in any more", user.name)
                    return False
                # Kept now, not by the caller: meanwhile another request may have renewed the tokens.
                fresh = model.pop("auth_state")
                await user.save_auth_state({**fresh, "id_token": fresh["id_token"] or state["id_token"]})
            return model

    async def fresh_state(self, user: User) -> dict[str, Any] | None:
        """Return a user's `auth_state` with an access token that is good for a while. None: a new login is needed.

        Raises HTTPClientError or OSError when the provider does not answer.
        """
        async with self._one_at_a_time[user.name]:
            return await self._renew(user)

    async def _renew(self, user: User) -> dict[str, Any] | None:
        state: dict[str, Any] | None = await user.get_auth_state()
        if not state:
            return None
        info = state["token_response"]
        left = info.get("expires_at", 0) - time.time()
        if left > min(_SPARE_SECONDS, int(info.get("expires_in") or 0) / 2):
            return state
        if not state.get("refresh_token"):
            return state if left > 0 else None
        try:
            fresh = await self.get_token_info(None, self.build_refresh_token_request_params(state["refresh_token"]))
        except HTTPClientError as error:
            if error.code >= 500:
                raise
            self.log.info("The login provider does not renew the token of %s: %s", user.name, error)
            return None
        except web.HTTPError as error:
            self.log.info("The login provider does not renew the token of %s: %s", user.name, error.log_message)
            return None
        # What the answer leaves out stays as it was: the ID token, without which a logout asks a question, and a refresh token for many uses.
        fresh = {**{name: info[name] for name in ("id_token", "refresh_token", "scope") if name in info}, **fresh}
        state = {**state, **self.build_auth_state_dict(fresh, state[self.user_auth_state_key])}
        await user.save_auth_state(state)
        return state
