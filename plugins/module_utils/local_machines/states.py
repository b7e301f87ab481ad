# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What state a machine is in, from what was seen of it: a pure table."""

from __future__ import annotations

from dataclasses import dataclass

ABSENT, STOPPED, STARTING, RUNNING, HUNG, DEAD = "absent", "stopped", "starting", "running", "hung", "dead"


@dataclass(frozen=True)
class Seen:
    """What was observed of one machine.

    ``disk``: it has one. ``recorded``: it was started and nobody stopped it. ``alive``: that very process exists. ``frozen``: a signal stopped it.
    ``banner``: SSH greeted within the limit. ``age_seconds``: since its start. ``ending``: how the process ended, when it did.
    """

    disk: bool
    recorded: bool = False
    alive: bool = False
    frozen: bool = False
    banner: bool = False
    age_seconds: float = 0.0
    ending: str = ""


def classify(seen: Seen, *, boot_limit_seconds: float, banner_limit_seconds: float) -> tuple[str, str]:
    """Give a machine's state and a clause that says why. A machine runs only if it answers: a process alone is no proof."""
    if not seen.disk and not seen.alive:
        return ABSENT, "it has no disk"
    if seen.alive and seen.banner:
        return RUNNING, "SSH answers"
    if seen.alive and seen.frozen:
        return HUNG, "its process is stopped by a signal (SIGSTOP)"
    if seen.alive and seen.age_seconds < boot_limit_seconds:
        return STARTING, f"it was started {seen.age_seconds:.0f} s ago and SSH is silent so far"
    if seen.alive:
        return HUNG, f"its process lives but SSH gave no greeting within {banner_limit_seconds:.0f} s"
    if seen.recorded:
        return DEAD, f"its process ended without being stopped: {seen.ending}"
    return STOPPED, "it has a disk and is switched off"
