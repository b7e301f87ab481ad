"""OpenID Connect of a realm: what the hub's login relies on."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from tests.contract.backends import BOB, LOGGED_OUT, PASSWORD, Admin, Backend
from tests.contract.recorded import Recordings
from tests.unit.services.custos_double.browser import Login, Page, query_of


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_discovery_and_keys(browser: httpx.Client, login: Login, backend: Backend, realm: str, recordings: Recordings) -> None:
    answer = browser.get(f"{login.base}/.well-known/openid-configuration")
    recordings.see("discovery", answer, whole=False)
    document = answer.json()
    assert document["issuer"] == f"{backend.url}/auth/realms/{realm}"
    assert "S256" in document["code_challenge_methods_supported"]
    keys = browser.get(httpx.URL(document["jwks_uri"]).path)
    recordings.see("keys", keys, whole=False)
    tokens = login.log_in("bob", PASSWORD)
    key = jwt.PyJWKSet.from_dict(keys.json())[jwt.get_unverified_header(tokens["id_token"])["kid"]]
    assert jwt.decode(tokens["id_token"], key.key, algorithms=["RS256"], audience="hub", issuer=document["issuer"])["nonce"] == login.nonce
    recordings.see("no such realm", browser.get("/auth/realms/none/.well-known/openid-configuration"), whole=False)


def test_the_form_then_a_code_then_tokens(login: Login, recordings: Recordings) -> None:
    page = login.authorize()
    recordings.see("login form", page)
    assert {"username", "password"} <= set(Page(page.text).inputs)
    wrong = login.submit(page, "bob", "wrong")
    recordings.see("wrong password on the form", wrong)
    assert "Invalid username or password" in wrong.text
    answer = login.submit(wrong, "Bob", PASSWORD)
    recordings.see("login", answer, query_of(answer.headers["location"]))
    back = query_of(answer.headers["location"])
    assert back["state"] == login.state
    redeemed = login.redeem(back["code"])
    recordings.see("code", redeemed)
    tokens = redeemed.json()
    recordings.see("access token", redeemed, claims_of(tokens["access_token"]), whole=False)
    recordings.see("id token", redeemed, claims_of(tokens["id_token"]), whole=False)
    person = login.userinfo(tokens)
    recordings.see("userinfo", person)
    assert (person.json()["preferred_username"], person.json()["email"]) == ("bob", BOB["email"])
    assert login.authorize().status_code == 302, "the session lets a second application in without a form"


@pytest.mark.parametrize("basic", [True, False])
def test_both_ways_of_showing_the_secret(login: Login, basic: bool) -> None:
    assert login.redeem(login.code("bob", PASSWORD), basic=basic).status_code == 200


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("no verifier", "code_verifier", ""),
        ("another verifier", "code_verifier", "a" * 64),
        ("another redirect", "redirect_uri", LOGGED_OUT),
        ("no such code", "code", "a.b.c"),
    ],
)
def test_a_code_is_worth_nothing_without_its_proof(login: Login, recordings: Recordings, name: str, field: str, value: str) -> None:
    answer = login.redeem(login.code("bob", PASSWORD), basic=True, **{field: value})
    recordings.see(name, answer)
    assert answer.json()["error"] == "invalid_grant"


def test_a_code_works_once(login: Login, recordings: Recordings) -> None:
    code = login.code("bob", PASSWORD)
    tokens = login.redeem(code).json()
    recordings.see("used code", login.redeem(code))
    assert login.userinfo(tokens).status_code == 401


def test_refresh_rotates(login: Login, recordings: Recordings) -> None:
    tokens = login.log_in("bob", PASSWORD)
    fresh = login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    recordings.see("refresh", fresh)
    assert fresh.json()["refresh_token"] != tokens["refresh_token"]
    assert login.userinfo(fresh.json()).status_code == 200
    recordings.see("used refresh token", login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
    recordings.see("new refresh token after that", login.token(grant_type="refresh_token", refresh_token=fresh.json()["refresh_token"]))
    recordings.see("no refresh token", login.token(grant_type="refresh_token", refresh_token="made-up"))


@pytest.mark.parametrize("changes", [{"redirect_uri": "https://evil.example.org/"}, {"redirect_uri": None}, {"client_id": "nobody"}])
def test_nobody_is_sent_to_a_strange_address(login: Login, changes: dict[str, str | None]) -> None:
    answer = login.authorize(**changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(("changes", "error"), [({"response_type": "nothing"}, "unsupported_response_type"), ({"prompt": "none"}, "login_required")])
def test_other_mistakes_go_back_to_the_client(login: Login, changes: dict[str, str | None], error: str) -> None:
    answer = login.authorize(**changes)
    assert answer.status_code == 302
    assert query_of(answer.headers["location"])["error"] == error
    assert query_of(answer.headers["location"])["state"] == login.state


def test_silent_logout_ends_the_session(login: Login, recordings: Recordings) -> None:
    tokens = login.log_in("bob", PASSWORD)
    out = login.logout(id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGGED_OUT, state="s1")
    recordings.see("logout", out, query_of(out.headers["location"]))
    assert out.headers["location"] == f"{LOGGED_OUT}?state=s1"
    recordings.see("userinfo after the logout", login.userinfo(tokens))
    recordings.see("refresh after the logout", login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
    assert "username" in Page(login.authorize().text).inputs, "the form again"


def test_logout_without_a_hint_asks_and_never_redirects_to_a_stranger(login: Login) -> None:
    tokens = login.log_in("bob", PASSWORD)
    asked = login.logout(client_id="hub", post_logout_redirect_uri=LOGGED_OUT)
    assert asked.status_code == 200
    assert login.userinfo(tokens).status_code == 200, "nothing has ended yet"
    strange = login.logout(id_token_hint=tokens["id_token"], post_logout_redirect_uri="https://evil.example.org/")
    assert (strange.status_code, "location" in strange.headers) == (400, False)


def test_logout_by_refresh_token_for_servers(login: Login, recordings: Recordings) -> None:
    tokens = login.log_in("bob", PASSWORD)
    path = f"{login.base}/protocol/openid-connect/logout"
    values = {"client_id": "hub", "client_secret": "the hub's secret", "refresh_token": tokens["refresh_token"]}
    recordings.see("server logout", login.browser.post(path, data=values))
    assert login.userinfo(tokens).status_code == 401


def test_userinfo_wants_a_good_token(login: Login, recordings: Recordings) -> None:
    recordings.see("userinfo without a good token", login.userinfo({"access_token": "garbage"}))
    without = login.token(grant_type="password", username="bob", password=PASSWORD, scope="profile")
    recordings.see("userinfo without the scope openid", login.userinfo(without.json()))


def test_password_grant(admin: Admin, login: Login, recordings: Recordings) -> None:
    recordings.see("password grant", login.token(grant_type="password", username="bob", password=PASSWORD, scope="openid"))
    recordings.see("wrong password", login.token(grant_type="password", username="bob", password="wrong"))
    off = admin.make("/users", {**BOB, "username": "off", "email": "off@example.org", "enabled": False, "credentials": [{"type": "password", "value": "p"}]})
    recordings.see("disabled user", login.token(grant_type="password", username="off", password="p"))
    bare = admin.make("/users", {"username": "bare", "enabled": True, "credentials": [{"type": "password", "value": "p"}]})
    recordings.see("user without a name", login.token(grant_type="password", username="bare", password="p"))
    for key in (off, bare):
        admin.call("DELETE", f"/users/{key}")


def test_client_credentials(login: Login, recordings: Recordings) -> None:
    answer = login.token(grant_type="client_credentials")
    recordings.see("client credentials", answer)
    assert claims_of(answer.json()["access_token"])["preferred_username"] == "service-account-hub"


def test_clients_must_show_themselves(browser: httpx.Client, login: Login, recordings: Recordings) -> None:
    path = f"{login.base}/protocol/openid-connect/token"
    recordings.see("wrong client secret", browser.post(path, data={"grant_type": "client_credentials"}, auth=("hub", "wrong")))
    recordings.see("no such client", browser.post(path, data={"grant_type": "client_credentials"}, auth=("nobody", "wrong")))
    recordings.see("no grant type", login.token())
    for grant in ("password", "refresh_token", "authorization_code"):
        recordings.see(f"grant type {grant} and nothing else", login.token(grant_type=grant))
    recordings.see("JSON to the token endpoint", browser.post(path, json={"grant_type": "client_credentials"}, auth=("hub", "the hub's secret")), whole=False)
    recordings.see("no such grant type", login.token(grant_type="nothing"))


def test_a_public_client_needs_pkce_when_it_says_so(browser: httpx.Client, admin: Admin, realm: str) -> None:
    values = {"clientId": "app", "publicClient": True, "redirectUris": ["https://app.example.org/*"], "attributes": {"pkce.code.challenge.method": "S256"}}
    key = admin.make("/clients", values)
    login = Login(browser, {"realm": realm, "client_id": "app", "iam_client_secret": ""}, "https://app.example.org/callback")
    without = login.authorize(code_challenge=None, code_challenge_method=None)
    assert query_of(without.headers["location"])["error"] == "invalid_request"
    code = login.code("bob", PASSWORD)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": login.redirect_uri, "client_id": "app", "code_verifier": login.verifier}
    assert browser.post(f"{login.base}/protocol/openid-connect/token", data=form).status_code == 200
    admin.call("DELETE", f"/clients/{key}")
