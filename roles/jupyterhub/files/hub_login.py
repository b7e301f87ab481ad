"""How people log in and out: OpenID Connect, and a logout that ends the session at the login provider too."""

from __future__ import annotations

from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import OAuthLogoutHandler
from tornado.httputil import url_concat
from traitlets import Unicode


def end_session_address(end_session_url: str, logged_out_url: str, client_id: str, id_token: str) -> str:
    """Return where the browser goes to end the session at the provider. With the ID token as hint it asks no question."""
    return url_concat(
        end_session_url,
        {"client_id": client_id, "id_token_hint": id_token, "post_logout_redirect_uri": logged_out_url},
    )


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


class SiteAuthenticator(GenericOAuthenticator):
    """The generic client of oauthenticator, with the logout above."""

    logout_handler = SiteLogoutHandler
    end_session_url = Unicode("", config=True, help="Where the provider ends a session. Empty: logging out ends the hub's session only.")
    logged_out_url = Unicode("", config=True, help="Where the provider sends the browser after that. It has to be registered there.")
