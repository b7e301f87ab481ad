"""The three shapes in which this server says no: Custos' own, OAuth's, and a page for people."""

from __future__ import annotations

INVALID_ARGUMENT = 3
NOT_FOUND = 5
ALREADY_EXISTS = 6
ABORTED = 10
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16
HTTP_STATUS = {INVALID_ARGUMENT: 400, NOT_FOUND: 404, ALREADY_EXISTS: 409, ABORTED: 409, INTERNAL: 500, UNAVAILABLE: 503, UNAUTHENTICATED: 401}
NAMES = {
    INVALID_ARGUMENT: "INVALID_ARGUMENT", NOT_FOUND: "NOT_FOUND", ALREADY_EXISTS: "ALREADY_EXISTS", ABORTED: "ABORTED", INTERNAL: "INTERNAL",
    UNAVAILABLE: "UNAVAILABLE", UNAUTHENTICATED: "UNAUTHENTICATED",
}  # fmt: skip


class SettingsError(Exception):
    """The configuration cannot be used; the message is one sentence for the person who wrote it."""


class ApiError(Exception):
    """An error of Custos' own API: a gRPC code that Envoy turns into a status and ``{code, message, details}``."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        return HTTP_STATUS[self.code]

    def body(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message, "details": []}


class OAuthError(Exception):
    """An error of a realm's token or userinfo endpoint, as RFC 6749 and Keycloak shape it."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description

    def body(self) -> dict[str, object]:
        return {"error": self.error, **({"error_description": self.description} if self.description else {})}


class PageError(Exception):
    """An error a person sees, because redirecting would trust an unchecked address."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
