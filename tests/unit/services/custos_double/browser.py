"""Just enough of a browser and of an OpenID Connect client to go through a login."""

from __future__ import annotations

import base64
import hashlib
import secrets
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.unit.services.custos_double.server import ID2

REDIRECT = "https://hub.example.org/hub/oauth_callback"


class Page(HTMLParser):
    """What matters of a page: title, the form, its inputs, the text of elements with an id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title = ""
        self.form: dict[str, str | None] = {}
        self.inputs: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.labels: set[str] = set()
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._open = "title" if tag == "title" else values.get("id") or ""
        if tag == "form":
            self.form = values
        if tag == "input":
            self.inputs[values.get("name") or ""] = values.get("value") or ""
        if tag == "label":
            self.labels.add(values.get("for") or "")

    def handle_endtag(self, _tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "title":
            self.title += data
        elif self._open:
            self.texts[self._open] = self.texts.get(self._open, "") + data


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


class Login:
    """One authorization code flow with PKCE for the client ``child`` as ``make_child`` gives it."""

    def __init__(self, browser: httpx.Client, child: dict[str, Any], redirect_uri: str = REDIRECT) -> None:
        self.browser = browser
        self.child = child
        self.redirect_uri = redirect_uri
        self.verifier = secrets.token_urlsafe(48)
        self.state, self.nonce = secrets.token_urlsafe(8), secrets.token_urlsafe(8)
        self.base = f"/auth/realms/{child['realm']}"

    def authorize(self, **changes: str | None) -> httpx.Response:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        values = {
            "client_id": self.child["client_id"],
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid profile email",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "kc_idp_hint": "oidc",
            **changes,
        }
        query = urlencode({name: value for name, value in values.items() if value is not None})
        return self.browser.get(f"{self.base}/protocol/openid-connect/auth?{query}")

    def submit(self, page: httpx.Response, username: str, password: str) -> httpx.Response:
        form = Page(page.text)
        return self.browser.post(str(form.form["action"]), data={**form.inputs, "username": username, "password": password})

    def code(self, username: str, password: str) -> str:
        answer = self.submit(self.authorize(), username, password)
        assert answer.status_code == 302, answer.text
        return query_of(answer.headers["location"])["code"]

    def token(self, *, basic: bool = True, **values: str) -> httpx.Response:
        """POST to the token endpoint with the client's IAM secret."""
        credentials = (self.child["client_id"], self.child["iam_client_secret"])
        if basic:
            return self.browser.post(f"{self.base}/protocol/openid-connect/token", data=values, auth=credentials)
        values |= {"client_id": credentials[0], "client_secret": credentials[1]}
        return self.browser.post(f"{self.base}/protocol/openid-connect/token", data=values)

    def redeem(self, issued: str, *, basic: bool = True, **changes: str) -> httpx.Response:
        values = {"grant_type": "authorization_code", "code": issued, "redirect_uri": self.redirect_uri, "code_verifier": self.verifier, **changes}
        return self.token(basic=basic, **{name: value for name, value in values.items() if value})

    def log_in(self, username: str, password: str) -> dict[str, Any]:
        answer = self.redeem(self.code(username, password))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def userinfo(self, tokens: dict[str, Any]) -> httpx.Response:
        return self.browser.get(f"{self.base}/protocol/openid-connect/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})

    def logout(self, **values: str) -> httpx.Response:
        return self.browser.get(f"{self.base}/protocol/openid-connect/logout", params=values)


class Login2(Login):
    """A login by the second API's own endpoints at ``front``, which know no PKCE for a client with a secret."""

    def __init__(self, browser: httpx.Client, child: dict[str, Any], front: httpx.Client) -> None:
        super().__init__(browser, child)
        self.front = front

    def authorize(self, **changes: str | None) -> httpx.Response:
        values = {
            "client_id": self.child["client_id"], "redirect_uri": REDIRECT, "scope": "profile email", "state": self.state, "response_type": "code", **changes,
        }  # fmt: skip
        answer = self.front.get(f"{ID2}/authorize", params={name: value for name, value in values.items() if value is not None})
        # The server may have another name than the address the test goes to; a browser's cookies are for one of them.
        return self.browser.get(httpx.URL(answer.headers["location"]).raw_path.decode()) if answer.status_code == 302 else answer

    def code(self, username: str, password: str) -> str:
        self.browser.cookies.clear()
        return super().code(username, password)

    def token(self, *, basic: bool = True, **values: str) -> httpx.Response:
        credentials = (self.child["client_id"], self.child["iam_client_secret"])
        if basic:
            return self.front.post(f"{ID2}/token", data=values, auth=credentials)
        return self.front.post(f"{ID2}/token", data={**values, "client_id": credentials[0], "client_secret": credentials[1]})

    def redeem(self, issued: str, *, basic: bool = True, **changes: str) -> httpx.Response:
        return self.token(basic=basic, **{"grant_type": "authorization_code", "code": issued, "redirect_uri": REDIRECT, **changes})
