"""What can go wrong, as the person who made the claim or runs the storage machine should hear it."""

from __future__ import annotations


class RefusedError(Exception):
    """A claim that cannot be served as it is.

    :param reason: CamelCase word for the event.
    :param message: one sentence: what is wrong, with what, what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class StorageError(Exception):
    """The volume or its quota could not be worked with; worth another try later."""


class NotLeaderError(Exception):
    """This instance must not act: another one holds the lease, or it could not be confirmed in time."""
