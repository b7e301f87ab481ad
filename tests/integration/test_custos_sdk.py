"""The Custos modules over gRPC with custos-sdk, in an environment made for it from the package index; see docs/custos.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.services.custos_double.server import Server, free_port, tenant_values

TOP = Path(__file__).resolve().parents[2]
SLOW = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with requirements-custos-sdk.txt."""
    folder = tmp_path_factory.mktemp("sdk") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "-r", TOP / "requirements-custos-sdk.txt"], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("custos")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def grpc_url(server: Server, python: Path) -> Iterator[str]:
    port = free_port()
    command = [python, TOP / "tests/integration/custos_grpc.py", str(port), server.folder / "site.crt", server.folder / "site.key"]
    command += [f"{server.url}/apiserver", server.ca]
    with subprocess.Popen(command, env={**os.environ, **SLOW}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield f"https://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def run(server: Server, grpc_url: str, python: Path) -> Run:
    """Run a module as Ansible does, with the environment's Python; returns its result."""

    def call(module: str, /, *options: str, interpreter: Path = python, **changes: Any) -> dict[str, Any]:
        parent = server.parent
        arguments = {
            "url": grpc_url,
            "transport": "custos-sdk",
            "ca_path": str(server.ca),
            "use_proxy": False,
            "parent_client_id": parent["client_id"],
            "parent_client_secret": parent["client_secret"],
            "parent_username": parent["admin_username"],
            "parent_password": parent["admin_password"],
            "retries": 0,
            **changes,
        }
        given = json.dumps({key: value for key, value in arguments.items() if value is not None})
        command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local", *options]
        command += ["-e", f"ansible_python_interpreter={interpreter}", "-m", f"airavata.jupyterhub.{module}", "-a", given]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(TOP / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=120, check=False)
        answer = re.search(r"^localhost \| \w+!? => (\{.*)", done.stdout, re.DOTALL | re.MULTILINE)
        assert answer, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(answer[1])
        return result

    return call


def test_a_client_a_user_a_group_and_a_secret(run: Run) -> None:
    values = tenant_values("by gRPC")
    values["scopes"] = values.pop("scope").split()
    made = run("custos_client", **values)
    assert (made["changed"], made["client"]["status"]) == (True, "ACTIVE"), made
    assert made["credentials"]["iam_client_secret"]
    assert run("custos_client", **values)["changed"] is False
    assert run("custos_client", "--check", **{**values, "comment": "new"})["changed"] is True
    assert run("custos_client", **{**values, "comment": "new"})["client"]["comment"] == "new"
    (found,) = run("custos_client_info", client_name="by gRPC", discovery=True, credentials=True)["clients"]
    assert found["credentials"] == made["credentials"]
    assert found["discovery"]["issuer"].endswith(found["tenant_id"])
    gone = {"client_name": "by gRPC", "domain": values["domain"], "state": "absent"}
    assert [run("custos_client", **gone)["changed"] for _again in range(2)] == [True, False]

    ada = {"username": "ada", "email": "ada@example.org", "first_name": "Ada", "last_name": "L", "password": "first", "attributes": {"a": ["1", "2"]}}
    user = run("custos_user", **ada)
    assert (user["changed"], user["user"]["enabled"], user["user"]["attributes"]) == (True, True, {"a": ["1", "2"]}), user
    assert run("custos_user", **ada)["changed"] is False
    assert run("custos_user", **{**ada, "username": "alan", "attributes": {}})["changed"] is True
    group = run("custos_group", name="course", owner="ada", members=[{"username": "alan", "type": "ADMIN"}])
    assert group.get("group", {}).get("members") == {"ada": "OWNER", "alan": "ADMIN"}, group
    assert run("custos_group", name="course", description="new")["changed"] is True
    assert run("custos_group", name="course", state="absent")["changed"] is True
    secret = {"name": "key", "type": "password", "owner": "ada", "password": "tr0ub4dor&3"}
    assert [run("custos_secret", **secret)["changed"] for _again in range(2)] == [True, False]
    (kept,) = run("custos_secret_info", names=["key"], contents=True)["secrets"]
    assert kept["contents"]["password"] == "tr0ub4dor&3"
    assert run("custos_user", username="ada", state="absent")["changed"] is True


def test_errors_say_what_to_do(run: Run) -> None:
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"parent_client_secret": "wrong"}, ["UNAUTHENTICATED", "Check parent_client_id and parent_client_secret"]),
        ({"parent_password": "wrong"}, ["invalid_grant", "Check parent_username and parent_password"]),
        ({"ca_path": None}, ["certificate was not accepted"]),
        ({"url": "https://127.0.0.1:1"}, ["no connection", "check url"]),
        ({"url": "http://127.0.0.1:1"}, ["must be https://"]),
        ({"api": "keycloak", "realm": "r"}, ["is not what custos-sdk speaks"]),
        ({"interpreter": Path(sys.executable)}, ["cannot import grpc", "requirements-custos-sdk.txt"]),
    ]
    for changes, texts in cases:
        result = run("custos_client_info", **changes)
        for text in texts:
            assert text in result.get("msg", ""), (changes, result)
