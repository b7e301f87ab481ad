"""Who a process is, and real processes started, found and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import process
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.process import Record, Stat, alive, parse_stat

LINE = "{pid} ({name}) {state} 1 {pid} 77 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 {start} 1000 20 18446744073709551615"


@pytest.mark.parametrize("name", ["linux", "a b", "a) S (b", "((", ")"])
def test_stat_lines(name):
    assert parse_stat(LINE.format(pid=42, name=name, state="S", start=9876)) == Stat(pid=42, state="S", parent=1, session=77, start_time=9876)


def fake_proc(folder, boot="boot-1", **processes):
    (folder / "sys/kernel/random").mkdir(parents=True)
    (folder / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
    for name, line in processes.items():
        entry = folder / name.removeprefix("p")
        entry.mkdir()
        (entry / "stat").write_text(line)
    return folder


@pytest.mark.parametrize(
    ("record", "state", "found"),
    [
        (Record(42, 9876, "boot-1"), "S", True),
        (Record(42, 9876, "boot-1"), "T", True),
        (Record(42, 9876, "boot-1"), "Z", False),
        (Record(42, 9875, "boot-1"), "S", False),  # the pid was handed out again
        (Record(42, 9876, "boot-0"), "S", False),  # the host was rebooted and both numbers happen to be the same
        (Record(43, 9876, "boot-1"), "S", False),
        (None, "S", False),
    ],
)
def test_a_recycled_pid_is_never_ours(tmp_path, record, state, found):
    proc = fake_proc(tmp_path, p42=LINE.format(pid=42, name="linux", state=state, start=9876))
    assert (alive(record, proc) is not None) is found


@pytest.mark.parametrize(
    ("exit_data", "boot", "words"),
    [
        ({"pid": 42, "status": 3, "signal": None}, "boot-1", "exit status 3"),
        ({"pid": 42, "status": None, "signal": 9}, "boot-1", "signal 9"),
        ({"pid": 41, "status": 3, "signal": None}, "boot-1", "nobody saw"),
        (None, "boot-1", "nobody saw"),
        (None, "boot-2", "rebooted"),
    ],
)
def test_endings(tmp_path, exit_data, boot, words):
    path = tmp_path / "exit"
    if exit_data:
        path.write_text(json.dumps(exit_data))
    assert words in process.ending(path, Record(42, 1, "boot-1"), fake_proc(tmp_path / "proc", boot=boot))


def test_records(tmp_path):
    path = tmp_path / "record.json"
    assert process.read_record(path) is None
    process.write_json(path, {"pid": 1, "start_time": 2, "boot_id": "x", "started_at": 3, "fingerprint": "f"})
    assert process.read_record(path) == Record(1, 2, "x", 3.0, "f")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    with pytest.raises(LocalError, match="is damaged"):
        process.read_record(path)


def start(tmp_path, *command, **environment):
    return process.launch(
        command, environment=environment, state_dir=tmp_path, record=tmp_path / "p.json", log=tmp_path / "p.log", keeper_dir=tmp_path, fingerprint="f"
    )


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true"
        time.sleep(0.02)


def test_program_outlives_us_in_a_session_of_its_own_and_is_ended(tmp_path):
    record = start(tmp_path, "sh", "-c", "echo secret is $WORD; sleep 60 & sleep 60", WORD="kept")
    stat = alive(record)
    assert stat is not None
    assert stat.session == record.pid
    assert record.fingerprint == "f"
    assert process.mark_of(record.pid) == str(tmp_path)
    assert "kept" not in process.command_of(record.pid)
    wait_for(lambda: (tmp_path / "p.log").exists() and (tmp_path / "p.log").read_text() == "secret is kept\n")
    wait_for(lambda: len([one.pid for one in process.processes() if one.session == record.pid]) == 3)
    assert process.end(record, grace_seconds=5)
    assert alive(record) is None
    wait_for(lambda: not [one for one in process.processes() if one.session == record.pid])
    assert json.loads((tmp_path / "p.json.exit").read_text())["signal"] == signal.SIGTERM
    assert not process.end(record, grace_seconds=5)


def test_stubborn_and_frozen_programs_end(tmp_path):
    record = start(tmp_path, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    begin = time.monotonic()
    assert process.end(record, grace_seconds=0.3)
    assert alive(record) is None
    assert time.monotonic() - begin < 5
    record = start(tmp_path, "sleep", "60")
    os.kill(record.pid, signal.SIGSTOP)
    wait_for(lambda: process.stat_of(record.pid).frozen)
    assert process.end(record, grace_seconds=5)
    assert json.loads((tmp_path / "p.json.exit").read_text())["signal"] == signal.SIGTERM


def test_ending_by_itself_is_written_down(tmp_path):
    record = start(tmp_path, "sh", "-c", "exit 7")
    wait_for((tmp_path / "p.json.exit").exists)
    assert process.ending(tmp_path / "p.json.exit", record) == "exit status 7"


def test_program_that_does_not_exist(tmp_path):
    with pytest.raises(LocalError, match=r"/no/such/program did not start: .*No such file"):
        start(tmp_path, "/no/such/program")


def test_log_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "LOG_LIMIT_BYTES", 100_000)
    record = start(tmp_path, sys.executable, "-c", "for i in range(40000): print('line', i)")
    wait_for(lambda: alive(record) is None and (tmp_path / "p.json.exit").exists())
    log, old = tmp_path / "p.log", tmp_path / "p.log.1"
    assert log.read_text().endswith("line 39999\n")
    assert old.exists()
    assert log.stat().st_size + old.stat().st_size <= 100_000


def test_program_without_a_record_never_runs(tmp_path):
    """A keeper killed before the record is on disk must not leave a program that nobody knows."""
    (tmp_path / "keeper.py").write_text(process.keeper_source())
    order = {
        "command": ["touch", str(tmp_path / "ran")],
        "environment": {"PATH": os.environ["PATH"]},
        "record": str(tmp_path / "missing" / "p.json"),
        "log": str(tmp_path / "p.log"),
        "log_limit_bytes": 1000,
        "fingerprint": "",
    }
    keeper = [sys.executable, "-I", "-S", str(tmp_path / "keeper.py")]
    done = subprocess.run(keeper, input=json.dumps(order), capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert "No such file" in done.stdout
    time.sleep(0.2)
    assert not (tmp_path / "ran").exists()


def test_last_lines(tmp_path):
    log = tmp_path / "log"
    assert "empty" in process.last_lines(log)
    log.write_bytes(b"\n".join(b"\x1b[0;32m line %d \x1b[0m" % number for number in range(2000)))
    assert process.last_lines(log, 2) == "line 1998 | line 1999"


def test_ancestors():
    assert {os.getpid(), os.getppid()} <= process.ancestors(os.getpid())
