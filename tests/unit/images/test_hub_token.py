"""The helper for fresh tokens (images/notebook) where there is no token. With a hub: tests/unit/roles/jupyterhub/test_hub_gateway.py."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.images.test_hub_notebook import FILES

SERVER = {"JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api", "JUPYTERHUB_API_TOKEN": "geheim"}


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    whole = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FILES), **environment}
    return subprocess.run([sys.executable, "-c", code], env=whole, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("environment", "says"),
    [({}, "This is no server of a hub: 'JUPYTERHUB_API_URL' is not set."), (SERVER, "The hub cannot be asked: ")],
)
def test_without_a_hub_it_says_so(environment: dict[str, str], says: str) -> None:
    done = run("import hub_token, sys; sys.exit(hub_token.main())", **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(says)
    assert "geheim" not in done.stderr


def test_a_kernel_without_a_token_goes_on_and_says_so_once() -> None:
    code = """
import hub_token, os
hub_token.keep_environment()
hub_token.keep_environment()
print(os.environ["CS_ACCESS_TOKEN"])
"""
    done = run(code, **SERVER, HUB_TOKEN_VARIABLES="CS_ACCESS_TOKEN", CS_ACCESS_TOKEN="of the start")
    assert (done.returncode, done.stdout.strip()) == (0, "of the start")
    assert done.stderr.count("No fresh access token for the gateway") == 1


@pytest.mark.parametrize(("environment", "registered"), [({}, "[]"), ({"HUB_TOKEN_VARIABLES": "CS_ACCESS_TOKEN"}, "['pre_run_cell']")])
def test_kernels_ask_only_where_the_hub_says_so(environment: dict[str, Any], registered: str) -> None:
    code = """
import hub_token
class Shell:
    class events:
        names = []
        @classmethod
        def register(cls, name, call):
            cls.names.append(name)
hub_token.load_ipython_extension(Shell)
print(Shell.events.names)
"""
    assert run(code, **environment).stdout.strip() == registered
