"""The same tests on the contract test server and on a real Keycloak: ``--backend builtin`` (without downloads), ``keycloak`` or ``both``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.backends import BOB, LOGGED_OUT, PASSWORD, REDIRECT, Admin, Backend
from tests.contract.keycloak import Keycloak, wanted
from tests.contract.recorded import Recordings
from tests.unit.services.custos_double.browser import Login
from tests.unit.services.custos_double.server import Server, make_child


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", choices=("builtin", "keycloak", "both"), default="builtin", help="whom the contract tests are run on")
    parser.addoption("--record", action="store_true", help="write Keycloak's answers to tests/contract/recorded instead of comparing with them")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--backend")
        metafunc.parametrize("backend", ["builtin", "keycloak"] if chosen == "both" else [chosen], indirect=True, scope="session")


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "keycloak":
        keycloak = Keycloak(folder).start()
        yield Backend("keycloak", keycloak, keycloak.url, keycloak.admin)
        keycloak.stop()
    else:
        admin = {"username": "admin", "password": "admin of the test"}
        server = Server(folder, keycloak_admin_file="keycloak.json")
        server.write("keycloak.json", admin)
        server.start()
        yield Backend("builtin", server, server.front_url, admin)
        server.stop()


@pytest.fixture(scope="session")
def front(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Custos' own API with the backend behind it: the contract test server itself, or one that leaves its tenants' realms to Keycloak."""
    if isinstance(backend.server, Server):
        yield backend.server
        return
    keycloak = {"url": f"{backend.url}/auth", "admin_file": "keycloak.json", "ca_file": str(backend.server.ca)}
    server = Server(tmp_path_factory.mktemp("front"), keycloak=keycloak, users_file=None)
    server.write("keycloak.json", backend.admin)
    server.ca.write_bytes(server.ca.read_bytes() + backend.server.ca.read_bytes())  # some clients go to both
    server.start()
    yield server
    server.stop()


@pytest.fixture
def http(front: Server) -> Iterator[httpx.Client]:
    with front.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def tenant(front: Server) -> dict[str, Any]:
    """A child tenant with its credentials, for the tests that leave it as it is."""
    with front.client() as http:
        return make_child(http, front.parent, "lasting")


@pytest.fixture(scope="module")
def recordings(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Recordings]:
    write = bool(request.config.getoption("--record")) and backend.name == "keycloak"
    kept = Recordings(
        str(request.module.__name__).rpartition(".")[2].removeprefix("test_"), write, f"Keycloak {wanted()['version']}, start-dev, of our own realm"
    )
    yield kept
    kept.close()


@pytest.fixture
def browser(backend: Backend) -> Iterator[httpx.Client]:
    with backend.client() as http:
        yield http


@pytest.fixture(scope="module")
def realm(request: pytest.FixtureRequest, backend: Backend) -> str:
    """A realm of the module's own, with the client ``hub`` and the user ``bob``."""
    name = f"{request.module.__name__.rpartition('.')[2]}"
    with backend.client() as http:
        admin = Admin(http, backend, name)
        values = {"realm": name, "enabled": True, "revokeRefreshToken": True, "refreshTokenMaxReuse": 0, "accessTokenLifespan": 1800}
        made = http.post(admin.base, json=values, headers=admin.headers)
        assert made.status_code == 201, made.text
        admin.headers = Admin(http, backend, name).headers  # Keycloak: a token knows only the realms there were when it was made
        hub = {
            "clientId": "hub", "name": "The hub", "redirectUris": [REDIRECT], "secret": "the hub's secret", "directAccessGrantsEnabled": True,
            "serviceAccountsEnabled": True, "attributes": {"post.logout.redirect.uris": LOGGED_OUT},
        }  # fmt: skip
        admin.make("/clients", hub)
        admin.make("/users", {**BOB, "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}]})
    return name


@pytest.fixture
def admin(browser: httpx.Client, backend: Backend, realm: str) -> Admin:
    return Admin(browser, backend, realm)


@pytest.fixture
def login(browser: httpx.Client, realm: str) -> Login:
    return Login(browser, {"realm": realm, "client_id": "hub", "iam_client_secret": "the hub's secret"}, REDIRECT)
