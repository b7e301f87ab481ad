# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls of Custos' first API over gRPC, with the stubs of custos-sdk.

Only its generated stubs are used: they carry the HTTP rules by which Custos' own proxy turns the one into the other. Its client classes are
not: each fetches a certificate without verification and writes it into its own package.
"""

from __future__ import annotations

import importlib
import os
import re
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.http import patiently

SERVICES = ("TenantManagement", "IdentityManagement", "UserManagement", "GroupManagement", "ResourceSecretManagement")
# gRPC's codes by name -> the HTTP status that Custos' proxy makes of them.
STATUS = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "UNAVAILABLE": 503,
}


def load(name: str) -> Any:
    """Import one of what the stubs need. Raises CustosError where they cannot be imported."""
    # They are older than protobuf's present code, which reads them in its slow implementation only.
    os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
    try:
        return importlib.import_module(name)
    except (ImportError, TypeError) as error:
        raise CustosError(
            f"transport custos-sdk cannot import {name} in {sys.executable}: install requirements-custos-sdk.txt in an environment of its own, name its"
            f" Python with ansible_python_interpreter, and set PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python where that is set to anything else ({error})."
        ) from error


def nest(query: Mapping[str, Any]) -> dict[str, Any]:
    """Query parameters as a message: ``group.id`` is a field of a field."""
    fields: dict[str, Any] = {}
    for name, value in query.items():
        *path, last = name.split(".")
        place = fields
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return fields


class Sdk:
    """A ``Transport`` to ``url``, of which host and port count.

    :arg ca_path: file of the certificate authorities to trust instead of the system's, or None.
    """

    def __init__(self, url: str, ca_path: str | None = None, timeout_seconds: int = 30, retries: int = 4, use_proxy: bool = True) -> None:
        self.base = url.rstrip("/")
        self.timeout_seconds = timeout_seconds
        self.retries = retries
        self.grpc = load("grpc")
        self.json = load("google.protobuf.json_format")
        self.messages = load("google.protobuf.message_factory")
        place = urlsplit(url)
        if place.scheme != "https" or not place.hostname:
            raise CustosError(f"url is {url}, and must be https://<host>:<port> of Custos' gRPC.")
        try:
            roots = Path(ca_path).read_bytes() if ca_path else None
        except OSError as error:
            raise CustosError(f"ca_path {ca_path} cannot be read ({error.strerror}).") from error
        self._channel = self.grpc.secure_channel(
            f"{place.hostname}:{place.port or 443}", self.grpc.ssl_channel_credentials(roots), options=[("grpc.enable_http_proxy", int(use_proxy))]
        )
        self._rules = self._read_rules()

    def _read_rules(self) -> list[tuple[str, re.Pattern[str], str, Any]]:
        """(HTTP method, pattern of the path, field that the body is, method descriptor) of every call that the stubs know."""
        http = load("google.api.annotations_pb2").http
        rules = []
        for name in SERVICES:
            for service in load(f"custos.server.integration.{name}Service_pb2").DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    rule = method.GetOptions().Extensions[http]
                    verb = rule.WhichOneof("pattern")
                    if verb:
                        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(getattr(rule, verb)))
                        rules.append((verb.upper(), re.compile(pattern), rule.body, method))
        return rules

    def call(
        self,
        method: str,
        path: str,
        authorization: str = "",
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
    ) -> dict[str, Any]:
        """The answer, as the JSON object that Custos' proxy would make of it, without its defaults. Raises CustosError."""
        what = f"{method} {path}"
        repeatable = method != "POST" if repeatable is None else repeatable
        field, called, captured = self._called(method, path)
        fields = {**nest(query or {}), **captured}
        fields |= ({field: body} if field else body) if body is not None else {}
        try:
            request = self.json.ParseDict(fields, self.messages.GetMessageClass(called.input_type)())
        except self.json.ParseError as error:
            raise CustosError(f"custos-sdk cannot say {what} with these options: {error}.") from error
        answer = patiently(lambda: self._once(called, request, authorization, what), self.retries, repeatable)
        return dict(self.json.MessageToDict(answer, preserving_proto_field_name=True))

    def _called(self, method: str, path: str) -> tuple[str, Any, dict[str, str]]:
        """(field that the body is, method descriptor, fields out of the path) of a call."""
        for verb, pattern, field, called in self._rules:
            found = pattern.fullmatch(path)
            if verb == method and found:
                return field, called, {name: unquote(value) for name, value in found.groupdict().items()}
        raise CustosError(f"custos-sdk has no call for {method} {path}; set transport to https.")

    def _once(self, called: Any, request: Any, authorization: str, what: str) -> Any:
        send = self._channel.unary_unary(
            f"/{called.containing_service.full_name}/{called.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.messages.GetMessageClass(called.output_type).FromString,
        )
        metadata = [("authorization", authorization)] if authorization else []
        try:
            return send(request, timeout=self.timeout_seconds, metadata=metadata)
        except self.grpc.RpcError as error:
            code, details = error.code().name, error.details() or "no message"
            if "CERTIFICATE_VERIFY_FAILED" in details:
                hint = "its certificate was not accepted; set ca_path to the file of the authority that signed it"
                raise CustosError(f"{what} at {self.base} failed: {hint} ({details}).") from ssl.SSLError(details)
            if code == "DEADLINE_EXCEEDED" or "failed to connect" in details:
                hint = f"no answer within {self.timeout_seconds} s or no connection; check url, and that the server runs and is not behind a firewall"
                raise CustosError(f"{what} at {self.base} failed: {hint} ({details}).") from error
            raise CustosError(f"Custos answered {code} to {what}: {details.rstrip('.')}.", STATUS.get(code, 500), error.code().value[0]) from error
