"""Running steps, and the reports about them."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from site_verify.errors import VerifyError
from site_verify.report import Report, junit, needs_full, report_table, shortened, table, write_reports
from site_verify.steps import Step, StepResult, describe_http_error, first_failure, run_steps


def do(remark: str):  # type: ignore[no-untyped-def]
    def action(context: list[str]) -> str:
        context.append(remark)
        if remark.startswith("broken"):
            raise VerifyError(f"{remark} is broken")
        return remark

    return action


def test_after_a_failure_only_what_tidies_up_runs() -> None:
    context: list[str] = []
    shown: list[str] = []
    steps = [
        Step("a", "A", do("a")),
        Step("b", "B", do("broken b")),
        Step("c", "C", do("c")),
        Step("d", "D", do("broken d"), always=True),
        Step("e", "E", do("e"), always=True),
    ]
    results = run_steps(steps, context, lambda result: shown.append(result.name))
    assert context == ["a", "broken b", "broken d", "e"]
    assert [(result.name, result.status, result.message) for result in results] == [
        ("a", "ok", "a"),
        ("b", "failed", "broken b is broken"),
        ("c", "skipped", "not tried after b failed"),
        ("d", "failed", "broken d is broken"),
        ("e", "ok", "e"),
    ]
    assert shown == ["a", "b", "c", "d", "e"]
    failure = first_failure(results)
    assert failure is not None
    assert failure.name == "b"


def test_a_broken_connection_is_a_failure_of_the_site() -> None:
    def refused(context: None) -> str:
        return httpx.get("http://127.0.0.1:1/secret?code=hidden").text

    [result] = run_steps([Step("x", "X", refused)], None)
    assert result.status == "failed"
    assert result.message.startswith("GET http://127.0.0.1:1/secret got no answer: ConnectError")
    assert "hidden" not in result.message
    assert describe_http_error(httpx.ReadTimeout("late")) == "a request got no answer: ReadTimeout late"


def test_a_fault_of_the_program_is_not_hidden() -> None:
    def wrong(context: None) -> str:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_steps([Step("x", "X", wrong)], None)


def report(*steps: StepResult, release: str = "r1", level: str = "full") -> Report:
    return Report(level, "https://localhost:8443", "2026-11-23T21:00:00+00:00", 4.25, release, steps)


OK = StepResult("login", "log in", "ok", 1.5, "alice")
FAILED = StepResult("cell", "run a cell", "failed", 2.75, "<no> answer\x1b[31m & more")
SKIPPED = StepResult("stop", "stop", "skipped", 0.0, "not tried after cell failed")


def test_the_table_says_what_failed() -> None:
    lines = report_table(report(OK, FAILED, SKIPPED))
    assert lines[0].split() == ["step", "result", "s", "remark"]
    assert lines[2].split() == ["log", "in", "ok", "1.5", "alice"]
    assert lines[-1] == "https://localhost:8443 FAILED at cell: <no> answer\x1b[31m & more"
    assert report_table(report(OK))[-1] == "https://localhost:8443 works (4 s)"


def test_columns_are_aligned() -> None:
    assert table(("a", "n"), [("x", "1"), ("long", "100")], right=(1,)) == ["a       n", "----  ---", "x       1", "long  100"]
    assert shortened("a\n b" * 50, 10) == "a ba ba..."


def test_junit_counts_and_holds_any_text() -> None:
    suites = ElementTree.fromstring(junit(report(OK, FAILED, SKIPPED)))  # noqa: S314 - our own document
    suite = suites.find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "skipped", "errors", "time")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
        "time": "4.250",
    }
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "<no> answer?[31m & more"


def test_reports_are_written_and_decide_about_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    assert needs_full(folder, "r1")
    write_reports(report(OK, level="quick"), folder)
    assert needs_full(folder, "r1"), "a quick run proves nothing"
    write_reports(report(OK, FAILED), folder)
    assert needs_full(folder, "r1"), "a failed run is repeated"
    paths = write_reports(report(OK), folder)
    assert not needs_full(folder, "r1")
    assert needs_full(folder, "r2"), "another release is verified again"
    assert json.loads(paths[0].read_text())["steps"][0] == {"name": "login", "title": "log in", "status": "ok", "seconds": 1.5, "message": "alice"}
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    assert sorted(path.name for path in folder.iterdir()) == ["verify-full.json", "verify-full.xml", "verify-quick.json", "verify-quick.xml"]
    paths[0].write_text("[half a fi")
    assert needs_full(folder, "r1")
