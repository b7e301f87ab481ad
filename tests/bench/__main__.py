"""`make bench`: measures the local site and writes docs/benchmarks.json and docs/benchmarks.md.

A site that is not there is made, which measures the way from the bundle to the login page. A site that is there stays, unless --fresh says
that it may be destroyed with its users' files. Parts that are not measured keep their earlier numbers, each with its own date.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.phases import PodWatch, durations
from tests.bench.render import render
from tests.e2e.site import TOP, Run, Site
from tests.spawn_check.__main__ import CROWD, check, seconds_by_step
from tests.spawn_check.timing import summary_rows

from site_verify.errors import VerifyError  # isort: skip - tests.e2e.site makes it importable
from site_verify.report import write_atomically  # isort: skip
from site_verify.steps import first_failure  # isort: skip

DATA = TOP / "docs" / "benchmarks.json"
PAGE = TOP / "docs" / "benchmarks.md"
PARTS = ("cold", "site", "second", "memory", "spawn", "crowd", "storage")

# Prints rates as JSON. Reading drops this client's cache first, so what is read comes from the storage machine (from its cache).
STORAGE = """
import json, os, pathlib, shutil, tempfile, time
folder = pathlib.Path(tempfile.mkdtemp(dir=pathlib.Path.home(), prefix=".bench-"))
rows = []
def row(what, amount, unit, begun):
    rows.append({"what": what, "rate": amount / (time.perf_counter() - begun), "unit": unit})
try:
    block, count = os.urandom(2**20), 256
    begun = time.perf_counter()
    with open(folder / "big", "wb") as f:
        for _ in range(count):
            f.write(block)
        f.flush()
        os.fsync(f.fileno())
    row("write 256 MiB, with fsync", count, "MiB/s", begun)
    with open(folder / "big", "rb") as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        begun = time.perf_counter()
        while f.read(2**20):
            pass
    row("read it again, not from the notebook's cache", count, "MiB/s", begun)
    names = [folder / f"small-{i}" for i in range(500)]
    begun = time.perf_counter()
    for name in names:
        name.write_bytes(b"x" * 100)
    row("create small files", len(names), "files/s", begun)
    begun = time.perf_counter()
    for name in names:
        with open(name, "rb+") as f:
            f.write(b"y")
            f.flush()
            os.fsync(f.fileno())
    row("overwrite and fsync them", len(names), "files/s", begun)
    begun = time.perf_counter()
    for name in names:
        name.unlink()
    row("delete them", len(names), "files/s", begun)
finally:
    shutil.rmtree(folder)
print(json.dumps(rows))
"""


class Clock:
    """Notes when each play of a run begins."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.marks: list[tuple[str, float]] = []

    def line(self, line: str) -> None:
        """Takes a line of the run's output."""
        if line.startswith("PLAY ["):
            self.marks.append((line[6:].split("]")[0], time.monotonic()))

    def parts(self) -> list[tuple[str, float]]:
        """Seconds of each play; what came before the first is the start of Ansible."""
        ends = [moment for _name, moment in self.marks[1:]] + [time.monotonic()]
        result = [(name, end - moment) for (name, moment), end in zip(self.marks, ends)]
        if self.marks:
            result.insert(0, ("start of Ansible", self.marks[0][1] - self.begun))
        return [(name, round(seconds, 1)) for name, seconds in result if seconds >= 0.05]


