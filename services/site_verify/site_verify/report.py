"""Reports of a run: a table for people, JSON for programs, JUnit XML for continuous integration."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from site_verify.steps import StepResult, first_failure

MARKS = {"ok": "ok", "failed": "FAILED", "skipped": "-"}


@dataclass(frozen=True)
class Report:
    """One run. ``started`` is UTC in ISO 8601; ``release`` names what was verified, as the caller calls it."""

    level: str
    url: str
    started: str
    seconds: float
    release: str
    steps: Sequence[StepResult]

    @property
    def passed(self) -> bool:
        """True when no step failed."""
        return first_failure(self.steps) is None

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, schema 1."""
        return {"schema": 1, "passed": self.passed, **asdict(self), "steps": [asdict(step) for step in self.steps]}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines of a plain table; the columns in ``right`` are aligned to the right."""
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()

    return [line(headings), line(["-" * width for width in widths]), *[line(row) for row in rows]]


def shortened(text: str, width: int = 90) -> str:
    """The text on one line, cut with an ellipsis when it is longer than ``width``."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."


def report_table(report: Report) -> list[str]:
    """Lines for the screen: one per step, then the verdict."""
    rows = [(step.title, MARKS[step.status], f"{step.seconds:.1f}" if step.status != "skipped" else "", shortened(step.message)) for step in report.steps]
    failure = first_failure(report.steps)
    verdict = f"{report.url} works ({report.seconds:.0f} s)" if failure is None else f"{report.url} FAILED at {failure.name}: {failure.message}"
    return [*table(("step", "result", "s", "remark"), rows, right=(2,)), "", verdict]


def junit(report: Report) -> bytes:
    """The report as a JUnit XML document."""
    counts = {
        "tests": len(report.steps),
        "failures": sum(step.status == "failed" for step in report.steps),
        "skipped": sum(step.status == "skipped" for step in report.steps),
    }
    attributes = {"name": f"site_verify.{report.level}", **{key: str(value) for key, value in counts.items()}, "time": f"{report.seconds:.3f}"}
    suites = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(suites, "testsuite", {**attributes, "errors": "0", "timestamp": report.started, "hostname": report.url})
    for step in report.steps:
        case = ElementTree.SubElement(suite, "testcase", {"classname": f"site_verify.{report.level}", "name": step.name, "time": f"{step.seconds:.3f}"})
        if step.status == "failed":
            ElementTree.SubElement(case, "failure", {"message": clean(step.message)})
        elif step.status == "skipped":
            ElementTree.SubElement(case, "skipped", {"message": clean(step.message)})
        elif step.message:
            ElementTree.SubElement(case, "system-out").text = clean(step.message)
    ElementTree.indent(suites)
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document


def clean(text: str) -> str:
    """Text without the control characters that XML 1.0 forbids: an exception's text may hold any."""
    return "".join(char if char in "\t\n" or ord(char) >= 32 else "?" for char in text)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file (mode 0600) so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_reports(report: Report, folder: Path) -> list[Path]:
    """Writes verify-<level>.json and verify-<level>.xml into ``folder`` and returns their paths."""
    paths = [folder / f"verify-{report.level}.json", folder / f"verify-{report.level}.xml"]
    write_atomically(paths[0], (json.dumps(report.as_dict(), indent=1) + "\n").encode())
    write_atomically(paths[1], junit(report))
    return paths


def needs_full(folder: Path, release: str) -> bool:
    """True unless the last full run in ``folder`` passed on the same ``release``."""
    try:
        last = json.loads((folder / "verify-full.json").read_text())
    except (OSError, ValueError):
        return True
    return not (isinstance(last, dict) and last.get("passed") is True and last.get("release") == release)
