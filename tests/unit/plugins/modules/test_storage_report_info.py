"""The report of the storage machine, as a module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[4]


def run(path: Path) -> dict[str, Any]:
    """Run the module as Ansible does; returns its result."""
    program = (
        "from ansible.module_utils import basic; from ansible.module_utils.testing import patch_module_args; import sys\n"
        "from ansible_collections.airavata.jupyterhub.plugins.modules import storage_report_info\n"
        "with patch_module_args({'path': sys.argv[1]}): storage_report_info.main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(TOP / ".venv/collections")}
    done = subprocess.run([sys.executable, "-c", program, path], env=environment, capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_no_report_a_report_and_a_broken_one(tmp_path: Path) -> None:
    invocation = {"module_args": {"path": str(tmp_path)}}  # newer ansible-core leaves it out
    assert {"invocation": invocation, **run(tmp_path)} == {"changed": False, "reports": [], "lines": [], "invocation": invocation}
    (tmp_path / ".hub").mkdir()
    report = {"orphans": {"unknown_directories": [{"path": "by-hand", "uid": 7}]}}
    (tmp_path / ".hub/report.json").write_text(json.dumps(report))
    found = run(tmp_path)
    assert (found["reports"], found["changed"]) == ([report], False)
    assert found["lines"] == ["by-hand (of user 7) was not made by the provisioner and is no volume's"]
    (tmp_path / ".hub/report.json").write_text("{")
    assert "every five minutes" in run(tmp_path)["msg"]