def measured(**values: Any) -> dict[str, Any]:
    """A result with its date (UTC)."""
    return {"date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), **values}


def say(text: str) -> None:
    """A line of progress."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def bench_cold(site: Site) -> dict[str, Any]:
    """A bundle in an empty cache folder of its own, beside the real one, deleted afterwards."""
    cache = Path(site.values["hub_cache_dir"] + "-bench")
    shutil.rmtree(cache, ignore_errors=True)
    try:
        clock = Clock()
        run = site.run_playbook("site.yml", "--tags", "bundle", "-e", f"hub_cache_dir={cache}", limit_seconds=7200, on_line=clock.line).must_pass()
        return {"cold_bundle": measured(seconds=round(run.seconds, 1), parts=clock.parts())}
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def bench_site(site: Site) -> dict[str, Any]:
    """From the bundle to the login page and to the verified site."""
    clock = Clock()
    run, page = site.make(on_line=clock.line)
    run.must_pass()
    if page is None:
        raise VerifyError("site.yml ended well, but the login page never answered while it ran")
    return {"login_page": measured(seconds=round(page, 1), parts=clock.parts()), "site": measured(seconds=round(run.seconds, 1))}


def bench_second(site: Site) -> dict[str, Any]:
    """A run that has nothing to do."""
    clock = Clock()
    run: Run = site.run_playbook(on_line=clock.line).must_pass()
    if run.changed:
        raise VerifyError(f"this was no second run, it changed something: {run.changed_tasks}")
    return {"second_run": measured(seconds=round(run.seconds, 1), parts=clock.parts())}


def bench_memory(site: Site) -> dict[str, Any]:
    """Memory of each machine, as it says itself and as the deploy host pays for it."""
    rows = []
    for name, state in sorted(site.machine_states().items()):
        lines = dict(line.split(":", 1) for line in site.ssh(name, "cat", "/proc/meminfo").splitlines())
        kib = {key: int(value.split()[0]) for key, value in lines.items()}
        rows.append(
            {
                "machine": name,
                "size_mib": kib["MemTotal"] // 1024,
                "used_mib": (kib["MemTotal"] - kib["MemAvailable"]) // 1024,
                "host_mib": state["memory_used_mib"],
            }
        )
    return {"memory": measured(rows=rows)}


def bench_spawn(site: Site, count: int) -> dict[str, Any]:
    """Starts and stops of one user's server, one after the other, with the pods' phases."""
    watch = PodWatch(site.core)
    watch.start()
    person = site.person("alice")
    seconds, cells, stops, phases, nodes = [], [], [], [], []
    try:
        for number in range(count):
            asked = time.monotonic()
            person.start()
            ready = time.monotonic()
            pod = watch.newest(asked)
            if pod:
                parts = durations(asked, watch.marks[pod], ready)
                if parts:
                    phases.append({name: round(value, 3) for name, value in parts.items()})
                nodes.append(watch.nodes.get(pod, "?"))
            person.run("6 * 7")
            worked = time.monotonic()
            person.stop()
            seconds.append(round(ready - asked, 3))
            cells.append(round(worked - ready, 3))
            stops.append(round(time.monotonic() - worked, 3))
            say(f"start {number + 1} of {count}: {seconds[-1]:.1f} s, first cell {cells[-1]:.1f} s, stop {stops[-1]:.1f} s")
    finally:
        watch.ended.set()
        site.send_home()
    return {"spawn": measured(seconds=seconds, cell_seconds=cells, stop_seconds=stops, phases=phases, nodes=nodes)}


def bench_crowd(site: Site, users: int) -> dict[str, Any]:
    """As many people at once."""
    people = dict(list(site.users.items())[:users])
    results = check(site.values["hub_url"], Path(site.values["hub_ca_certificate"]), people, CROWD)
    broken = {name: failure.message for name, steps in results.items() if (failure := first_failure(steps))}
    if broken:
        raise VerifyError(f"not everybody could work: {broken}")
    return {"crowd": measured(users=users, rows=summary_rows(seconds_by_step(results)))}


def bench_storage(site: Site) -> dict[str, Any]:
    """Rates of a home, from inside a notebook."""
    person = site.person("alice")
    try:
        person.start()
        person.session.limits = type(person.session.limits)(cell_seconds=300)
        return {"storage": measured(rows=json.loads(person.run(STORAGE)))}
    finally:
        site.send_home()


def recorded_cold(cache: Path) -> dict[str, Any]:
    """The time of the cold bundle as the builder recorded it in its cache, when it did."""
    try:
        record = json.loads((cache / "bundle" / "timings.json").read_text())
        return {"cold_bundle": measured(seconds=float(record["wall_seconds"]), date=str(record["date"]), parts=list(record.get("items", {}).items()))}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def host() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine()
    )
    release = platform.freedesktop_os_release()
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{release.get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="destroy the local site first, with its users' files")
    parser.add_argument("--cold", action="store_true", help="also build a bundle from nothing, in a folder of its own (about half an hour, 35 GiB)")
    parser.add_argument("--spawns", type=int, default=20, help="how many starts")
    parser.add_argument("--users", type=int, default=5, help="how many people at once")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure only these")
    return parser.parse_args(arguments)


def save(results: dict[str, Any], site: Site) -> str:
    """Adds results to the JSON and writes the page; returns the page."""
    data = json.loads(DATA.read_text()) if DATA.exists() else {"results": {}}
    manifest = json.loads((Path(site.values["hub_cache_dir"]) / "bundle" / "manifest.json").read_text())
    data = {"schema": 1, "host": host(), "versions": manifest.get("versions", {}), "results": {**data["results"], **results}}
    write_atomically(DATA, (json.dumps(data, indent=1, sort_keys=True) + "\n").encode())
    page = render(data)
    write_atomically(PAGE, page.encode())
    for path in (DATA, PAGE):
        path.chmod(0o644)
    return page


def main(arguments: list[str] | None = None) -> int:
    """Measures, part by part; each is saved at once. Not 0 when a part failed."""
    options = parse_arguments(arguments)
    site = Site()
    there = Path(site.values["hub_state_dir"]).exists()
    if options.fresh and there:
        say("destroy the site")
        site.destroy().must_pass()
        there = False
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "cold": lambda: bench_cold(site) if options.cold else recorded_cold(Path(site.values["hub_cache_dir"])),
        "site": lambda: {} if there else bench_site(site),
        "second": lambda: bench_second(site),
        "memory": lambda: bench_memory(site),
        "spawn": lambda: bench_spawn(site, options.spawns),
        "crowd": lambda: bench_crowd(site, options.users),
        "storage": lambda: bench_storage(site),
    }
    if there and "site" in options.only:
        say("the site is there already: from bundle to login page is not measured (ARGS=--fresh destroys it and makes it anew)")
    failed = []
    page = ""
    for name in options.only:
        say(name)
        try:
            page = save(parts[name](), site)
        except (VerifyError, AssertionError, OSError) as error:
            failed.append(name)
            say(f"{name} FAILED: {error}")
    print(page)
    if failed:
        say(f"not measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
