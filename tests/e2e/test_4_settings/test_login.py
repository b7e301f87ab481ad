"""Logging in, staying logged in, being refused, administering, and being sent by a gateway."""

from __future__ import annotations

import time

import httpx
import pytest
from site_verify.errors import VerifyError
from site_verify.forms import parse_page
from site_verify.hub import NAVIGATE, HubSession, form_content
from site_verify.scenario import Person

from tests.e2e.site import eventually
from tests.e2e.test_4_settings.gateway import GROUPS, SESSION, STRANGER, TOKEN_SECONDS, Gateway

pytestmark = pytest.mark.site


def test_tokens_are_renewed_without_a_new_login(gateway: Gateway) -> None:
    """The token of the login ends after half a minute; hub page and notebook go on, and the notebook has one that the provider takes."""
    alice = gateway.alice
    alice.session.logout()  # her token is of the time before they were short
    alice.session.login("alice", alice.password)
    alice.start()
    ask_token = "import hub_token; print(hub_token.access_token())"
    first = alice.run(ask_token).strip()
    assert gateway.good(first)
    assert alice.run("import os; print(os.environ['GATEWAY_ID'])").strip() == "e2e"
    eventually("the end of the first token", lambda: not gateway.good(first), TOKEN_SECONDS + 30)
    second = alice.run(ask_token).strip()
    assert second != first
    assert gateway.good(second)
    kept = alice.run("print(os.environ['CS_ACCESS_TOKEN'])").strip()
    assert gateway.good(kept), "what Airavata's SDK reads is as fresh"
    assert alice.session.open("/hub/home").login_form() is None
    assert alice.session.whoami() == "alice"
    logs = gateway.site.kubectl("logs", "-n", gateway.site.values["hub_namespace"], "deployment/hub")
    assert not [token for token in (first, second, kept) if token in logs]
    alice.stop()


def refused(session: HubSession, username: str, password: str) -> httpx.Response:
    """Log in until the hub answers the provider's code, whatever it answers."""
    form = session.login_page().login_form()
    assert form is not None
    content = form_content(form, {form.text_fields[0]: username, form.password_fields[0]: password})
    return session.client.request(form.method, form.action, headers=NAVIGATE, follow_redirects=True, **content)


def test_who_is_not_let_in_is_told_why_and_gets_out(gateway: Gateway) -> None:
    with gateway.site.browser() as session:
        answer = refused(session, STRANGER, gateway.site.users[STRANGER])
        assert answer.status_code == 403
        page = parse_page(str(answer.url), answer.text)
        assert page.text_by_id["refused-name"] == STRANGER
        assert "Only people whom its administrators named may use this hub." in page.text_by_id["refused-reason"]
        assert page.text_by_id["refused-contact"] == "help@example.org"
        assert session.whoami() is None
        form = page.form("refused-logout")
        assert form is not None
        assert session.is_hub(session.submit(form)), "the provider sends people back to the hub"
        session.login_page()  # asks for a password: the provider has forgotten the stranger


def test_a_group_at_custos_makes_an_administrator(gateway: Gateway) -> None:
    site = gateway.site
    bob = site.person("bob")
    with pytest.raises(VerifyError, match=r"403|404"):
        bob.session.open("/hub/admin")
    gateway.custos("POST", f"{GROUPS}/user/group/membership", group_id=gateway.group, username="bob", type="MEMBER")
    bob.session.logout()
    bob.session.login("bob", bob.password)
    assert bob.session.fetch_json("GET", "/hub/api/user")["admin"] is True
    bob.session.open("/hub/admin")
    assert "alice" in [user["name"] for user in bob.session.fetch_json("GET", "/hub/api/users")]
    gateway.custos("DELETE", f"{GROUPS}/user/group/membership", group_id=gateway.group, username="bob")
    bob.session.logout()
    bob.session.login("bob", bob.password)
    assert bob.session.fetch_json("GET", "/hub/api/user")["admin"] is False


def test_logging_out_ends_the_session_at_the_provider(gateway: Gateway) -> None:
    bob = gateway.site.person("bob")
    page = bob.session.logout()
    assert bob.session.is_hub(page), "the provider asked a question"
    assert bob.session.whoami() is None
    bob.session.login_page()  # asks for a password


def test_a_gateways_link_starts_a_server_with_its_repository_and_data(gateway: Gateway) -> None:
    """Somebody who is not logged in opens the link, logs in, and is where it leads; the gateway stops the server and takes it away."""
    alice = gateway.alice
    alice.session.logout()
    link = f"/hub/spawn/alice/{SESSION}?git={gateway.origin}/waves.git&dataPath=tides/2026"
    session, begun = alice.session, time.monotonic()
    page = session.open(link)
    button = page.link("/oauth_login")
    assert button, f"no login was asked for at {page.url}"
    form = session.open(button).login_form()
    assert form is not None
    session.submit(form, **{form.text_fields[0]: "alice", form.password_fields[0]: alice.password})
    session.wait_ready(SESSION, begun)
    launched = Person("alice", alice.password, session, server=SESSION)
    home = "import os, pathlib; home = pathlib.Path.home()"
    cloned = f"{home}\nprint((home / 'waves' / 'tide.txt').exists())"
    eventually("the clone", lambda: launched.run(cloned).strip() == "True", 60)
    assert launched.run(f"{home}\nprint((home / 'waves' / 'tide.txt').read_text())").strip() == "high at noon"
    assert "done" in launched.run("print((home / 'gateway-launch.log').read_text())")
    assert launched.run("print(pathlib.Path('/data/tides/2026/level.txt').read_text())").strip() == "3.2"
    assert launched.run("print((home / 'data-2026' / 'level.txt').read_text())").strip() == "3.2"
    write = "try:\n    pathlib.Path('/data/tides/2026/mine').write_text('')\nexcept OSError as error:\n    print(error.errno)"
    assert launched.run(write).strip() == "30", "30 is EROFS: a read-only file system"
    launched.run("import shutil; shutil.rmtree(home / 'waves'); (home / 'data-2026').unlink(); (home / 'gateway-launch.log').unlink()")
    launched.forget()

    for method, path in (("GET", "/users"), ("POST", f"/users/alice/servers/{SESSION}"), ("DELETE", "/users/alice")):
        assert gateway.service(method, path, json={}).status_code in (403, 404), f"the gateway's token may {method} {path}"
    assert gateway.service("DELETE", f"/users/alice/servers/{SESSION}", json={"remove": True}).status_code in (202, 204)

    def gone() -> bool:
        return SESSION not in session.fetch_json("GET", "/hub/api/users/alice?include_stopped_servers")["servers"]

    eventually("the end of the session", gone, 90)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("git=https://evil.example/a/b", "are not cloned here, only those of"),
        ("opt-dataPath=tides/../../etc", "is not among the data that this hub offers, which is: tides."),
    ],
)
def test_a_link_that_is_not_allowed_is_refused_with_a_sentence(gateway: Gateway, query: str, sentence: str) -> None:
    session = gateway.alice.session
    if session.whoami() is None:
        session.login("alice", gateway.alice.password)
    answer = session.client.get(f"{session.url}/hub/spawn/alice/refused?{query}", headers=NAVIGATE, follow_redirects=True)
    assert answer.status_code == 400
    assert sentence in parse_page(str(answer.url), answer.text).text
    assert "refused" not in session.servers()
