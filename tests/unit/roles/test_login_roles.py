"""Roles local_login_provider and hub_login, run for real on this machine: a provider of its own on loopback, in a folder of the test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.services.custos_double.browser import Login
from tests.unit.services.custos_double.server import Server, free_port, make_certificates

TOP = Path(__file__).resolve().parents[3]
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  roles: {roles}
- hosts: localhost
  gather_facts: false
  tags: [never, stop]
  tasks:
    - airavata.jupyterhub.local_service:
        name: custos-double
        state_dir: "{{{{ hub_state_dir }}}}"
        state: absent
"""


class Site:
    """A folder with an inventory, and a way to run roles on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        (self.state / "ca").mkdir(parents=True, mode=0o700)
        make_certificates(self.state / "ca")
        port = free_port()
        self.values: dict[str, Any] = {
            "hub_site": "test",
            "hub_state_dir": str(self.state),
            "hub_machines_provider": "local",
            "hub_deploy_address": "127.0.0.1",
            "hub_ca_certificate": str(self.state / "ca" / "ca.crt"),
            "hub_url": "https://localhost:8443",
            "hub_login_issuer": f"https://127.0.0.1:{port}",
            "hub_login_front_url": f"https://localhost:{port}",
            "local_login_provider_listen": [f"127.0.0.1:{port}"],
            "local_login_provider_users": ["alice", "bob"],
        }

    def run(self, *arguments: str, roles: tuple[str, ...] = ("local_login_provider", "hub_login"), **values: Any) -> subprocess.CompletedProcess[str]:
        playbook, inventory, variables = (self.folder / name for name in ("play.yml", "hosts.yml", "values.json"))
        playbook.write_text(PLAYBOOK.format(roles=json.dumps([f"airavata.jupyterhub.{role}" for role in roles])))
        python = json.dumps(sys.executable)
        inventory.write_text(f"all: {{hosts: {{localhost: {{ansible_connection: local, ansible_python_interpreter: {python}}}}}}}")
        variables.write_text(json.dumps({**self.values, **values}))
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [str(program), "-i", str(inventory), "-e", f"@{variables}", str(playbook), *arguments]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(TOP / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def kept(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "secrets" / name).read_text())
        return content


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed something, after checking that none failed."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"changed=(\d+)\s+unreachable=0\s+failed=0", done.stdout)
    assert found, done.stdout
    return int(found[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    assert changed(made.run("--tags", "stop")) == 1


def test_the_whole_stage(site: Site) -> None:
    before = made_of(site)
    assert changed(site.run("--check", "--diff")) > 0
    assert made_of(site) == before, "check mode made something"

    first = site.run("--diff")
    assert changed(first) > 0
    client, people = site.kept("oidc-client.json"), site.kept("demo-users.json")["users"]
    names = {"client_id", "client_secret", "issuer", "authorize_url", "token_url", "userdata_url", "end_session_url", "jwks_url"}
    names |= {"groups_url", "custos_client_id", "custos_client_secret", "name", "scope", "username_claim", "authorize_params"}
    assert set(client) == names
    assert client["custos_client_secret"] != client["client_secret"]
    assert client["authorize_params"] == {"kc_idp_hint": "oidc"}
    assert client["issuer"].startswith(site.values["hub_login_front_url"])
    assert client["token_url"].startswith(site.values["hub_login_issuer"])
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (site.state / "secrets").iterdir())
    secrets = [
        client["client_secret"],
        client["custos_client_secret"],
        *(person["password"] for person in people),
        *(site.kept("local-login-provider.json").values()),
    ]
    assert not [secret for secret in secrets if secret in first.stdout + first.stderr]

    # Somebody logs in with what the two roles left behind.
    with Server.client_of(site.values["hub_login_issuer"], site.state / "ca" / "ca.crt") as browser:
        child = {"client_id": client["client_id"], "iam_client_secret": client["client_secret"], "realm": client["issuer"].rpartition("/")[2]}
        login = Login(browser, child, f"{site.values['hub_url']}/hub/oauth_callback")
        tokens = login.log_in("alice", people[0]["password"])
        assert login.userinfo(tokens).json()["preferred_username"] == "alice"
        out = login.logout(id_token_hint=tokens["id_token"], post_logout_redirect_uri=f"{site.values['hub_url']}/hub/login")
        assert (out.status_code, out.headers["location"]) == (302, f"{site.values['hub_url']}/hub/login")

    assert changed(site.run()) == 0

    # An interruption between registration and writing, and a new address besides: the same client is found again, and changed.
    (site.state / "secrets" / "oidc-client.json").unlink()
    uris = [f"{site.values['hub_url']}/hub/oauth_callback", "https://hub.example.org/hub/oauth_callback"]
    again = site.run("--diff", roles=("hub_login",), hub_login_redirect_uris=uris)
    assert changed(again) == 2
    assert "+    - https://hub.example.org/hub/oauth_callback" in again.stdout
    assert site.kept("oidc-client.json") == client


@pytest.fixture(scope="module")
def provider_issuer(site: Site) -> str:
    """The issuer of the realm that the custos preset made."""
    assert site.run().returncode == 0
    issuer: str = site.kept("oidc-client.json")["issuer"]
    return issuer


def made_of(site: Site) -> list[str]:
    return sorted(str(path.relative_to(site.state)) for path in site.state.rglob("*"))


@pytest.mark.parametrize(
    ("preset", "values", "expected"),
    [
        (
            "keycloak",
            {"hub_login_identity_provider": "oidc", "hub_login_institution": "https://idp.uni.example"},
            {
                "name": "Keycloak",
                "username_claim": "preferred_username",
                "authorize_params": {"kc_idp_hint": "oidc", "idphint": "https://idp.uni.example"},
                "scope": ["openid", "profile", "email"],
            },
        ),
        ("keycloak", {}, {"authorize_params": {}}),
        (
            "cilogon",
            {"hub_login_institution": "https://idp.uni.example"},
            {
                "name": "CILogon",
                "username_claim": "email",
                "authorize_params": {"selected_idp": "https://idp.uni.example"},
                "scope": ["openid", "profile", "email", "org.cilogon.userinfo"],
            },
        ),
        ("generic", {}, {"name": "", "authorize_params": {}}),
    ],
)
def test_presets_that_discover(site: Site, provider_issuer: str, tmp_path: Path, preset: str, values: dict[str, Any], expected: dict[str, Any]) -> None:
    """The addresses come from the issuer's own document; the client is given. Here the issuer is a realm of the provider of this test."""
    given = {"hub_login_preset": preset, "hub_login_issuer": provider_issuer, "hub_login_client_id": "hub", "hub_login_client_secret": "given by the provider"}
    given |= {"hub_login_file": str(tmp_path / "oidc-client.json")}
    if preset == "cilogon":
        assert changed(site.run("--check", "--diff", roles=("hub_login",), **given, **values)) == 1
    done = site.run("--diff", roles=("hub_login",), **given, **values)
    assert changed(done) == 1
    assert "given by the provider" not in done.stdout + done.stderr
    found = json.loads((tmp_path / "oidc-client.json").read_text())
    assert {name: found[name] for name in expected} == expected
    assert found["issuer"] == provider_issuer
    assert found["token_url"] == f"{provider_issuer}/protocol/openid-connect/token"
    assert found["end_session_url"] == f"{provider_issuer}/protocol/openid-connect/logout"
    assert (found["client_id"], found["client_secret"]) == ("hub", "given by the provider")
    if preset == "cilogon":
        assert changed(site.run(roles=("hub_login",), **given, **values)) == 0


