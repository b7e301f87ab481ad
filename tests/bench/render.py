"""Results as a page. Pure: from the JSON alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.phases import phase_rows
from tests.spawn_check.timing import percentile

# What is asked of a local site, and of what it is read.
TARGETS = {"cold_bundle": 1800.0, "login_page": 300.0, "second_run": 60.0, "spawn_p50": 6.0}
TITLES = {
    "cold_bundle": "cold bundle (everything downloaded and built)",
    "login_page": "warm bundle to login page (no machine to first answer)",
    "site": "warm bundle to verified site",
    "second_run": "second run of `make site`",
    "spawn_p50": "start of a notebook server, p50",
    "spawn_p99": "start of a notebook server, p99",
    "first_cell": "first cell after that (kernel start), p50",
    "stop": "stop of a notebook server, p50",
}


def span(seconds: float) -> str:
    """Seconds for people: 4.2 s, 2 min 5 s."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}", *[f"| {' | '.join(row)} |" for row in rows]]


def verdict(name: str, seconds: float) -> str:
    """Whether the target was met, by how much it was missed, or nothing without a target."""
    target = TARGETS.get(name)
    if target is None:
        return ""
    return "met" if seconds <= target else f"**missed** by {span(seconds - target)}"


def numbers(results: Mapping[str, Any]) -> dict[str, tuple[float, str]]:
    """The single numbers out of the results, each with the date it was measured."""
    found = {}
    for name in ("cold_bundle", "login_page", "site", "second_run"):
        if name in results:
            found[name] = (float(results[name]["seconds"]), str(results[name]["date"]))
    if "spawn" in results:
        spawn = results["spawn"]
        for name, key, percent in (
            ("spawn_p50", "seconds", 50),
            ("spawn_p99", "seconds", 99),
            ("first_cell", "cell_seconds", 50),
            ("stop", "stop_seconds", 50),
        ):
            found[name] = (percentile(spawn[key], percent), str(spawn["date"]))
    return found


def render(data: Mapping[str, Any]) -> str:
    """The page docs/benchmarks.md."""
    results, host = data["results"], data["host"]
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` from `benchmarks.json`; do not edit. Times are wall clock. A target that was missed is said to be.",
        "",
        f"Host: {host['cpu']}, {host['cores']} cores, {host['memory_gib']} GiB, {host['system']}. Others may have worked on it at the same time:",
        f"load average {host['load']} when the last of these was measured.",
        "",
        f"Versions: {', '.join(f'{name} {version}' for name, version in sorted(data['versions'].items()))}.",
        "",
        "## Times",
        "",
    ]
    found = numbers(results)
    rows = []
    for name, title in TITLES.items():
        target = span(TARGETS[name]) if name in TARGETS else ""
        if name in found:
            seconds, date = found[name]
            rows.append((title, target, span(seconds), verdict(name, seconds), date))
        elif name in TARGETS:
            rows.append((title, target, "not measured", "", ""))
    lines += markdown(("what", "target", "measured", "", "date"), rows)
    for name, title in (("login_page", "a first run"), ("second_run", "a second run"), ("cold_bundle", "the cold bundle")):
        parts = results.get(name, {}).get("parts")
        if parts:
            lines += ["", f"Where the time of {title} goes:", "", *markdown(("part", "seconds"), [(part, f"{seconds:.1f}") for part, seconds in parts])]
    if "spawn" in results:
        spawn = results["spawn"]
        lines += ["", "## Start of a notebook server", ""]
        lines += [f"{len(spawn['seconds'])} starts one after the other by one user, image present."]
        lines += [f"First: {span(spawn['seconds'][0])}; fastest {span(min(spawn['seconds']))}, slowest {span(max(spawn['seconds']))}.", ""]
        if spawn["phases"]:
            lines += markdown(("where the time goes", "p50 [s]", "p99 [s]", "share"), phase_rows(spawn["phases"]))
    if "crowd" in results:
        lines += ["", f"{results['crowd']['users']} users at once (`make spawn-check USERS={results['crowd']['users']}`):", ""]
        lines += markdown(("step", "p50 [s]", "p99 [s]", "min [s]", "max [s]", "users"), results["crowd"]["rows"])
    if "storage" in results:
        lines += ["", "## Storage", "", "From inside a notebook, on its home (NFS 4.2, project quota).", ""]
        lines += markdown(("what", "rate"), [(row["what"], f"{row['rate']:.0f} {row['unit']}") for row in results["storage"]["rows"]])
    if "memory" in results:
        lines += ["", "## Memory", "", "An idle site, no notebook running. The deploy host gives only what a machine has touched.", ""]
        rows = [(row["machine"], *(f"{row[key]} MiB" for key in ("size_mib", "used_mib", "host_mib"))) for row in results["memory"]["rows"]]
        rows.append(("all", *(f"{sum(row[key] for row in results['memory']['rows'])} MiB" for key in ("size_mib", "used_mib", "host_mib"))))
        lines += markdown(("machine", "size", "in use inside", "taken from the deploy host"), rows)
    return "\n".join(lines) + "\n"
