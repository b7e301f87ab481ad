"""Who is let in, who administers, and whose home is whose: the real hub, with the rules of a site, and a real provider of the Custos contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.roles.jupyterhub.hub_process import Browser, Hub
from tests.unit.roles.jupyterhub.people import Realm, asks_for_password, log_in
from tests.unit.services.custos_double.browser import Page, query_of
from tests.unit.services.custos_double.server import Server

TEAM = "0d8f2c6e-team"  # ids of groups at Custos
ADMINS = "0d8f2c6e-admins"


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("double"))
    server.users = [
        {"username": "alice", "password": "alice's"},
        {"username": "bob", "password": "bob's"},
        {"username": "carol", "password": "carol's", "email": "carol@lab.uni.example"},
    ]
    yield server.start()
    server.stop()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, hub_python: Path, double: Server) -> Iterator[Hub]:
    login = {
        "allow_all": False,
        "allow": {"users": [], "groups": [TEAM], "email_domains": ["*.uni.example"], "institutions": []},
        "admin": {"users": ["root-of-all"], "groups": [ADMINS], "email_domains": [], "institutions": []},
    }
    process = Hub(tmp_path_factory.mktemp("hub"), hub_python, double, changes={"login": login}, Authenticator={"auth_refresh_age": 1})
    yield process.start()
    process.stop()


@pytest.fixture(scope="module")
def realm(hub: Hub, double: Server) -> Realm:
    made = Realm(hub, double)
    for group in (TEAM, ADMINS):
        made.make_group(group)
    return made


def test_a_refused_person_is_told_who_why_and_whom_to_ask(browser: Browser, hub: Hub, realm: Realm) -> None:
    answer = log_in(browser, "bob", "bob's")
    assert answer.status_code == 403
    page = Page(answer.text)
    assert page.texts["refused-name"] == "bob"
    assert page.texts["refused-reason"] == f"Only people in group {TEAM}, and people with an e-mail address of *.uni.example may use this hub."
    assert page.texts["refused-contact"] == "help@example.org"
    assert "bob@example.org" in answer.text
    assert "root-of-all" not in answer.text, "who administers the hub is nobody's business"
    assert browser.get("/hub/home").status_code == 302, "bob has a session at the hub"
    assert [user["name"] for user in hub.api("/users") if user["name"] == "bob"] == []

    assert asks_for_password(browser) is False, "bob is still logged in at the provider"
    form = Page(answer.text).form
    assert form["method"] == "post", "the token would be in an address"
    out = browser.at_provider.post(str(form["action"]), data=Page(answer.text).inputs)
    assert (out.status_code, out.headers["location"]) == (302, "https://hub.example.org/hub/login")
    assert asks_for_password(browser) is True


def test_a_group_lets_in_and_a_group_makes_an_administrator(browser: Browser, hub: Hub, realm: Realm) -> None:
    assert log_in(browser, "alice", "alice's").status_code == 403
    realm.join(TEAM, "alice")
    assert log_in(browser, "alice", "alice's").status_code == 302
    user = hub.api("/users/alice")
    assert (user["admin"], user["groups"]) == (False, [TEAM])
    realm.join(ADMINS, "alice")
    assert log_in(browser, "alice", "alice's").status_code == 302
    user = hub.api("/users/alice")
    assert (user["admin"], set(user["groups"])) == (True, {ADMINS, TEAM})
    assert browser.get("/hub/admin").status_code == 200


def test_who_leaves_the_group_loses_the_right_without_a_new_login(browser: Browser, hub: Hub, realm: Realm) -> None:
    realm.join(TEAM, "alice")
    realm.join(ADMINS, "alice")
    log_in(browser, "alice", "alice's")
    assert browser.get("/hub/admin").status_code == 200
    realm.leave(ADMINS, "alice")
    hub.wait_until(lambda: browser.get("/hub/admin").status_code in (403, 404), "alice is no administrator any more")
    assert browser.get("/hub/home").status_code == 200
    realm.leave(TEAM, "alice")
    hub.wait_until(lambda: browser.get("/hub/home").status_code == 302, "alice is not let in any more")
    assert log_in(browser, "alice", "alice's").status_code == 403


def test_an_email_domain_lets_in(browser: Browser, hub: Hub, realm: Realm) -> None:
    assert log_in(browser, "carol", "carol's").status_code == 302
    assert hub.api("/users/carol")["admin"] is False


def test_a_name_that_was_given_to_somebody_else_does_not_open_the_old_home(browser: Browser, hub: Hub, double: Server, realm: Realm) -> None:
    assert log_in(browser, "carol", "carol's").status_code == 302
    before = hub.api("/users/carol")
    realm.replace("carol")
    other = Browser(hub, double)
    answer = log_in(other, "carol", "carol's")
    assert answer.status_code == 403
    assert Page(answer.text).texts["refused-reason"] == "The user name carol is taken here by another account."
    assert hub.api("/users/carol")["auth_state"] == before["auth_state"]
    other.close()


def test_a_user_from_before_belongs_to_the_account_of_the_last_login(browser: Browser, hub: Hub, double: Server, realm: Realm) -> None:
    """A hub that is upgraded has users without a binding: their last login says whose they are."""
    realm.join(TEAM, "bob")
    assert log_in(browser, "bob", "bob's").status_code == 302
    hub.stop()
    assert hub.sql("UPDATE users SET user_info = NULL WHERE name = 'bob'") == 1
    hub.start()
    assert log_in(browser, "bob", "bob's").status_code == 302
    hub.stop()
    assert hub.sql("UPDATE users SET user_info = NULL WHERE name = 'bob'") == 1
    hub.start()
    realm.replace("bob")
    other = Browser(hub, double)
    assert Page(log_in(other, "bob", "bob's").text).texts["refused-reason"] == "The user name bob is taken here by another account."
    other.close()


def test_the_provider_is_away_for_a_moment(browser: Browser, hub: Hub, double: Server, realm: Realm) -> None:
    realm.join(TEAM, "alice")
    log_in(browser, "alice", "alice's")
    double.stop()
    try:

        def asked_in_vain() -> bool:
            assert browser.get("/hub/home").status_code == 200
            return "The login provider does not answer, alice stays logged in" in hub.log()

        hub.wait_until(asked_in_vain, "a refresh that failed")
    finally:
        double.start()
    assert browser.get("/hub/home").status_code == 200


def test_a_login_without_the_provider_is_no_riddle(browser: Browser, hub: Hub, double: Server) -> None:
    """The provider goes away between its form and the hub's question about the code."""
    away = browser.get("/hub/oauth_login")
    state = query_of(away.headers["location"])["state"]
    double.stop()
    try:
        answer = browser.get(f"/hub/oauth_callback?code=x&state={state}")
    finally:
        double.start()
    assert answer.status_code == 503
    assert "The login provider does not answer as it should" in answer.text
