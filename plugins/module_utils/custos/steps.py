# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plan that takes several calls: what to call, and what people are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError


@dataclass
class Steps:
    """``calls`` are (method, keyword arguments) of a dialect's class, in order; ``before`` and ``after`` are for people and hold no secret."""

    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.calls)

    def apply(self, to: Any, **common: Any) -> None:
        """Make the calls, each with ``common`` besides its own arguments. Raises CustosError, which says what was done before it."""
        done: list[str] = []
        for name, arguments in self.calls:
            try:
                getattr(to, name)(**common, **arguments)
            except CustosError as error:
                raise (error.explained(f"Already done: {', '.join(done)}.") if done else error) from error
            done.append(name.replace("_", " "))
