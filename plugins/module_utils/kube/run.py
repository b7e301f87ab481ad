# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run kubeadm and kubectl on a machine: one kubeadm at a time, every run with a limit."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils import locks
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.errors import KubeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.kubeadm import ETCD_DATA, kubeadm_reason
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import STATE_DIR

LOCK = "/run/airavata-jupyterhub-kubeadm.lock"
MARKER_DIR = f"{STATE_DIR}/kube"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Result:
    """What a program left: return code (124: the limit was over), and its texts."""

    rc: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both outputs, the errors last."""
        return f"{self.out}\n{self.err}"


def run(command: Sequence[str], limit_seconds: float, keep: Sequence[int] = ()) -> Result:
    """Run a program with a limit; ``keep`` are file descriptors it inherits. Raises KubeError when it does not exist."""
    try:
        done = subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            pass_fds=tuple(keep),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": PATH},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result(124, "", f"no end after {limit_seconds:g} s")
    except FileNotFoundError as error:
        raise KubeError(f"{command[0]} is not installed on {os.uname().nodename}; the roles copy it from the bundle before this step") from error
    return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def one_kubeadm(limit_seconds: float) -> Iterator[int]:
    """Hold the machine's kubeadm lock. Yields its descriptor, for :func:`run` to hand to kubeadm.

    A kubeadm that outlives a killed run thus keeps the lock until it ends, and the next run waits for it instead of running beside it.
    """
    try:
        with locks.held(LOCK, limit_seconds) as handle:
            yield handle
    except locks.LockedError as error:
        raise KubeError(f"kubeadm on {os.uname().nodename}: {error}; journalctl -u kubelet") from None


def kubeadm(arguments: Sequence[str], limit_seconds: float, lock: int, what: str) -> str:
    """Run kubeadm under the lock and return its output. Raises KubeError that says what it was for and how it ended."""
    done = run(["kubeadm", *arguments], limit_seconds, keep=(lock,))
    if done.rc:
        told = kubeadm_reason(done.err, done.out)
        raise KubeError(f"{what} failed on {os.uname().nodename} (kubeadm ended with {done.rc}): {told}. Look at: journalctl -u kubelet; crictl ps -a")
    return done.out


def reset_machine(limit_seconds: float, lock: int, cri_socket: str) -> None:
    """Take back what an unfinished kubeadm left. For machines that never were part of a healthy cluster; data of etcd goes too."""
    kubeadm(["reset", "--force", "--cri-socket", cri_socket], limit_seconds, lock, "Taking back an unfinished start")
    # kubeadm finds etcd's folder by its manifest, which an early end has not written yet.
    if os.path.isdir(ETCD_DATA):
        done = run(["rm", "-rf", "--", ETCD_DATA], 60)
        if done.rc:
            raise KubeError(f"Cannot remove {ETCD_DATA} of an unfinished start: {done.err.strip()}")


def own_node(kubeconfig: str, name: str) -> tuple[Result, dict[str, Any]]:
    """Ask the API server for a Node with the credential in ``kubeconfig``; the object is empty when there is no answer."""
    done = run(["kubectl", "--kubeconfig", kubeconfig, "get", "node", name, "-o", "json", "--request-timeout=10s"], 20)
    return done, json.loads(done.out) if done.rc == 0 else {}
