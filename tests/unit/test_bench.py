"""The numbers and pages of `make bench`, and what the end-to-end tests read from a playbook's output."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench.__main__ import STORAGE, recorded_cold
from tests.bench.phases import PodWatch, durations, phase_rows, reached
from tests.bench.render import TARGETS, render, span, verdict
from tests.e2e.site import Run, eventually


def pod(node: str | None = None, running: bool = False, uid: str = "1") -> Any:
    state = SimpleNamespace(running=object() if running else None, terminated=None)
    return SimpleNamespace(
        metadata=SimpleNamespace(uid=uid), spec=SimpleNamespace(node_name=node), status=SimpleNamespace(container_statuses=[SimpleNamespace(state=state)])
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [(pod(), {"made"}), (pod("worker1"), {"made", "scheduled"}), (pod("worker1", running=True), {"made", "scheduled", "running"})],
)
def test_what_a_pod_has_reached(seen: Any, expected: set[str]) -> None:
    assert reached(seen) == expected


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ({"made": 10.5, "scheduled": 10.75, "running": 12.0}, {"made": 0.5, "scheduled": 0.25, "running": 1.25, "ready": 3.0}),
        ({"made": 10.5, "running": 12.0}, {"made": 0.5, "scheduled": 0.0, "running": 1.5, "ready": 3.0}),
        ({}, None),
    ],
)
def test_phases_add_up_to_the_whole(marks: dict[str, float], expected: dict[str, float] | None) -> None:
    found = durations(10.0, marks, 15.0)
    assert found == expected
    assert found is None or sum(found.values()) == 5.0


def test_shares_of_phases() -> None:
    rows = phase_rows([{"made": 1, "scheduled": 0, "running": 1, "ready": 2}, {"made": 1, "scheduled": 0, "running": 1, "ready": 4}])
    assert [row[1:] for row in rows] == [("1.00", "1.00", "20 %"), ("0.00", "0.00", "0 %"), ("1.00", "1.00", "20 %"), ("2.00", "4.00", "60 %")]


def test_the_newest_pod_is_the_one_that_was_asked_for() -> None:
    watch = PodWatch(None)
    watch.note(pod("worker1", uid="old"))
    since = watch.marks["old"]["made"] + 1e-9
    assert watch.newest(since) is None
    watch.note(pod(uid="new"))
    watch.note(pod("worker2", running=True, uid="new"))
    assert watch.newest(since) == "new"
    assert list(watch.marks["new"]) == ["made", "scheduled", "running"] or set(watch.marks["new"]) == {"made", "scheduled", "running"}
    assert watch.nodes["new"] == "worker2"


DATA: dict[str, Any] = {
    "schema": 1,
    "host": {"cpu": "A CPU", "cores": 2, "memory_gib": 24, "system": "Debian, kernel 6", "load": "1.5"},
    "versions": {"kubernetes": "v1.36.3"},
    "results": {
        "login_page": {"seconds": 290.0, "date": "d1", "parts": [["bundle", 2.0], ["machines", 20.5]]},
        "second_run": {"seconds": 61.0, "date": "d2", "parts": []},
        "spawn": {
            "date": "d3",
            "seconds": [6.5, 6.0, 9.0],
            "cell_seconds": [1.0, 2.0, 3.0],
            "stop_seconds": [1.0, 1.0, 1.0],
            "phases": [{"made": 1, "scheduled": 0, "running": 2, "ready": 3}],
        },
        "storage": {"date": "d4", "rows": [{"what": "create small files", "rate": 123.4, "unit": "files/s"}]},
        "memory": {"date": "d5", "rows": [{"machine": "control1", "size_mib": 3000, "used_mib": 900, "host_mib": 1500}]},
    },
}


def test_the_page_says_what_was_met_missed_and_not_measured() -> None:
    page = render(DATA)
    assert "| warm bundle to login page (no machine to first answer) | 5 min 0 s | 4 min 50 s | met | d1 |" in page
    assert "| second run of `make site` | 60.0 s | 61.0 s | **missed** by 1.0 s | d2 |" in page
    assert "| start of a notebook server, p50 | 6.0 s | 6.5 s | **missed** by 0.5 s | d3 |" in page
    assert "| start of a notebook server, p99 |  | 9.0 s |  | d3 |" in page
    assert "| cold bundle (everything downloaded and built) | 30 min 0 s | not measured |  |  |" in page
    assert "| machines | 20.5 |" in page
    assert "| create small files | 123 files/s |" in page
    assert "| control1 | 3000 MiB | 900 MiB | 1500 MiB |" in page
    assert "\n\n\n" not in page


@pytest.mark.parametrize(("seconds", "expected"), [(4.25, "4.2 s"), (99.9, "99.9 s"), (125.4, "2 min 5 s"), (1800, "30 min 0 s")])
def test_spans(seconds: float, expected: str) -> None:
    assert span(seconds) == expected


def test_a_target_is_met_at_its_very_value() -> None:
    assert [verdict("spawn_p50", value) for value in (TARGETS["spawn_p50"], TARGETS["spawn_p50"] + 1)] == ["met", "**missed** by 1.0 s"]
    assert verdict("stop", 1) == ""


def test_a_cold_bundle_is_read_from_the_builders_record(tmp_path: Any) -> None:
    assert recorded_cold(tmp_path) == {}
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "timings.json").write_text('{"wall_seconds": 1500.5, "date": "2026-11-23 21:00", "items": {"linux": 400.0}}')
    assert recorded_cold(tmp_path) == {"cold_bundle": {"date": "2026-11-23 21:00", "seconds": 1500.5, "parts": [("linux", 400.0)]}}


def test_the_cell_that_measures_storage_runs_anywhere(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    monkeypatch.setenv("HOME", str(tmp_path))
    exec(compile(STORAGE.replace("256", "2").replace("500", "5"), "cell", "exec"), {})  # noqa: S102 - the cell itself is under test
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 5
    assert all(row["rate"] > 0 for row in rows)
    assert list(tmp_path.iterdir()) == []


OUTPUT = """\
PLAY [Prepare every machine] ***
TASK [node_base : Set kernel values] ***
ok: [control1]
changed: [worker1]
RUNNING HANDLER [node_base : Restart] ***
changed: [worker1]

PLAY RECAP ***
control1                   : ok=12   changed=0    unreachable=0    failed=0    skipped=3    rescued=0    ignored=0
worker1                    : ok=13   changed=2    unreachable=0    failed=1    skipped=3    rescued=0    ignored=0
"""


def test_a_recap_is_read() -> None:
    run = Run(2, 1.0, OUTPUT)
    assert run.recap["worker1"] == {"ok": 13, "changed": 2, "unreachable": 0, "failed": 1}
    assert run.changed == {"worker1": 2}
    assert run.changed_tasks == ["TASK [node_base : Set kernel values] changed: [worker1]", "RUNNING HANDLER [node_base : Restart] changed: [worker1]"]
    with pytest.raises(AssertionError, match="ended with 2"):
        run.must_pass()


def test_waiting_ends_with_the_last_reason() -> None:
    with pytest.raises(AssertionError, match=r"a thing did not come true within 0 s; last: ValueError.*"):
        eventually("a thing", lambda: int("x"), limit_seconds=0)
    assert eventually("a thing", lambda: 5) == 5
