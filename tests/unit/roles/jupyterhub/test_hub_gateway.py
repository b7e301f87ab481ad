"""What a gateway hands over to the real hub: a link that starts a server with data and repositories, a fresh token, stop and delete by a service token."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.urls import open_url
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.hub_users import HubError, hub_users

from tests.unit.images.test_hub_notebook import FILES
from tests.unit.roles.jupyterhub.hub_process import Browser, Hub
from tests.unit.roles.jupyterhub.people import Realm, log_in
from tests.unit.roles.jupyterhub.samples import SECRETS
from tests.unit.services.custos_double.browser import query_of
from tests.unit.services.custos_double.server import Server

TOKEN_SECONDS = 4
SERVICE = SECRETS["service-airavata"]
GATEWAY = {
    "airavata": {"gateway_id": "seagrid", "api_server_hostname": "api.seagrid.example", "api_server_secure": False},
    "token_at_spawn": True,
    "launch": {"git": ["https://github.com/seagrid"], "data": {"sea-ice": {"claim": "shared-sea-ice"}}},
}
LAUNCHES = [
    "git=https://github.com/seagrid/waves.git&dataPath=sea-ice&dataPath=sea-ice/2024",
    "opt-git=https://github.com/seagrid/waves.git&opt-dataPath=sea-ice&opt-dataPath=sea-ice/2024",
]


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("double"), access_token_seconds=TOKEN_SECONDS)
    yield server.start()
    server.stop()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, hub_python: Path, double: Server) -> Iterator[Hub]:
    process = Hub(tmp_path_factory.mktemp("hub"), hub_python, double, changes={"gateway": GATEWAY})
    yield process.start()
    process.stop()
    process.stop_servers()


@pytest.fixture(scope="module")
def alice(hub: Hub, double: Server) -> Iterator[Browser]:
    person = Browser(hub, double)
    assert log_in(person).status_code == 302
    yield person
    person.close()


@pytest.fixture(scope="module")
def server(alice: Browser, hub: Hub) -> dict[str, str]:
    """The environment of a server of alice's, which runs."""
    assert alice.get("/hub/spawn/alice/lasting?git=https://github.com/seagrid/waves").status_code == 302
    return hub.server_environment("alice", "lasting")


@pytest.mark.parametrize("query", LAUNCHES)
def test_a_link_starts_a_server_with_what_it_names(alice: Browser, hub: Hub, query: str) -> None:
    name = f"s{LAUNCHES.index(query)}"
    answer = alice.get(f"/hub/spawn/alice/{name}?{query}")
    assert answer.status_code == 302, answer.text
    found = hub.server_environment("alice", name)
    assert found["HUB_GIT_URLS"] == "https://github.com/seagrid/waves.git"
    assert found["HUB_DATA_PATHS"] == "/data/sea-ice /data/sea-ice/2024"
    assert (found["GATEWAY_ID"], found["API_SERVER_HOSTNAME"]) == ("seagrid", "api.seagrid.example")
    assert "API_SERVER_SECURE" not in found, "the SDK takes every text for true"
    assert found["AUTH_REALM"] == hub.child["realm"]
    assert Realm(hub, alice.double).good(found["CS_ACCESS_TOKEN"])
    assert found["UPSTREAM_TOKEN"] == found["CS_ACCESS_TOKEN"]


def test_a_link_works_for_somebody_who_is_not_logged_in(hub: Hub, double: Server) -> None:
    bob = Browser(hub, double)
    away = bob.get("/hub/spawn/bob/linked?git=https://github.com/seagrid/waves&dataPath=sea-ice")
    assert away.status_code == 302
    back = log_in(bob, "bob", "bob's own", query_of(away.headers["location"])["next"])
    assert bob.get(back.headers["location"]).status_code == 302
    assert hub.server_environment("bob", "linked")["HUB_GIT_URLS"] == "https://github.com/seagrid/waves"
    assert hub.call("DELETE", "/users/bob/servers/linked", SERVICE, json={"remove": True}).status_code in (202, 204)
    bob.close()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("git=https://evil.example/a/b", "Repositories of https://evil.example are not cloned here, only those of https://github.com/seagrid."),
        ("opt-git=ssh://git@github.com/seagrid/waves", "The link's repository has a user name or a password in its address, where everybody can read it."),
        ("dataPath=../etc", "../etc is not among the data that this hub offers, which is: sea-ice."),
    ],
)
def test_a_link_that_is_refused_says_why_and_starts_nothing(alice: Browser, hub: Hub, query: str, sentence: str) -> None:
    answer = alice.get(f"/hub/spawn/alice/refused?{query}")
    assert answer.status_code == 400
    assert sentence.replace("'", "&#39;") in answer.text
    assert "Start the server without it?" in answer.text
    assert "refused" not in hub.api("/users/alice")["servers"]


