# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One kind of error for everything that goes wrong with Custos."""

from __future__ import annotations


class CustosError(Exception):
    """A call that failed: the message says what, on what and what to do; ``status`` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def explained(self, hint: str) -> CustosError:
        """The same error with what to check or do."""
        return CustosError(f"{self} {hint}", self.status, self.code)
