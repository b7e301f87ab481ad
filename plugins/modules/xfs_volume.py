#!/usr/bin/python
# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: xfs_volume
short_description: A disk with one XFS on it, mounted
version_added: 0.1.0
description:
  - Formats a blank disk with XFS, mounts it by its UUID now and at every boot, and grows the file system when the disk has grown.
  - A disk that holds anything else is never formatted; the module fails with a sentence that says what is on it.
author: The airavata.jupyterhub developers (@airavata)
options:
  device:
    description: The whole disk. Not needed for O(state=absent).
    type: path
  path:
    description: Where it is mounted.
    type: path
    required: true
  options:
    description: Options of the mount. C(prjquota) lets directories have limits; a mounted file system cannot be given it later.
    type: list
    elements: str
    default: [prjquota, noatime, nodev, nosuid]
  mode:
    description: Mode of the top directory.
    type: str
    default: "0711"
  state:
    description:
      - V(present) formats if blank, mounts, grows.
      - V(absent) unmounts and forgets the mount. The data stays on the disk, whatever this module is asked.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: full, description: Shows the steps and the line of C(/etc/fstab).}
seealso:
  - module: airavata.jupyterhub.xfs_volume_info
"""

EXAMPLES = r"""
- name: Mount the data disk
  airavata.jupyterhub.xfs_volume:
    device: /dev/vdb
    path: /srv/hub
"""

RETURN = r"""
actions:
  description: What was done, or would be, among V(format), V(format_again), V(fstab), V(mount), V(mode), V(grow), V(unmount).
  type: list
  elements: str
  returned: success
volume:
  description: The volume afterwards. In check mode what is there now.
  type: dict
  returned: success
  sample: {"device": "/dev/vdb", "uuid": "0f0e0d0c-1b1a-4918-8716-151413121110", "size_bytes": 107374182400, "mounted": true}
"""

import contextlib
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.airavata.jupyterhub.plugins.module_utils import locks
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.disks import probe, read_mounts, read_text, volume_facts
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.xfs import (
    Plan,
    XfsError,
    edit_fstab,
    fstab_line,
    plan_absent,
    plan_present,
)

FSTAB = "/etc/fstab"
LOCK = "/run/airavata-jupyterhub-xfs.lock"
_LOCK_SECONDS = 120


class Doer:
    """Carries out the steps of a plan. Programs inherit the lock: one that outlives a killed run keeps it."""

    def __init__(self, module: AnsibleModule, lock: int) -> None:
        self.module, self.lock = module, lock
        self.device, self.path = module.params["device"], module.params["path"]

    def _run(self, *argv: str) -> str:
        rc, out, err = self.module.run_command(list(argv), pass_fds=[self.lock])
        if rc:
            raise XfsError(f"{' '.join(argv)} failed: {err.strip() or out.strip() or f'exit status {rc}'}")
        return str(out)

    def format(self) -> bool:
        # No -f: mkfs.xfs looks again by itself, and refuses what is not blank.
        self._run("mkfs.xfs", "-q", self.device)
        self._run("udevadm", "settle", "--timeout=30")
        return True

    def format_again(self) -> bool:
        # A mkfs.xfs that was interrupted: there has never been a file on it.
        self._run("mkfs.xfs", "-q", "-f", self.device)
        self._run("udevadm", "settle", "--timeout=30")
        return True

    def fstab(self, text: str) -> bool:
        temporary = f"{FSTAB}.airavata-jupyterhub"
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, FSTAB)
        self._run("systemctl", "daemon-reload")  # mount units are made of fstab
        return True

    def mount(self) -> bool:
        os.makedirs(self.path, mode=0o755, exist_ok=True)
        self._run("mount", self.path)
        return True

    def mode(self) -> bool:
        wanted = int(self.module.params["mode"], 8)
        if os.stat(self.path).st_mode & 0o7777 == wanted:
            return False
        os.chmod(self.path, wanted)
        return True

    def grow(self) -> bool:
        return "data blocks changed" in self._run("xfs_growfs", "-d", self.path)

    def unmount(self) -> bool:
        self._run("umount", self.path)
        return True


def _plan(module: AnsibleModule) -> Plan:
    params, fstab = module.params, read_text(FSTAB)
    if params["state"] == "absent":
        return plan_absent(params["path"], read_mounts(), fstab)
    if os.path.islink(params["path"]) or (os.path.exists(params["path"]) and not os.path.isdir(params["path"])):
        raise XfsError(f"{params['path']} is not a directory; choose another mount point.")
    current = os.stat(params["path"]).st_mode & 0o7777 if os.path.isdir(params["path"]) else None
    disk = probe(module.run_command, params["device"])
    return plan_present(disk, params["path"], params["options"], int(params["mode"], 8), read_mounts(), fstab, current)


def _carry_out(module: AnsibleModule, done: list[str], before: str, lock: int | None) -> str:
    """Do what is due, and add each step that changed something to ``done``; without ``lock`` (a check) do nothing. Returns the text of fstab afterwards."""
    params, plan = module.params, _plan(module)
    after = plan.fstab
    if lock is None:
        done += plan.steps
        return after
    doer = Doer(module, lock)
    for step in plan.steps:
        if step == "fstab":
            if params["state"] == "present":  # the uuid is known only now if the disk was just formatted
                made = probe(module.run_command, params["device"]).superblock
                if made is None:
                    raise XfsError(f"{params['device']} has no XFS after mkfs.xfs; see the kernel's messages (dmesg).")
                after = edit_fstab(before, params["path"], fstab_line(made.uuid, params["path"], params["options"]))
            changed = doer.fstab(after)
        else:
            changed = getattr(doer, step)()
        if changed:
            done.append(step)
    return after


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "path"},
            "path": {"type": "path", "required": True},
            "options": {"type": "list", "elements": "str", "default": ["prjquota", "noatime", "nodev", "nosuid"]},
            "mode": {"type": "str", "default": "0711"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["device"])],
        supports_check_mode=True,
    )
    params = module.params
    done: list[str] = []
    try:
        # A mkfs.xfs of a killed run may still be at work: what is read beside it is half of this and half of that.
        with contextlib.nullcontext() if module.check_mode else locks.held(LOCK, _LOCK_SECONDS) as lock:
            before = read_text(FSTAB)
            after = _carry_out(module, done, before, lock)
            volume = volume_facts(module.run_command, params["device"], params["path"])
    except (XfsError, locks.LockedError, OSError) as error:
        module.fail_json(msg=str(error), actions=done)
    lines = [line for line in (after or before).splitlines() if f" {params['path']} " in line]
    old = [line for line in before.splitlines() if f" {params['path']} " in line]
    module.exit_json(
        changed=bool(done),
        actions=done,
        volume=volume,
        diff={"before": "\n".join(old) + "\n", "after": "\n".join([*lines, *(f"# {step}" for step in done)]) + "\n"} if done else {},
    )


if __name__ == "__main__":
    main()
