"""Mitogen's linear strategy without its pinning to CPUs.

Mitogen 0.3 pins its processes, and what they start inherits it: on two CPUs that is all on the second one, the build of the bundle, every machine, every
service, for as long as they run. The class below is Mitogen's own (ansible_mitogen/plugins/strategy/mitogen_linear.py).
"""

from __future__ import annotations

import ansible_mitogen.affinity
import ansible_mitogen.loaders
import ansible_mitogen.strategy

ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()  # the one that does nothing


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)):  # type: ignore[misc]
    """Runs tasks as Mitogen does, on whatever CPU is free."""
