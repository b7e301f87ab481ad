"""Command line: verify a site, print a table, write reports.

Exit codes: 0 the site works, 1 a step failed, 2 it could not be tried (bad arguments, no users, no CA).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from site_verify.errors import VerifyError
from site_verify.hub import Limits, tls_context
from site_verify.report import Report, needs_full, report_table, write_reports
from site_verify.scenario import FULL, QUICK, choose_users, load_users, open_visit
from site_verify.steps import StepResult, run_steps


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(prog="site_verify", description="Use a JupyterHub site as a browser would and say whether it works.")
    parser.add_argument("--url", required=True, help="public address of the hub, https://host:port")
    parser.add_argument("--ca", type=Path, required=True, help="certificate authority that the site's certificate must come from")
    parser.add_argument("--users-file", type=Path, required=True, help="JSON file with demo users and passwords")
    parser.add_argument("--users", nargs=2, default=["alice", "bob"], metavar="NAME", help="the two demo users to be")
    parser.add_argument("--provider", default="Custos", help="a word in the title of the provider's login form")
    parser.add_argument("--level", choices=["quick", "full", "auto"], default="full", help="auto: full until a full run passed on this release")
    parser.add_argument("--release", default="", help="what is verified (any text); goes into the report")
    parser.add_argument("--reports", type=Path, help="folder for verify-<level>.json and verify-<level>.xml")
    parser.add_argument("--spawn-seconds", type=float, default=Limits.spawn_seconds, help="limit for a server's start")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of a table")
    return parser.parse_args(arguments)


def verify(options: argparse.Namespace) -> Report:
    """Runs the level asked for. Raises VerifyError when it cannot even begin."""
    level = options.level
    if level == "auto":
        level = "full" if options.reports is None or needs_full(options.reports, options.release) else "quick"
    # The quick level logs nobody in, and must work where there are no demo users.
    users = choose_users(load_users(options.users_file), options.users) if level == "full" else dict.fromkeys(options.users, "")
    visit = open_visit(options.url.rstrip("/"), tls_context(options.ca), Limits(spawn_seconds=options.spawn_seconds), users, options.provider)
    started, begun = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.monotonic()
    with visit.first.session, visit.second.session:
        results = run_steps(FULL if level == "full" else QUICK, visit, None if options.json else show_progress)
    return Report(level, visit.url, started, round(time.monotonic() - begun, 3), options.release, results)


def show_progress(result: StepResult) -> None:
    """One line on stderr while a run goes on."""
    print(f"{result.status:>7}  {result.seconds:6.1f} s  {result.title}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    options = parse_arguments(arguments)
    try:
        report = verify(options)
    except VerifyError as error:
        print(f"site_verify: {error}", file=sys.stderr)
        return 2
    paths = write_reports(report, options.reports) if options.reports else []
    if options.json:
        print(json.dumps({**report.as_dict(), "table": report_table(report), "reports": [str(path) for path in paths]}))
    else:
        print("\n".join(report_table(report)))
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
