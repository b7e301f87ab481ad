# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container images: the commands of buildah, and root file systems that steps are run in."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.commands import Runner
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import Image

# Left behind by package tools, different each time or of no use in an image.
SCRUBBED = (
    "dev/*",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/hostname",
    "etc/ssh/ssh_host_*",
    "run/*",
    "tmp/*",
    "usr/sbin/policy-rc.d",
    "var/cache/apt",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/lib/apt/lists",
    "var/lib/dpkg/*-old",
    "var/log/*",
    "var/tmp/*",
)


def buildah(work: Path, scratch: Path) -> list[str]:
    """Give the beginning of every buildah command: a storage of our own, and large temporary files in ``scratch``."""
    storage = ["--storage-driver", "overlay", "--root", str(work / "containers/root"), "--runroot", str(work / "containers/run")]
    return ["env", f"TMPDIR={scratch}", "buildah", *storage]


def configure(image: Image, container: str) -> list[list[str]]:
    """Give the arguments of ``buildah config`` calls that say how the image starts."""
    calls: list[list[str]] = []
    flags = [flag for key, value in sorted(image.env.items()) for flag in ("--env", f"{key}={value}")]
    flags += ["--user", image.user] if image.user else []
    flags += ["--workingdir", image.workdir] if image.workdir else []
    if flags:
        calls.append([*flags, container])
    if image.entrypoint:
        calls.append(["--entrypoint", json.dumps(list(image.entrypoint)), container])
    if image.cmd:
        calls.append(["--cmd", shlex.join(image.cmd), container])
    return calls


@contextmanager
def inside(run: Runner, root: Path, network: bool = False, binds: Sequence[tuple[Path, str]] = ()) -> Iterator[None]:
    """Make a root file system fit to run programs in: /proc, /dev, a /run that vanishes; with ``network`` the host's names and certificates.

    ``binds`` are (path of the host, path below /run/hub).
    """
    with ExitStack() as stack:

        def mount(*arguments: str) -> None:
            run(["mount", *arguments])
            stack.callback(run, ["umount", "--recursive", "--lazy", arguments[-1]])

        for name in ("proc", "dev", "run"):
            (root / name).mkdir(exist_ok=True)
        # The host's: a fresh one would belong to the process namespace of the mount command, which is gone the next moment.
        mount("--rbind", "/proc", str(root / "proc"))
        mount("--rbind", "/dev", str(root / "dev"))
        mount("-t", "tmpfs", "hub-bundle", str(root / "run"))
        hub = root / "run/hub"
        for name in ("home", "tmp"):
            (hub / name).mkdir(parents=True)
        for source, name in binds:
            target = hub / name
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.touch()
            mount("--bind", str(source), str(target))
        if network:
            for name in ("etc/resolv.conf", "etc/hosts"):
                target = root / name
                if not target.exists():
                    if target.is_symlink():
                        target.unlink()
                    target.touch()
                mount("--bind", f"/{name}", str(target))
        yield


def certificates(environment: dict[str, str]) -> Path:
    """Give the host's bundle of authorities."""
    named = [environment.get(name, "") for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    return next(Path(name) for name in (*named, "/etc/ssl/certs/ca-certificates.crt") if name and os.path.exists(name))
