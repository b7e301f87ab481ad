"""`make spawn-check USERS=5`: as many people at once, each in a browser of their own. Not 0 when anybody failed."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "services" / "site_verify"))

from site_verify.errors import VerifyError
from site_verify.hub import HubSession, Limits, tls_context
from site_verify.report import shortened, table
from site_verify.scenario import Person, load_users
from site_verify.steps import Step, StepResult, first_failure, run_steps

from tests.spawn_check.timing import summary_rows


def log_in(person: Person) -> str:
    """Logs in through the provider's form."""
    person.session.login(person.username, person.password)
    return ""


def start(person: Person) -> str:
    """Starts a server and waits for it."""
    person.start()
    return ""


def open_page(person: Person) -> str:
    """Opens JupyterLab."""
    person.page()
    return ""


def run_cell(person: Person) -> str:
    """Starts a kernel and runs a cell that computes something."""
    a, b = secrets.randbelow(10**6), secrets.randbelow(10**6)
    output = person.run(f"{a} * {b}")
    if output != str(a * b):
        raise VerifyError(f"the kernel says {a} * {b} = {output}")
    return ""


def stop(person: Person) -> str:
    """Stops what was started."""
    person.stop()
    return ""


def log_out(person: Person) -> str:
    """Logs out."""
    person.session.logout()
    return ""


STEPS: list[Step[Person]] = [
    Step("login", "log in", log_in),
    Step("spawn", "start", start),
    Step("open", "open", open_page),
    Step("cell", "cell", run_cell),
    Step("stop", "stop", stop, always=True),
    Step("logout", "log out", log_out, always=True),
]


# Many at once are slower, each of them.
CROWD = Limits(request_seconds=60, spawn_seconds=300, cell_seconds=120)


def visit(person: Person, together: threading.Barrier) -> list[StepResult]:
    """All steps of one person, begun at the same moment as everybody's."""
    together.wait()
    with person.session:
        return run_steps(STEPS, person)


def check(url: str, ca_file: Path, users: dict[str, str], limits: Limits) -> dict[str, list[StepResult]]:
    """The steps' results of all users, who come at once."""
    tls = tls_context(ca_file)
    people = [Person(name, password, HubSession(url, tls, limits)) for name, password in users.items()]
    together = threading.Barrier(len(people))
    with ThreadPoolExecutor(len(people)) as pool:
        results = pool.map(lambda person: visit(person, together), people)
        return dict(zip(users, results))


def seconds_by_step(results: dict[str, list[StepResult]]) -> dict[str, list[float]]:
    """Seconds of those who got through each step, by its title."""
    return {step.title: [each.seconds for steps in results.values() for each in steps if each.name == step.name and each.status == "ok"] for step in STEPS}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; defaults are those of inventories/local."""
    state = Path("/var/lib/airavata-jupyterhub/local")
    parser = argparse.ArgumentParser(prog="spawn-check", description=__doc__)
    parser.add_argument("--users", type=int, default=5, help="how many demo users")
    parser.add_argument("--url", default="https://localhost:8443")
    parser.add_argument("--ca", type=Path, default=state / "ca/ca.crt")
    parser.add_argument("--users-file", type=Path, default=state / "secrets/demo-users.json")
    parser.add_argument("--spawn-seconds", type=float, default=CROWD.spawn_seconds, help="limit for one server's start")
    parser.add_argument("--json", type=Path, help="write the seconds there")
    options = parser.parse_args(arguments)
    if options.users < 1:
        parser.error("--users must be at least 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Runs the check, prints two tables, and returns the exit code: 0 fine, 1 somebody failed, 2 could not begin."""
    options = parse_arguments(arguments)
    try:
        known = load_users(options.users_file)
        if len(known) < options.users:
            raise VerifyError(f"{options.users_file} has only {len(known)} users")
        users = dict(list(known.items())[: options.users])
        begun = time.monotonic()
        results = check(options.url, options.ca, users, replace(CROWD, spawn_seconds=options.spawn_seconds))
    except VerifyError as error:
        print(f"spawn-check: {error}", file=sys.stderr)
        return 2
    total = time.monotonic() - begun
    failures = {name: failure for name, steps in results.items() if (failure := first_failure(steps))}
    rows = []
    for name, steps in results.items():
        failure = failures.get(name)
        cells = [f"{step.seconds:.1f}" if step.status == "ok" else step.status for step in steps]
        rows.append((name, *cells, f"{failure.name}: {shortened(failure.message, 100)}" if failure else ""))
    columns = range(1, len(STEPS) + 1)
    print("\n".join(table(("user", *(step.title for step in STEPS), ""), rows, right=columns)), end="\n\n")
    print("\n".join(table(("step", "p50", "p99", "min", "max", "users"), summary_rows(seconds_by_step(results)), right=range(1, 6))), end="\n\n")
    print(f"{len(users) - len(failures)} of {len(users)} users could work; {total:.1f} s in all")
    if options.json:
        data = {
            name: {step.name: {"status": step.status, "seconds": step.seconds, "message": step.message} for step in steps} for name, steps in results.items()
        }
        options.json.write_text(json.dumps({"schema": 1, "users": data, "seconds": round(total, 3)}, indent=1) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