def test_the_api_cannot_start_what_a_link_may_not(alice: Browser, hub: Hub, server: dict[str, str]) -> None:
    token = hub.call("POST", "/users/alice/tokens", SECRETS["service-gateway"], json={"note": "test"}).json()["token"]
    for name, options in (("api1", {"git": ["https://evil.example/a/b"]}), ("api2", {"dataPath": "sea-ice"}), ("api3", {"dataPath": 7})):
        assert hub.call("POST", f"/users/alice/servers/{name}", token, json=options).status_code == 202
        hub.wait_until(lambda name=name: f"Exception applying user_options for alice:{name}" in hub.log(), "a refusal")
        hub.wait_until(lambda name=name: name not in hub.api("/users/alice")["servers"], "a server that is not started")
        assert not (hub.servers / f"alice-{name}.json").exists()
    # What was refused is not kept: the server can be started, without it.
    assert hub.call("POST", "/users/alice/servers/api1", token).status_code in (201, 202)
    assert "HUB_GIT_URLS" not in hub.server_environment("alice", "api1")


def test_a_server_is_resumed_with_what_it_was_made_for(alice: Browser, hub: Hub) -> None:
    alice.get("/hub/spawn/alice/again?git=https://github.com/seagrid/waves")
    hub.server_environment("alice", "again")
    hub.wait_until(lambda: hub.api("/users/alice")["servers"]["again"]["ready"], "a server that is ready")
    assert hub.call("DELETE", "/users/alice/servers/again", SERVICE).status_code in (202, 204)
    hub.wait_until(lambda: "again" not in hub.api("/users/alice")["servers"], "a stop")
    (hub.servers / "alice-again.json").unlink()
    assert alice.get("/hub/spawn/alice/again").status_code == 302
    assert hub.server_environment("alice", "again")["HUB_GIT_URLS"] == "https://github.com/seagrid/waves"


def test_the_gateways_token_stops_and_deletes_and_nothing_else(alice: Browser, hub: Hub) -> None:
    alice.get("/hub/spawn/alice/short?dataPath=sea-ice")
    hub.server_environment("alice", "short")
    for method, path in (
        ("GET", "/users"),
        ("GET", "/users/alice"),
        ("POST", "/users/alice/servers/short"),
        ("DELETE", "/users/alice"),
        ("POST", "/users/eve"),
    ):
        assert hub.call(method, path, SERVICE, json={}).status_code in (403, 404), f"{method} {path}"
    assert hub.call("GET", "/access-token", SERVICE).status_code == 403
    assert hub.call("DELETE", "/users/alice/servers/short", SERVICE, json={"remove": True}).status_code in (202, 204)

    def gone() -> bool:
        found = hub.call("GET", "/users/alice?include_stopped_servers", SECRETS["service-gateway"]).json()["servers"]
        return "short" not in found

    hub.wait_until(gone, "a server that was removed")


