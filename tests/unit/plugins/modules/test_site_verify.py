"""The module around the program: its command line, and what it makes of the program's answer."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.modules.site_verify import command, result

PARAMS = {
    "url": "https://localhost:8443",
    "ca_path": "/ca.crt",
    "users_file": "/users.json",
    "users": ["alice", "bob"],
    "provider": "Custos",
    "level": "auto",
    "reports_dir": "/reports",
    "spawn_timeout_seconds": 180,
}
OK = {"name": "login", "title": "log in", "status": "ok", "seconds": 1.5, "message": "alice"}
FAILED = {"name": "cell", "title": "run a cell", "status": "failed", "seconds": 2.5, "message": "no websocket."}


def answer(*steps: dict[str, Any]) -> str:
    passed = all(step["status"] == "ok" for step in steps)
    extra = {"schema": 1, "url": "https://localhost:8443", "level": "full", "seconds": 4.0, "table": ["x"], "reports": ["/reports/verify-full.json"]}
    return json.dumps({**extra, "passed": passed, "steps": steps})


def test_the_command_line_is_understood_by_the_program() -> None:
    from site_verify.__main__ import parse_arguments

    line = command(PARAMS, "abc")
    assert line[:3] == [sys.executable, "-m", "site_verify"]
    options = parse_arguments(line[3:])
    assert (options.url, options.users, options.level, options.release, options.spawn_seconds) == (
        "https://localhost:8443",
        ["alice", "bob"],
        "auto",
        "abc",
        180,
    )


@pytest.mark.parametrize(
    ("code", "output", "errors", "message"),
    [
        pytest.param(0, answer(OK), "", None, id="passed"),
        pytest.param(1, answer(OK, FAILED), "", "https://localhost:8443 does not work. 'run a cell' failed after 2.5 s: no websocket.", id="failed"),
        pytest.param(2, "", "site_verify: the CA file is missing", "could not begin. site_verify: the CA file is missing", id="could not begin"),
        pytest.param(1, "", "Traceback\nModuleNotFoundError: No module named 'httpx'", "install requirements.txt", id="no library"),
        pytest.param(-9, "", "killed", "could not begin. killed", id="killed"),
        pytest.param(0, "nonsense", "", "could not begin", id="no JSON"),
    ],
)
def test_results(code: int, output: str, errors: str, message: str | None) -> None:
    outcome = result(code, output, errors)
    assert isinstance(outcome["steps"], list)
    if message is None:
        assert "msg" not in outcome
        assert outcome["passed"] is True
    else:
        assert message in outcome["msg"]
