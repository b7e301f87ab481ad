"""The real hub with the files that role hub_login keeps for it, and people who log in with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.modules.custos_places import Place
from tests.unit.roles.jupyterhub.hub_process import Browser, Hub
from tests.unit.roles.jupyterhub.people import asks_for_password, log_in
from tests.unit.roles.login_site import Site, changed
from tests.unit.services.custos_double.server import Server

TOKEN_SECONDS = 10  # long enough for a login on a busy machine


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("double"), access_token_seconds=TOKEN_SECONDS).start()
    yield server
    server.stop()


def registered(folder: Path, double: Server, **values: Any) -> dict[str, Any]:
    """What role hub_login keeps of a hub that it registers in the gateway's realm."""
    site = Site(folder)
    (site.state / "secrets").mkdir(mode=0o700)
    admin = {name: double.parent[name] for name in ("admin_username", "admin_password")}
    for name, content in {"custos-parent.json": double.parent, "keycloak-admin.json": admin}.items():
        (site.state / "secrets" / name).write_text(json.dumps(content))
    given = {"hub_login_issuer": double.url, "hub_ca_certificate": str(double.ca), "hub_url": "https://hub.example.org", **values}
    assert changed(site.run(roles=("hub_login",), **given)) == 2
    return site.kept("oidc-client.json")


@pytest.fixture(scope="module", params=["v1", "keycloak"])
def place(request: pytest.FixtureRequest, double: Server) -> Place:
    """The gateway's tenant, by the API that the hub is registered with."""
    return Place(request.param, double)


@pytest.fixture(scope="module")
def team(place: Place) -> str:
    """What the hub calls a group that alice is in, and bob is not."""
    place.register("alice", "bob")
    owner = {"owner": place.server.parent["admin_username"]} if place.owns else {}
    made = place.run("custos_group", name="team", members=[{"username": "alice"}], **owner)
    assert made["changed"] is True, made
    return str(made["group"]["group_id"]) if place.owns else "/team"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, hub_python: Path, double: Server, place: Place, team: str) -> Iterator[Hub]:
    issuer = f"{double.front_url}/auth/realms/{double.parent['tenant_id']}"
    values = {"hub_login_api": "v1"} if place.api == "v1" else {"hub_login_preset": "keycloak", "hub_login_issuer": issuer}
    client = registered(tmp_path_factory.mktemp("site"), double, **values)
    assert client["issuer"] == issuer, "people keep their homes when the API changes"
    login = {"name": "", "scope": [], "allow_all": False, "allow": {"users": [], "groups": [team], "email_domains": [], "institutions": []}}
    process = Hub(tmp_path_factory.mktemp("hub"), hub_python, double, {"login": login}, client, Authenticator={"auth_refresh_age": 1})
    yield process.start()
    process.stop()


def test_a_group_lets_in_and_a_logout_is_whole(browser: Browser, hub: Hub, place: Place, team: str) -> None:
    assert log_in(browser, "bob", "bob's own first").status_code == 403
    stranger = Browser(hub, place.server)
    answer = log_in(stranger, "alice", "alice's own first")
    assert (answer.status_code, answer.headers.get("location", "").endswith("/hub/home")) == (302, True), answer.text
    state = hub.api("/users/alice")["auth_state"]
    assert state["groups"] == [team]
    assert bool(state["refresh_token"]) is (place.api == "keycloak")

    away = stranger.get("/hub/logout")
    back = stranger.at_provider.get(away.headers["location"])
    assert back.headers["location"].startswith("https://hub.example.org/hub/login")
    assert asks_for_password(stranger) is True, "the provider's session is still there"
    stranger.close()


def test_a_login_goes_on_or_ends_with_its_token(browser: Browser, hub: Hub, place: Place) -> None:
    """Custos' second API renews nothing: its token endpoint would answer 500, as if it were away for a moment, and leave the person logged in for ever."""
    log_in(browser, "alice", "alice's own first")
    assert browser.get("/hub/home").status_code == 200
    before = hub.api("/users/alice")["auth_state"]["access_token"]
    limit = 3 * TOKEN_SECONDS
    if place.api == "v1":
        hub.wait_until(lambda: browser.get("/hub/home").status_code == 302, "the end of the login", limit)
    else:
        hub.wait_until(
            lambda: browser.get("/hub/home").status_code == 200 and hub.api("/users/alice")["auth_state"]["access_token"] != before, "a new token", limit
        )