def hub_token(hub: Hub, environment: dict[str, str], code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the notebook image's helper, or a program that uses it, as in a server."""
    line = [sys.executable, "-c", code] if code else [sys.executable, "-m", "hub_token"]
    wanted = {**environment, "PYTHONPATH": str(FILES), "PATH": os.environ["PATH"]}
    return subprocess.run(line, env=wanted, cwd=hub.folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_server_gets_a_fresh_token_for_as_long_as_the_session_lasts(alice: Browser, hub: Hub, double: Server, server: dict[str, str]) -> None:
    realm = Realm(hub, double)
    first = hub_token(hub, server)
    assert first.returncode == 0, first.stderr
    token = first.stdout.strip()
    assert realm.good(token)
    hub.wait_until(lambda: not realm.good(token), "a token that ended")
    again = hub_token(hub, server).stdout.strip()
    assert again != token
    assert realm.good(again)


def test_a_kernel_that_is_open_all_day_has_a_fresh_token_in_every_cell(hub: Hub, double: Server, server: dict[str, str]) -> None:
    """What ipython_config.py loads, with the events of a shell; the cells are two lives of a token apart."""
    code = f"""
import hub_token, os, time
class Events:
    def register(self, name, call):
        assert name == "pre_run_cell"
        self.before = call
class Shell:
    events = Events()
hub_token.load_ipython_extension(Shell)
for cell in range(2):
    Shell.events.before(None)
    print(os.environ["CS_ACCESS_TOKEN"])
    time.sleep({TOKEN_SECONDS * 2})
"""
    done = hub_token(hub, server, code)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split()
    assert first != second


def test_many_servers_ask_at_once_and_the_refresh_token_is_used_once(alice: Browser, hub: Hub, double: Server, server: dict[str, str]) -> None:
    """The provider's refresh tokens are for one use: a second one with the same ends in an error, and in a new login."""
    time.sleep(TOKEN_SECONDS)
    code = """
import json, os, threading, urllib.request
got = []
def ask():
    url, token = os.environ["JUPYTERHUB_API_URL"] + "/access-token", os.environ["JUPYTERHUB_API_TOKEN"]
    request = urllib.request.Request(url, headers={"Authorization": "token " + token})
    got.append(json.load(urllib.request.urlopen(request, timeout=30))["access_token"])
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(got), len(set(got)))
"""
    done = hub_token(hub, server, code)
    assert done.stdout.split() == ["8", "1"], done.stderr
    assert alice.get("/hub/home").status_code == 200


def test_a_token_is_given_to_its_owners_servers_only(alice: Browser, hub: Hub, server: dict[str, str]) -> None:
    assert alice.get("/hub/api/access-token").status_code == 403, "a page in the browser got a token"
    with hub.client() as nobody:
        assert nobody.get("/hub/api/access-token").status_code == 403
    answer = hub.call("GET", "/access-token", server["JUPYTERHUB_API_TOKEN"])
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"access_token", "expires_at"}
    # Apart from that a server's token can what JupyterHub gives it, no more: not read `auth_state`, not start or stop servers.
    me = hub.call("GET", "/user", server["JUPYTERHUB_API_TOKEN"]).json()
    assert me.get("auth_state") is None
    assert {scope.partition("!")[0] for scope in me["scopes"]} == {
        "access:servers",
        "custom:access-token:read",
        "read:users:activity",
        "read:users:groups",
        "read:users:name",
        "users:activity",
    }
    assert all(scope.partition("!")[2] in ("user=alice", "server=alice/lasting") for scope in me["scopes"])
    assert hub.call("GET", "/users/bob", server["JUPYTERHUB_API_TOKEN"]).status_code in (403, 404)


def test_when_the_session_is_over_the_helper_says_what_to_do(hub: Hub, double: Server) -> None:
    bob = Browser(hub, double)
    log_in(bob, "bob", "bob's own")
    assert bob.get("/hub/spawn/bob/over?dataPath=sea-ice").status_code == 302
    environment = hub.server_environment("bob", "over")
    out = bob.get("/hub/logout")
    bob.at_provider.get(out.headers["location"])
    time.sleep(TOKEN_SECONDS)
    done = hub_token(hub, environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "The login provider has ended your session: open the hub's page, log in, and try again."
    # A new login mends it, without a new server.
    assert log_in(bob, "bob", "bob's own").status_code == 302
    assert hub_token(hub, environment).returncode == 0
    hub.call("DELETE", "/users/bob/servers/over", SERVICE, json={"remove": True})
    bob.close()


def test_no_token_is_in_a_log(hub: Hub, double: Server, alice: Browser, server: dict[str, str]) -> None:
    state = hub.api("/users/alice")["auth_state"]
    logs = hub.log() + (double.folder / "server.log").read_text()
    assert "access-token" in logs, "the hub logs its requests"
    for secret in (state["access_token"], state["refresh_token"], state["id_token"], server["CS_ACCESS_TOKEN"], server["JUPYTERHUB_API_TOKEN"], SERVICE):
        assert secret not in logs


def test_the_list_of_users_comes_page_by_page(hub: Hub) -> None:
    url, token = f"http://127.0.0.1:{hub.port}", SECRETS["service-gateway"]
    made = [f"listed-{number}" for number in range(5)]
    assert hub.call("POST", "/users", token, json={"usernames": made}).status_code == 201
    found = hub_users(url, token, open_url, page=2)
    assert len(found) == len(set(found))
    assert set(made) <= set(found)
    with pytest.raises(HubError, match="the token may not list users"):
        hub_users(url, SERVICE, open_url)
    with pytest.raises(HubError, match="does not know this token"):
        hub_users(url, "wrong", open_url)
