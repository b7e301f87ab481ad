"""Logging in, staying logged in, being refused, administering, and being sent by a gateway: on the site, with rules and a gateway set for this file."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from site_verify.errors import VerifyError
from site_verify.forms import parse_page
from site_verify.hub import NAVIGATE, HubSession, form_content, tls_context
from site_verify.scenario import Person

from tests.e2e.site import Run, Site, eventually

pytestmark = pytest.mark.site

TOKEN_SECONDS = 30
STRANGER = "user20"  # whom the rules of this file do not let in
DATA = "launch-data"  # folder of the storage machine, volume and claim
SESSION = "launched"
GROUPS = "apiserver/group-management/v1.0.0"


@dataclass
class Gateway:
    """The site with a gateway: what an administrator at Custos and what the gateway itself may do."""

    site: Site
    origin: str
    group: str
    alice: Person

    @functools.cached_property
    def client(self) -> dict[str, Any]:
        """The hub's client at the provider."""
        found: dict[str, Any] = json.loads((self.site.state / "secrets" / "oidc-client.json").read_text())
        return found

    def custos(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        """Ask Custos' API as the hub's client. Raises AssertionError."""
        answer = self._ask(
            method, f"{custos_url(self.client)}/{path}", auth=(self.client["custos_client_id"], self.client["custos_client_secret"]), json=values
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def good(self, token: str) -> bool:
        """Whether the provider takes an access token."""
        return self._ask("GET", self.client["userdata_url"], headers={"Authorization": f"Bearer {token}"}).status_code == 200

    def service(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Use the hub's API with the gateway's token, which the role generated."""
        token = json.loads((self.site.state / "secrets" / "hub.json").read_text())["service-airavata"]
        return self._ask(method, f"{self.site.values['hub_url']}/hub/api{path}", headers={"Authorization": f"token {token}"}, **content)

    def _ask(self, method: str, url: str, **content: Any) -> httpx.Response:
        return ask(self.site, method, url, **content)


def ask(site: Site, method: str, url: str, **content: Any) -> httpx.Response:
    """Send one request that trusts the site's CA only."""
    tls = tls_context(Path(site.values["hub_ca_certificate"]))
    with httpx.Client(verify=tls, trust_env=False, timeout=30) as client:
        return client.request(method, url, **content)


def custos_url(client: dict[str, Any]) -> str:
    """Where Custos' API is, from where the hub reads groups."""
    return str(client["groups_url"]).partition("/apiserver/")[0]


@pytest.fixture(scope="module")
def origin(built: tuple[Site, list[Run]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server of this machine, on the address that the machines know, with the repository `waves.git` in git's plain form."""
    site, _runs = built
    top = tmp_path_factory.mktemp("served")
    work = top / "work"
    names = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def git(folder: Path, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env={**os.environ, **names, "GIT_CONFIG_GLOBAL": "/dev/null"})

    work.mkdir()
    git(work, "init", "--quiet")
    (work / "tide.txt").write_text("high at noon\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "one")
    git(top, "clone", "--quiet", "--bare", str(work), "waves.git")
    git(top / "waves.git", "update-server-info")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(top))
    with http.server.ThreadingHTTPServer((deploy_address(site), 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{deploy_address(site)}:{server.server_port}"
        server.shutdown()


def deploy_address(site: Site) -> str:
    """This machine's address in the machines' network: the registry's."""
    return site.values["hub_registry"].rpartition(":")[0]


@pytest.fixture(scope="module")
def gateway(built: tuple[Site, list[Run]], origin: str) -> Iterator[Gateway]:
    """The site with short tokens, rules of access and a gateway. Everything is as it was afterwards."""
    site, _runs = built
    alice = Person("alice", site.users["alice"], site.browser())
    alice.session.login("alice", alice.password)
    alice.start()  # her namespace is where data has to be
    [pod] = [pod for pod in site.user_pods("alice") if pod.status.pod_ip and not pod.metadata.deletion_timestamp]
    namespace = pod.metadata.namespace
    alice.stop()
    client = json.loads((site.state / "secrets" / "oidc-client.json").read_text())
    credentials = (client["custos_client_id"], client["custos_client_secret"])
    made = ask(site, "POST", f"{custos_url(client)}/{GROUPS}/group", auth=credentials, json={"group": {"name": "hub-admins", "owner_id": "hub-admin"}})
    assert made.status_code == 200, made.text
    group = made.json()["id"]
    values = {
        "local_login_provider_access_token_seconds": TOKEN_SECONDS,
        "jupyterhub_allow_all": False,
        "jupyterhub_allowed_users": sorted(set(site.users) - {STRANGER}),
        "jupyterhub_admin_groups": [group],
        "jupyterhub_login_contact": "help@example.org",
        "jupyterhub_airavata": {"gateway_id": "e2e"},
        "jupyterhub_launch_git": [origin],
        "jupyterhub_launch_data": {"tides": {"claim": DATA}},
    }
    try:
        provide_data(site, namespace)
        let_out(site, namespace, origin)
        site.run_playbook("site.yml", "--tags", "login,hub", "-e", json.dumps(values)).must_pass()
        yield Gateway(site, origin, group, alice)
    finally:
        for server in alice.session.servers():
            alice.session.stop(server)
        alice.session.client.close()
        site.run_playbook("site.yml", "--tags", "login,hub").must_pass()
        ask(site, "DELETE", f"{custos_url(client)}/{GROUPS}/group/{group}", auth=credentials)
        site.kubectl("delete", "networkpolicy,persistentvolumeclaim", DATA, "-n", namespace, "--ignore-not-found")
        site.kubectl("delete", "persistentvolume", DATA, "--ignore-not-found")
        site.ssh("storage1", "rm", "-rf", f"{site.values['hub_storage_export']}/{DATA}")


def provide_data(site: Site, namespace: str) -> None:
    """An NFS export as a claim of a namespace, as docs/gateway.md tells an administrator to make one."""
    export = f"{site.values['hub_storage_export']}/{DATA}"
    site.ssh("storage1", f"mkdir -p {export}/2026 && echo 3.2 > {export}/2026/level.txt && chmod -R a+rX {export}")
    size = {"storage": "1Mi"}
    nfs = {"server": site.values["hub_storage_address"], "path": export}
    claim = {"namespace": namespace, "name": DATA}
    common: dict[str, Any] = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = {**common, "capacity": size, "nfs": nfs, "mountOptions": ["ro", "nfsvers=4.2"], "claimRef": claim, "persistentVolumeReclaimPolicy": "Retain"}
    apply(site, {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": DATA}, "spec": volume})
    spec = {**common, "resources": {"requests": size}, "volumeName": DATA}
    apply(site, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim, "spec": spec})


def let_out(site: Site, namespace: str, origin: str) -> None:
    """Notebooks of a namespace may reach the web server of this test, and nothing else of the private networks."""
    peer = {"to": [{"ipBlock": {"cidr": f"{deploy_address(site)}/32"}}], "ports": [{"port": int(origin.rpartition(":")[2]), "protocol": "TCP"}]}
    spec = {"podSelector": {"matchLabels": {"component": "singleuser-server"}}, "policyTypes": ["Egress"], "egress": [peer]}
    apply(site, {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": DATA, "namespace": namespace}, "spec": spec})


def apply(site: Site, manifest: dict[str, Any]) -> None:
    path = site.log_dir / f"{manifest['kind']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    site.kubectl("apply", "-f", str(path))


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
