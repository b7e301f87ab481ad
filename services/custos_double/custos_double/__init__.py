"""A server that honours the contract of Apache Custos' APIs, with an OpenID Connect realm for every tenant: its own, or a real Keycloak's."""

from __future__ import annotations

__version__ = "0.1.0"
