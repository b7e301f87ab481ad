"""Start the provisioner (``hub-provisioner --export /srv/hub --server 10.0.0.5 ...``), or look at its disk (``hub-provisioner report``)."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from . import __version__, tools
from .api import Api
from .archives import Archives
from .controller import Controller
from .lease import Elector
from .plan import Settings
from .quota import NoQuota, Quota, XfsQuota
from .volumes import Volumes


def default_identity() -> str:
    """Host name and the start of the machine id: two machines of one name are still two."""
    try:
        machine = Path("/etc/machine-id").read_text().strip()[:8]
    except OSError:
        machine = "unknown"
    return f"{socket.gethostname()}_{machine}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    options = argparse.ArgumentParser(prog="hub_provisioner", description="Provision, limit, grow and archive NFS volumes for the claims of a cluster.")
    options.add_argument("--version", action="version", version=__version__)
    options.add_argument("--kubeconfig", default=f"{credentials}/kubeconfig" if credentials else None, help="default: that of the pod it runs in")
    options.add_argument("--provisioner", default="hub.airavata.org/nfs", help="name in the storage classes (default: %(default)s)")
    options.add_argument("--server", required=True, help="address by which clients mount")
    options.add_argument("--export", required=True, help="path by which clients mount")
    options.add_argument("--base", help="where the export is on this machine (default: the same path)")
    options.add_argument("--quota", choices=["xfs", "none"], default="xfs", help="how sizes are enforced (default: %(default)s)")
    options.add_argument("--base-is-a-folder", action="store_true", help="do not insist that something is mounted at the base")
    options.add_argument("--minimum-uid", type=int, default=1000, help="smallest owner a claim may ask for (default: %(default)s)")
    options.add_argument("--minimum-gid", type=int, default=100, help="smallest group a claim may ask for (default: %(default)s)")
    options.add_argument("--inodes-per-gib", type=int, default=65536, help="files a volume may have per GiB; 0 for any number (default: %(default)s)")
    options.add_argument("--warn-percent", type=int, default=90, help="an event tells that a volume is so full; 0 for never (default: %(default)s)")
    options.add_argument("--delete-archives-after-days", type=int, default=0, help="0 for never (default: %(default)s)")
    options.add_argument("--delete-archives-confirm", default="", help="the path of the export, typed again: without it no archive is deleted")
    options.add_argument("--lease-namespace", required=True)
    options.add_argument("--lease-name", default="nfs-provisioner")
    options.add_argument("--lease-seconds", type=int, default=30)
    options.add_argument("--identity", default=default_identity(), help="name in the lease (default: %(default)s)")
    options.add_argument("--metrics-address", default="127.0.0.1")
    options.add_argument("--metrics-port", type=int, default=9810, help="0 for none (default: %(default)s)")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in tools.VERBS:
        return tools.main(argv)
    options = parser()
    given = options.parse_args(argv)
    if given.delete_archives_after_days and given.delete_archives_confirm != given.export:
        options.error(f"archives are deleted only with --delete-archives-confirm={given.export}")
    # The journal adds the time; levels are told as it reads them.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(threadName)s: %(message)s")
    os.umask(0o077)
    base = given.base or given.export
    quota: Quota = XfsQuota(base) if given.quota == "xfs" else NoQuota()
    volumes = Volumes(base, quota, must_be_mounted=not given.base_is_a_folder)
    settings = Settings(
        given.provisioner,
        given.server,
        given.export,
        given.minimum_uid,
        given.minimum_gid,
        given.inodes_per_gib,
        warn_percent=given.warn_percent,
        delete_archives_after_days=given.delete_archives_after_days,
    )
    api = Api(given.kubeconfig)
    elector = Elector(api, given.lease_namespace, given.lease_name, given.identity, volumes.ready, given.lease_seconds)
    controller = Controller(api, volumes, Archives(volumes), settings, elector)
    if given.metrics_port:
        controller.metrics.serve(given.metrics_address, given.metrics_port)

    def end(_signal: int, _frame: FrameType | None) -> None:
        controller.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    logging.info("hub_provisioner %s as %s for %s:%s", __version__, given.identity, given.server, given.export)
    controller.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
