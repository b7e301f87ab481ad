"""A server that honours the contract of Apache Custos' first API (v1.0.0), with an OpenID Connect realm for every tenant."""

from __future__ import annotations

__version__ = "0.1.0"
