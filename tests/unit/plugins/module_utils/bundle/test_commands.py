"""Programs that are run: their output, their failures, and that none is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.commands import Runner, end, tail
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import CommandError, InterruptedBuildError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="process namespaces need root, as the role does")


@pytest.fixture
def run(tmp_path):
    return Runner(tmp_path / "log", {"PATH": os.environ["PATH"], "NAME": "value"}, threading.Event())


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid):
    """Wait for a process to end."""
    until = time.monotonic() + 10
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


def pids(text):
    """Find the processes whose command line has a text."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if text in _command(path) and alive(int(path.name))]


def _command(path):
    try:
        return (path / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def test_output_goes_to_the_log(run):
    run(["sh", "-c", "echo out; echo $NAME $MORE >&2"], more={"MORE": "more"})
    assert run.log.read_text() == "$ sh -c 'echo out; echo $NAME $MORE >&2'\nout\nvalue more\n"
    assert run.read(["echo", "answer"]) == "answer\n"


@pytest.mark.parametrize("how", ["__call__", "read"])
def test_failure_has_the_last_lines(run, how):
    with pytest.raises(CommandError, match=r"'sh -c .*' ended with code 7\.") as error:
        getattr(run, how)(["sh", "-c", "seq 20 >&2; exit 7"])
    assert error.value.tail.endswith("19\n20")
    assert len(error.value.tail.splitlines()) == 12


def test_tail_skips_empty_lines():
    assert tail("a\n\n b \n\n", 2) == "a\n b"


def test_stop_ends_the_program_and_its_children(run):
    mark = f"60{os.getpid()}1"
    threading.Timer(0.5, run._stop.set).start()
    with pytest.raises(InterruptedBuildError):
        run(["sh", "-c", f"sleep {mark} & setsid sleep {mark} & wait"])
    assert all(gone(pid) for pid in pids(f"sleep {mark}"))


def test_a_killed_build_leaves_nothing(tmp_path):
    mark = f"60{os.getpid()}2"
    code = (
        "import sys, threading; sys.path[:0] = {!r}\n"
        "from pathlib import Path\n"
        "from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.commands import Runner\n"
        "Runner(Path({!r}), {{'PATH': '/usr/bin:/bin'}}, threading.Event())(['sh', '-c', 'setsid sleep {mark} & sleep {mark}'])\n"
    ).format(sys.path, str(tmp_path / "log"), mark=mark)
    with subprocess.Popen([sys.executable, "-c", code]) as build:
        until = time.monotonic() + 10
        while len(found := [pid for pid in pids(f"sleep {mark}") if "setpriv" not in _command(Path(f"/proc/{pid}"))]) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        assert len(found) >= 2
        build.kill()
    assert all(gone(pid) for pid in found)


def test_end_is_gentle_first(run, tmp_path):
    process = run.start(["sh", "-c", f"trap 'echo bye > {tmp_path}/bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"])
    until = time.monotonic() + 10
    while "up" not in run.log.read_text().splitlines() and time.monotonic() < until:
        time.sleep(0.05)
    end(process, gently_seconds=5)
    assert (tmp_path / "bye").read_text() == "bye\n"
