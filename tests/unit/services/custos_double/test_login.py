"""A whole login as a browser and a client go through it, over TLS, against the running server."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

import httpx
import jwt
import pytest

from tests.unit.services.custos_double.browser import Login, Page, query_of
from tests.unit.services.custos_double.server import PASSWORD, Server, make_child


@pytest.fixture(scope="module")
def child(server: Server) -> dict[str, Any]:
    with server.client() as client:
        return make_child(client, server.parent)


@pytest.fixture
def login(client: httpx.Client, child: dict[str, Any]) -> Login:
    return Login(client, child)


def test_discovery_has_a_fixed_front_and_the_back_channel_that_was_asked(server: Server, client: httpx.Client, child: dict[str, Any]) -> None:
    path = f"/auth/realms/{child['realm']}/.well-known/openid-configuration"
    document = client.get(path).json()
    assert document["issuer"] == f"{server.front_url}/auth/realms/{child['realm']}"
    assert document["authorization_endpoint"].startswith(server.front_url)
    assert document["end_session_endpoint"].startswith(server.front_url)
    for name in ("token_endpoint", "userinfo_endpoint", "jwks_uri"):
        assert document[name].startswith(server.url)
    assert document["code_challenge_methods_supported"] == ["S256"]
    with server.client(server.front_url) as front:
        assert front.get(path).json()["token_endpoint"].startswith(server.front_url)
    spoofed = client.get(path, headers={"Host": "evil.example.org"}).json()
    assert spoofed["token_endpoint"].startswith(server.front_url)


def test_a_whole_login_with_pkce_refresh_and_silent_logout(server: Server, login: Login, child: dict[str, Any]) -> None:
    page = login.authorize()
    assert page.status_code == 200
    form = Page(page.text)
    assert "Custos" in form.title
    assert form.form["method"] == "post"
    assert {"username", "password"} <= set(form.inputs)
    assert {"username", "password"} <= form.labels
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]

    answer = login.submit(page, "Alice", PASSWORD)
    assert answer.status_code == 302
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax", f"Path=/auth/realms/{child['realm']}/"))
    back = query_of(answer.headers["location"])
    assert answer.headers["location"].startswith("https://hub.example.org/hub/oauth_callback?")
    assert back["state"] == login.state

    tokens = login.redeem(back["code"]).json()
    keys = jwt.PyJWKSet.from_dict(login.browser.get(f"{login.base}/protocol/openid-connect/certs").json())
    kid = jwt.get_unverified_header(tokens["id_token"])["kid"]
    issuer = f"{server.front_url}/auth/realms/{child['realm']}"
    claims = jwt.decode(tokens["id_token"], keys[kid].key, algorithms=["RS256"], audience=child["client_id"], issuer=issuer)
    assert claims["nonce"] == login.nonce
    assert claims["preferred_username"] == "alice"

    person = login.userinfo(tokens).json()
    assert person["preferred_username"] == "alice"
    assert person["email"] == "alice@example.org"
    assert person["sub"] == claims["sub"]

    again = login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] != tokens["refresh_token"]
    stale = login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (stale.status_code, stale.json()["error"]) == (400, "invalid_grant")

    assert login.authorize().status_code == 302, "the session lets a second application in without a form"

    target = "https://hub.example.org/hub/logged-out"
    out = login.logout(id_token_hint=tokens["id_token"], post_logout_redirect_uri=target, state="s1")
    assert (out.status_code, out.headers["location"]) == (302, f"{target}?state=s1")
    assert login.userinfo(again.json()).status_code == 401
    assert login.token(grant_type="refresh_token", refresh_token=again.json()["refresh_token"]).json()["error"] == "invalid_grant"
    assert "username" in Page(login.authorize().text).inputs, "the form again: the session is over"


def test_a_wrong_password_is_said_on_the_form(login: Login) -> None:
    answer = login.submit(login.authorize(), "alice", "wrong")
    page = Page(answer.text)
    assert answer.status_code == 200
    assert "Invalid username or password" in page.texts["error"]
    assert page.inputs["username"] == "alice"
    assert "location" not in answer.headers
    assert login.submit(answer, "alice", PASSWORD).status_code == 302, "the same page can be tried again"


def test_markup_in_a_username_is_text(login: Login) -> None:
    answer = login.submit(login.authorize(), '"><script>alert(1)</script>', "wrong")
    assert "<script>" not in answer.text


def test_logout_without_a_hint_asks_first(login: Login) -> None:
    tokens = login.log_in("bob", "bob's own")
    target = "https://hub.example.org/hub/logged-out"
    asked = login.logout(client_id=login.child["client_id"], post_logout_redirect_uri=target)
    assert asked.status_code == 200
    assert login.userinfo(tokens).status_code == 200, "nothing has ended yet"
    form = Page(asked.text)
    done = login.browser.post(str(form.form["action"]), data=form.inputs)
    assert (done.status_code, done.headers["location"]) == (302, target)
    assert login.userinfo(tokens).status_code == 401


def test_logout_by_refresh_token_for_servers(login: Login) -> None:
    tokens = login.log_in("bob", "bob's own")
    path = f"{login.base}/protocol/openid-connect/logout"
    credentials = {"client_id": login.child["client_id"], "client_secret": login.child["iam_client_secret"]}
    assert login.browser.post(path, data={"refresh_token": tokens["refresh_token"]}).status_code == 401
    assert login.browser.post(path, data={**credentials, "refresh_token": tokens["refresh_token"]}).status_code == 204
    assert login.userinfo(tokens).status_code == 401


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"id_token_hint": "not-a-token"}, "id_token_hint"),
        ({"post_logout_redirect_uri": "https://evil.example.org/"}, "redirect"),
        ({"client_id": "ours", "post_logout_redirect_uri": "https://evil.example.org/"}, "redirect"),
    ],
)
def test_logout_never_redirects_to_a_stranger(login: Login, values: dict[str, str], text: str) -> None:
    if values.get("client_id") == "ours":
        values = {**values, "client_id": login.child["client_id"]}
    answer = login.logout(**values)
    assert answer.status_code == 400
    assert text in Page(answer.text).texts["error"]


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://hub.example.org/hub/oauth_callback/"},
        {"redirect_uri": "https://hub.example.org/hub/oauth_callback?next=/"},
        {"redirect_uri": "https://hub.example.org.evil.org/hub/oauth_callback"},
        {"redirect_uri": None},
        {"client_id": "somebody-else"},
    ],
)
def test_an_unchecked_address_is_never_redirected_to(login: Login, changes: dict[str, str | None]) -> None:
    answer = login.authorize(**changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_other_mistakes_go_back_to_the_client(login: Login, changes: dict[str, str | None], error: str) -> None:
    answer = login.authorize(**changes)
    assert answer.status_code == 302
    assert query_of(answer.headers["location"])["error"] == error
    assert query_of(answer.headers["location"])["state"] == login.state


def test_prompt_login_shows_the_form_in_spite_of_a_session(login: Login) -> None:
    login.log_in("bob", "bob's own")
    assert login.authorize().status_code == 302
    assert login.authorize(prompt="login").status_code == 200


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"code_verifier": ""}, "PKCE code verifier not specified"),
        ({"code_verifier": "a" * 64}, "PKCE verification failed"),
        ({"redirect_uri": "https://hub.example.org/hub/logged-out"}, "redirect_uri"),
        ({"code": "made-up"}, "Code not valid"),
    ],
)
def test_a_code_is_worth_nothing_without_its_proof(login: Login, changes: dict[str, str], text: str) -> None:
    code = login.code("bob", "bob's own")
    answer = login.redeem(code, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert text in answer.json()["error_description"]


def test_a_code_works_once_and_a_second_use_ends_the_session(login: Login) -> None:
    code = login.code("bob", "bob's own")
    tokens = login.redeem(code).json()
    assert login.userinfo(tokens).status_code == 200
    assert login.redeem(code).json()["error"] == "invalid_grant"
    assert login.userinfo(tokens).status_code == 401


@pytest.mark.parametrize("basic", [True, False])
def test_the_token_endpoint_wants_the_iam_secret(login: Login, basic: bool) -> None:
    code = login.code("bob", "bob's own")
    login.child = {**login.child, "iam_client_secret": login.child["client_secret"]}
    assert login.redeem(code, basic=basic).status_code == 401, "Custos' own secret is another one"


@pytest.mark.parametrize("basic", [True, False])
def test_both_ways_of_showing_the_secret_work(login: Login, basic: bool) -> None:
    assert login.redeem(login.code("bob", "bob's own"), basic=basic).status_code == 200


def test_people_of_the_directory_have_no_password_grant(login: Login) -> None:
    answer = login.token(grant_type="password", username="alice", password=PASSWORD)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_form_from_another_browser_is_refused(server: Server, login: Login) -> None:
    page = login.authorize()
    with server.client() as other:
        stolen = Login(other, login.child)
        assert stolen.submit(page, "alice", PASSWORD).status_code == 400
    forged = login.browser.post(f"{login.base}/login-actions/authenticate", data={"username": "alice", "password": PASSWORD, "request": ""})
    assert forged.status_code == 400


def test_a_session_belongs_to_one_realm(server: Server, client: httpx.Client, login: Login) -> None:
    tokens = login.log_in("bob", "bob's own")
    second = Login(client, make_child(client, server.parent, "second"))
    assert second.authorize().status_code == 200
    assert second.userinfo(tokens).status_code == 401


def test_tampered_and_foreign_tokens_are_refused(login: Login) -> None:
    tokens = login.log_in("bob", "bob's own")
    head, body, signature = tokens["access_token"].split(".")
    for token in (f"{head}.{body}.{signature[::-1]}", f"{head}.{body}.", tokens["id_token"], jwt.encode({"sub": "x"}, "k" * 32), "garbage"):
        assert login.userinfo({"access_token": token}).status_code == 401


def test_expired_tokens_can_be_had_and_refreshed(server: Server, login: Login) -> None:
    server.faults(expired_tokens=True)
    tokens = login.log_in("bob", "bob's own")
    assert login.userinfo(tokens).status_code == 401
    server.calm()
    fresh = login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    assert login.userinfo(fresh).status_code == 200


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_a_server_whose_clock_is_wrong(server: Server, login: Login, child: dict[str, Any], ahead: int) -> None:
    """Its tokens are of another time, for itself they are good; a client with a right clock sees which of them cannot be."""
    server.faults(clock_skew_seconds=ahead)
    tokens = login.log_in("bob", "bob's own")
    assert login.userinfo(tokens).status_code == 200
    keys = jwt.PyJWKSet.from_dict(login.browser.get(f"{login.base}/protocol/openid-connect/certs").json())
    key = keys[jwt.get_unverified_header(tokens["id_token"])["kid"]].key
    with pytest.raises(jwt.ImmatureSignatureError if ahead > 0 else jwt.ExpiredSignatureError):
        jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=child["client_id"])
    server.calm()
    assert (login.userinfo(tokens).status_code == 200) == (ahead > 0), "set right again, it finds tokens of the past expired"


@pytest.mark.parametrize("kill", [False, True])
def test_everything_survives_a_restart(server: Server, login: Login, kill: bool) -> None:
    tokens = login.log_in("bob", "bob's own")
    page = login.authorize(prompt="login")
    server.restart(kill=kill)
    assert login.userinfo(tokens).status_code == 200
    assert login.authorize().status_code == 302
    assert login.submit(page, "bob", "bob's own").status_code == 302, "a form that was open meanwhile still works"
    assert login.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200


def test_the_state_file_is_private_and_keeps_no_password(server: Server, login: Login) -> None:
    tokens = login.log_in("bob", "bob's own")
    for path in server.folder.glob("custos.sqlite3*"):
        assert path.stat().st_mode & 0o077 == 0, path
    held = b"".join(path.read_bytes() for path in server.folder.glob("custos.sqlite3*"))
    for secret in (PASSWORD, "bob's own", server.parent["admin_password"], tokens["refresh_token"]):
        assert secret.encode() not in held
    log = (server.folder / "server.log").read_text()
    for secret in (tokens["access_token"], tokens["refresh_token"], login.state):
        assert secret not in log


def test_a_person_taken_from_the_directory_cannot_come_back(server: Server, login: Login) -> None:
    login.log_in("alice", PASSWORD)
    kept = list(server.users)
    try:
        server.users = [user for user in server.users if user["username"] != "alice"]
        server.restart()
        answer = login.submit(login.authorize(prompt="login"), "alice", PASSWORD)
        assert "error" in Page(answer.text).texts
    finally:
        server.users = kept
        server.restart()


def test_guessing_gets_slow_for_the_name_that_is_guessed_only(login: Login) -> None:
    page = login.authorize()
    for _index in range(7):
        page = login.submit(page, "bob", "wrong")
    started = time.monotonic()
    login.submit(page, "bob", "wrong")
    slow = time.monotonic() - started
    assert slow >= 0.95
    started = time.monotonic()
    assert login.submit(page, "alice", PASSWORD).status_code == 302
    assert time.monotonic() - started < slow


def test_twenty_people_log_in_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    crowd = Server(tmp_path_factory.mktemp("crowd"))
    crowd.users = [{"username": f"user{number}", "password": f"password of {number}"} for number in range(20)]
    crowd.start()
    try:
        with crowd.client() as client:
            child = make_child(client, crowd.parent)

        def one(number: int) -> str:
            with crowd.client() as browser:
                login = Login(browser, child)
                return str(login.userinfo(login.log_in(f"user{number}", f"password of {number}")).json()["preferred_username"])

        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            names = list(pool.map(one, range(20)))
        assert names == [f"user{number}" for number in range(20)]
        assert time.monotonic() - started < 30
    finally:
        crowd.stop()
