"""What an operator types on the storage machine: ``hub-provisioner report``, ``hub-provisioner verify-archive <name>``. They change nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .archives import Archives, report_path
from .errors import RefusedError, StorageError
from .quota import NoQuota
from .volumes import Volumes

VERBS = ("report", "verify-archive")


def main(argv: Sequence[str]) -> int:
    """Run one of `VERBS`; returns 0, 1 when an archive is not whole, 2 when nothing could be said."""
    options = argparse.ArgumentParser(prog="hub-provisioner", description="Look at what the provisioner has on its disk; changes nothing.")
    verbs = options.add_subparsers(dest="verb", required=True)
    verbs.add_parser("report", help="orphans, shared folders and archives, as JSON, as of the last review (every five minutes)")
    verify = verbs.add_parser("verify-archive", help="read an archive and compare it with its manifest")
    verify.add_argument("archive", nargs="+", help="name of an archive, archived-...")
    for verb in verbs.choices.values():
        base = os.environ.get("HUB_PROVISIONER_BASE")
        verb.add_argument("--base", default=base, required=base is None, help="where the export is on this machine (default: %(default)s)")
        verb.add_argument("--base-is-a-folder", action="store_true", help="do not insist that something is mounted there")
    given = options.parse_args(argv)
    try:
        if given.verb == "report":
            sys.stdout.write(Path(report_path(given.base)).read_text(encoding="utf-8"))
            return 0
        archives = Archives(Volumes(given.base, NoQuota(), must_be_mounted=not given.base_is_a_folder))
        bad = 0
        for name in given.archive:
            problems = archives.verify(name, lambda _seconds: None)
            bad += bool(problems)
            print("\n".join(f"{name}: {problem}" for problem in problems) or f"{name}: whole, as of its manifest")
        return 1 if bad else 0
    except FileNotFoundError as error:
        print(
            f"there is no report at {error.filename}; it is written when the provisioner has looked at everything (journalctl -u hub-nfs-provisioner)",
            file=sys.stderr,
        )
    except (StorageError, RefusedError, OSError) as error:
        print(error, file=sys.stderr)
    return 2
