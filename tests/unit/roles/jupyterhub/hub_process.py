"""The hub as a process of its own, with the configuration that goes into its pod."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from tests.unit.roles.jupyterhub.conftest import HUB_FILES, NAMES_FILE
from tests.unit.roles.jupyterhub.samples import SECRETS, VALUES
from tests.unit.services.custos_double.server import Server, free_port, make_child


class Hub:
    """The hub, logging in at ``double``. It is asked as its proxy would: plain http, with the header that tells of https in front."""

    def __init__(self, folder: Path, python: Path, double: Server, **extra_config: dict[str, Any]) -> None:
        self.folder, self.python, self.port = folder, python, free_port()
        self.public = "https://hub.example.org"
        config, secrets = folder / "config", folder / "secrets"
        config.mkdir()
        secrets.mkdir()
        for path in HUB_FILES.glob("*.py"):
            shutil.copy(path, config)
        shutil.copy(NAMES_FILE, config / "user_space_names.py")
        shutil.copy(Path(__file__).with_name("no_proxy.py"), config)
        with double.client() as client:
            self.child = make_child(client, double.parent, redirect_uris=[f"{self.public}/hub/oauth_callback"], client_uri=f"{self.public}/hub/login")
            answer = client.get(f"/auth/realms/{self.child['realm']}/.well-known/openid-configuration")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        values = copy.deepcopy(VALUES)
        values["secrets_dir"] = str(secrets)
        values["hub"]["db_url"] = f"sqlite:///{folder}/hub.sqlite"
        values["cull"]["enabled"] = False
        values["hub"]["services"] = {"gateway": ["admin:users", "admin:auth_state", "read:users"]}
        address = f"http://127.0.0.1:{self.port}"
        values["extra_config"] = {
            "JupyterHub": {
                "proxy_class": "no_proxy.NoProxy",
                "spawner_class": "jupyterhub.spawner.SimpleLocalProcessSpawner",
                "hub_bind_url": address,
                "hub_connect_url": address,
                "bind_url": f"http://127.0.0.1:{free_port()}/",
            },
            **extra_config,
        }
        client_values = {
            "client_id": self.child["iam_client_id"],
            "client_secret": self.child["iam_client_secret"],
            "issuer": found["issuer"],
            "authorize_url": found["authorization_endpoint"],
            "token_url": found["token_endpoint"],
            "userdata_url": found["userinfo_endpoint"],
            "end_session_url": found["end_session_endpoint"],
        }
        for name, text in {**SECRETS, "oidc-client.json": json.dumps(client_values)}.items():
            (secrets / name).write_text(text)
        (config / "values.json").write_text(json.dumps(values))
        self.environment = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "SSL_CERT_FILE": str(double.ca),
            "PYTHONPATH": str(config),
        }
        self.process: subprocess.Popen[bytes] | None = None

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

    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def client(self, **options: Any) -> httpx.Client:
        headers = {"X-Forwarded-Proto": "https", "Host": "hub.example.org", **options.pop("headers", {})}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, trust_env=False, timeout=20, **options)

    def api(self, path: str) -> Any:
        with self.client(headers={"Authorization": f"token {SECRETS['service-gateway']}"}) as client:
            answer = client.get(f"/hub/api{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


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
