# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A mount namespace of our own: what is mounted while building vanishes with us, and nothing of it is seen by the host."""

from __future__ import annotations

import ctypes
import os

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError

CLONE_NEWNS = 0x00020000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18


def isolate_mounts() -> None:
    """Move this process, before it starts threads, to a mount namespace of its own. Raises :class:`BundleError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise BundleError(f"No mount namespace for the build: {os.strerror(ctypes.get_errno())}. Run as root, in a container with CAP_SYS_ADMIN.")
