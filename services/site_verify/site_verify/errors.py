"""What can go wrong while a site is verified. Every message says what failed, where, and what to look at."""

from __future__ import annotations


class VerifyError(Exception):
    """The site did not do what a user would expect of it."""


class LoginRefusedError(VerifyError):
    """The login form was shown again after it was sent: the provider refused the name or password."""


class CellError(VerifyError):
    """The cell ran and raised.

    ``name`` and ``value`` are the exception's own, as the kernel reported them.
    """

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"the cell raised {name}: {value}")
        self.name = name
        self.value = value