def test_an_issuer_that_is_another_one_is_refused(site: Site, provider_issuer: str, tmp_path: Path) -> None:
    given = {"hub_login_preset": "keycloak", "hub_login_client_id": "hub", "hub_login_client_secret": "s", "hub_login_file": str(tmp_path / "oidc-client.json")}
    other = provider_issuer.replace("localhost", "127.0.0.1")
    done = site.run(roles=("hub_login",), hub_login_issuer=other, **given)
    assert done.returncode != 0
    assert f"is about {provider_issuer}. Set hub_login_issuer to exactly the issuer" in " ".join((done.stdout + done.stderr).split())
    assert not (tmp_path / "oidc-client.json").exists()


def test_a_provider_without_discovery(tmp_path: Path) -> None:
    site = Site(tmp_path)
    addresses = {name: f"https://login.example.org/{name}" for name in ("authorize_url", "token_url", "userdata_url")}
    given = {"hub_login_preset": "generic", "hub_login_issuer": "https://login.example.org"}
    for values, sentence in (
        ({"hub_login_endpoints": addresses}, "so hub_login_client_id and hub_login_client_secret have to be those of a client"),
        (
            {"hub_login_client_id": "hub", "hub_login_client_secret": "s", "hub_login_endpoints": {"token_url": "https://t"}},
            "has to have authorize_url, token_url, userdata_url",
        ),
    ):
        lacking = site.run(roles=("hub_login",), **given, **values)
        assert lacking.returncode != 0
        assert sentence in " ".join((lacking.stdout + lacking.stderr).split())
    client = {"hub_login_client_id": "hub", "hub_login_client_secret": "given by the provider"}
    done = site.run("--diff", roles=("hub_login",), hub_login_endpoints=addresses, **given, **client)
    assert changed(done) == 1
    assert "given by the provider" not in done.stdout + done.stderr
    found = site.kept("oidc-client.json")
    assert {name: found[name] for name in addresses} == addresses
    assert (found["issuer"], found["end_session_url"]) == ("https://login.example.org", "")


def test_a_missing_tenant_is_said_before_anything_is_tried(tmp_path: Path) -> None:
    done = Site(tmp_path).run(roles=("hub_login",))
    assert done.returncode != 0
    assert "It has to hold the gateway's tenant at Custos as JSON" in " ".join((done.stdout + done.stderr).split())
