"""The hub as a process of its own, with the configuration that goes into its pod."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.hub_venv import HUB_FILES, NAMES_FILE
from tests.unit.roles.jupyterhub.samples import SECRETS, VALUES
from tests.unit.services.custos_double.server import GROUPS, Server, free_port, make_child


class Hub:
    """The hub, logging in at ``double``. It is asked as its proxy would: plain http, with the header that tells of https in front."""

    def __init__(
        self,
        folder: Path,
        python: Path,
        double: Server,
        changes: dict[str, dict[str, Any]] | None = None,
        client_values: dict[str, Any] | None = None,
        **extra_config: dict[str, Any],
    ) -> None:
        """``changes`` are values of the role by part, ``{"login": {"allow_all": False}}``; ``extra_config`` is the role's.

        ``client_values`` is what role hub_login kept; without it the hub becomes a child of the gateway's tenant.
        """
        self.folder, self.python, self.port = folder, python, free_port()
        self.public = "https://hub.example.org"
        config, secrets, self.servers = folder / "config", folder / "secrets", folder / "servers"
        for made in (config, secrets, self.servers):
            made.mkdir()
        for path in HUB_FILES.iterdir():
            if path.is_file():
                shutil.copy(path, config)
        shutil.copy(NAMES_FILE, config / "user_space_names.py")
        for name in ("no_proxy.py", "local_spawner.py"):
            shutil.copy(Path(__file__).with_name(name), config)
        values = copy.deepcopy(VALUES)
        values["secrets_dir"] = str(secrets)
        values["hub"]["db_url"] = f"sqlite:///{folder}/hub.sqlite"
        values["cull"]["enabled"] = False
        values["hub"]["named_server_limit"] = -1
        values["hub"]["services"] = {
            "gateway": ["admin:users", "admin:auth_state", "list:users", "read:users", "read:servers", "tokens"],
            "airavata": ["delete:servers"],
        }
        for part, changed in (changes or {}).items():
            values[part].update(changed)
        address = f"http://127.0.0.1:{self.port}"
        values["extra_config"] = {
            "JupyterHub": {
                "proxy_class": "no_proxy.NoProxy",
                "spawner_class": "local_spawner.LocalSpawner",
                "hub_bind_url": address,
                "hub_connect_url": address,
                "bind_url": f"http://127.0.0.1:{free_port()}/",
            },
            **extra_config,
        }
        client_values = client_values or self._register(double)
        for name, text in {**SECRETS, "oidc-client.json": json.dumps(client_values)}.items():
            (secrets / name).write_text(text)
        (config / "values.json").write_text(json.dumps(values))
        self.environment = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "SSL_CERT_FILE": str(double.ca),
            "PYTHONPATH": str(config),
            "TEST_SERVERS": str(self.servers),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def _register(self, double: Server) -> dict[str, Any]:
        with double.client() as client:
            self.child = make_child(client, double.parent, redirect_uris=[f"{self.public}/hub/oauth_callback"], client_uri=f"{self.public}/hub/login")
            answer = client.get(f"/auth/realms/{self.child['realm']}/.well-known/openid-configuration")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return {
            "client_id": self.child["iam_client_id"],
            "client_secret": self.child["iam_client_secret"],
            "issuer": found["issuer"],
            "authorize_url": found["authorization_endpoint"],
            "token_url": found["token_endpoint"],
            "userdata_url": found["userinfo_endpoint"],
            "end_session_url": found["end_session_endpoint"],
            "groups_url": f"{double.url}{GROUPS}/user/group/memberships",
            "custos_client_id": self.child["custos_client_id"],
            "custos_client_secret": self.child["custos_client_secret"],
        }

    def start(self) -> Hub:
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "jupyterhub", "--config", str(self.folder / "config" / "jupyterhub_config.py"), "--upgrade-db"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 40
        with self.client() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/hub/health").status_code == 200:
                        return self
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the hub did not start:\n{self.log()[-4000:]}")
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def stop_servers(self) -> None:
        """End the servers of LocalSpawner, which outlive the hub."""
        for path in self.servers.glob("*.json"):
            pid = int(json.loads(path.read_text())["TEST_PID"])
            with contextlib.suppress(OSError):  # some have ended, and another process may have the number
                if str(self.servers).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGTERM)

    def wait_until(self, check: Callable[[], Any], what: str, limit_seconds: float = 20) -> None:
        deadline = time.monotonic() + limit_seconds
        while not check():
            assert time.monotonic() < deadline, f"{what} did not come true within {limit_seconds:g} s:\n{self.log()[-3000:]}"
            time.sleep(0.2)

    def sql(self, statement: str) -> int:
        """Change the hub's database while it is stopped; returns how many rows changed."""
        with contextlib.closing(sqlite3.connect(self.folder / "hub.sqlite", isolation_level=None)) as db:
            return db.execute(statement).rowcount

    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def client(self, **options: Any) -> httpx.Client:
        headers = {"X-Forwarded-Proto": "https", "Host": "hub.example.org", **options.pop("headers", {})}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, trust_env=False, timeout=20, **options)

    def api(self, path: str) -> Any:
        answer = self.call("GET", path, SECRETS["service-gateway"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    def call(self, method: str, path: str, token: str, **content: Any) -> httpx.Response:
        """Use the hub's API with a token, whatever it answers."""
        with self.client(headers={"Authorization": f"token {token}"}) as client:
            return client.request(method, f"/hub/api{path}", **content)

    def server_environment(self, user: str, server: str = "", limit_seconds: float = 20) -> dict[str, str]:
        """The environment that a server of LocalSpawner found, as soon as it runs."""
        path = self.servers / f"{user}-{server}.json"
        deadline = time.monotonic() + limit_seconds
        while not path.exists():
            assert time.monotonic() < deadline, f"{user}'s server did not start:\n{self.log()[-3000:]}"
            time.sleep(0.1)
        found: dict[str, str] = json.loads(path.read_text())
        return found


class Browser:
    """A person's browser: one set of cookies for the hub, one for the provider; sends secure cookies as over https."""

    def __init__(self, hub: Hub, double: Server) -> None:
        self.hub, self.double = hub, double
        self.at_hub, self.at_provider = hub.client(), double.client(base=double.front_url)
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> httpx.Response:
        """Ask the hub, without following what it answers."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.at_hub.get(path, headers={"Cookie": cookie} if cookie else {})
        for header in answer.headers.get_list("set-cookie"):
            name, _equals, value = header.partition(";")[0].partition("=")
            if "expires=" in header.lower() and value in ('""', ""):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        self.at_hub.cookies.clear()
        return answer

    def close(self) -> None:
        self.at_hub.close()
        self.at_provider.close()
