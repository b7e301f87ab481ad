"""The configuration under the real hub: it loads, people log in and out through a real provider of the Custos contract."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.unit.roles.jupyterhub.conftest import HUB_FILES, NAMES_FILE
from tests.unit.roles.jupyterhub.hub_process import Browser, Hub
from tests.unit.roles.jupyterhub.people import asks_for_password, log_in
from tests.unit.roles.jupyterhub.samples import SECRETS, VALUES
from tests.unit.services.custos_double.browser import Page, query_of
from tests.unit.services.custos_double.server import Server

TOKEN_SECONDS = 3
# Enough for KubeSpawner to be made; nothing answers there and nothing is asked.
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("double"), access_token_seconds=TOKEN_SECONDS).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, hub_python: Path, double: Server) -> Iterator[Hub]:
    process = Hub(tmp_path_factory.mktemp("hub"), hub_python, double, Authenticator={"auth_refresh_age": 1})
    yield process.start()
    process.stop()


def test_login_sends_a_proof_key(browser: Browser) -> None:
    away = browser.get("/hub/oauth_login")
    query = query_of(away.headers["location"])
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert query["redirect_uri"] == "https://hub.example.org/hub/oauth_callback"
    assert query["scope"].split() == ["openid", "profile", "email"]


def test_login_page_names_the_provider(browser: Browser) -> None:
    page = browser.get("/hub/login")
    assert page.status_code == 200
    assert "Custos" in page.text


def test_login_logout(browser: Browser, hub: Hub) -> None:
    answer = log_in(browser)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].endswith("/hub/home")
    assert browser.get("/hub/home").status_code == 200
    kept = hub.api("/users/alice")["auth_state"]
    assert kept["oauth_user"]["preferred_username"] == "alice"
    assert kept["id_token"]
    assert kept["refresh_token"]
    assert asks_for_password(browser) is False

    away = browser.get("/hub/logout")
    assert away.status_code == 302
    assert query_of(away.headers["location"])["post_logout_redirect_uri"] == "https://hub.example.org/hub/login"
    back = browser.at_provider.get(away.headers["location"])
    assert back.status_code in (302, 303), "the provider asked a question instead of logging out"
    assert back.headers["location"].startswith("https://hub.example.org/hub/login")
    assert browser.get("/hub/home").status_code == 302, "the hub's session is still there"
    assert asks_for_password(browser) is True, "the provider's session is still there"


def test_session_cookies_are_secure(browser: Browser) -> None:
    away = browser.get("/hub/oauth_login")
    page = browser.at_provider.get(away.headers["location"])
    form = Page(page.text)
    sent = browser.at_provider.post(str(page.url.join(form.form["action"] or "")), data={**form.inputs, "username": "bob", "password": "bob's own"})
    back = urlsplit(sent.headers["location"])
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    answer = browser.at_hub.get(f"{back.path}?{back.query}", headers={"Cookie": cookie})
    session = [header for header in answer.headers.get_list("set-cookie") if header.startswith("jupyterhub-hub-login=")]
    assert session, answer.headers
    assert "httponly" in session[0].lower()
    assert "secure" in session[0].lower()


def test_wrong_password_is_refused(browser: Browser) -> None:
    away = browser.get("/hub/oauth_login")
    page = browser.at_provider.get(away.headers["location"])
    form = Page(page.text)
    answer = browser.at_provider.post(str(page.url.join(form.form["action"] or "")), data={**form.inputs, "username": "alice", "password": "wrong"})
    assert answer.status_code in (200, 400, 401)
    assert Page(answer.text).texts.get("error")


def test_forged_state_is_refused(browser: Browser) -> None:
    browser.get("/hub/oauth_login")
    assert browser.get("/hub/oauth_callback?code=abc&state=forged").status_code in (400, 403)


def test_expired_token_is_refreshed(browser: Browser, hub: Hub) -> None:
    log_in(browser)
    before = hub.api("/users/alice")["auth_state"]
    time.sleep(TOKEN_SECONDS + 1)
    assert browser.get("/hub/home").status_code == 200
    after = hub.api("/users/alice")["auth_state"]
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["id_token"], "without it the next logout would leave the provider's session open"


def test_pod(tmp_path: Path, hub_python: Path) -> None:
    """What UserSpawner asks the cluster for, from the real KubeSpawner, without a cluster."""
    config = tmp_path / "config"
    config.mkdir()
    values = {**VALUES, "extra_config": {"KubeSpawner": {"image_pull_policy": "Always"}}}
    (config / "in.json").write_text(json.dumps([values, SECRETS]))
    shutil.copy(NAMES_FILE, config / "user_space_names.py")
    (config / "kubeconfig").write_text(KUBECONFIG)
    script = """
import asyncio, json, sys
sys.path[:0] = sys.argv[1:3]
from hub_settings import settings
from hub_spawner import UserSpawner
from kubernetes_asyncio.client import ApiClient
from traitlets.config import Config
values, secrets = json.load(open(sys.argv[3]))
async def main():
    spawner = UserSpawner(_mock=True, config=Config(settings(values, secrets)))
    spawner.user.id, spawner.user.name = 7, "Alice.Smith@example.org"
    spawner.uid, spawner.gid = 20007, 100  # as the user's space says
    spawner.api_token = "t"
    spawner.get_env = lambda: dict(spawner.environment)
    print(json.dumps([ApiClient().sanitize_for_serialization(await spawner.get_pod_manifest()), spawner.user_namespace_template]))
    await spawner.api.api_client.close()
asyncio.run(main())
"""
    run = subprocess.run(
        [hub_python, "-c", script, HUB_FILES, config, config / "in.json"],
        capture_output=True,
        text=True,
        check=False,
        env={"KUBECONFIG": str(config / "kubeconfig")},
    )
    assert run.returncode == 0, run.stderr
    pod, namespace = json.loads(run.stdout.splitlines()[-1])
    container = pod["spec"]["containers"][0]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 100,
        "runAsNonRoot": True,
        "runAsUser": 20007,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["imagePullPolicy"] == "Always", "extra_config has to win"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["metadata"]["annotations"]["hub.airavata.org/accounts"].splitlines()[-1] == "alice-smith:x:20007:100::/home/jovyan:/bin/bash"
    assert namespace.startswith("hub-user-mock-name--")  # of the user it is made for, which is the mock's
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["home"]["persistentVolumeClaim"]["claimName"] == "home"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == {"/home/jovyan", "/tmp", "/etc/passwd"}
    assert mounts["/etc/passwd"]["readOnly"] is True
