"""What a request of Custos' first API says: query and JSON, as Envoy transcodes them, never a form."""

from __future__ import annotations

import json

from aiohttp import web

from custos_double.errors import INVALID_ARGUMENT, ApiError
from custos_double.store import Record


async def read_params(request: web.Request) -> Record:
    """One dictionary of a request's query (dots nest, repetition makes arrays) and JSON body (which wins).

    An array as the body comes back under the key ``users``. Raises ApiError for any other body: Envoy reads JSON only.
    """
    params: Record = {}
    for name in dict.fromkeys(request.query):
        values = request.query.getall(name)
        *path, last = name.split(".")
        place = params
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise ApiError(INVALID_ARGUMENT, f"Could not find field {name} in the type")
        place[last] = values if len(values) > 1 else values[0]
    raw = await request.read()
    if not raw.strip():
        return params
    try:
        body = json.loads(raw)
    except ValueError as error:
        start = raw[:20].decode(errors="replace")
        raise ApiError(INVALID_ARGUMENT, f"Unexpected token.\n{start}\n^ (bodies are JSON; {request.content_type} is not read here)") from error
    if isinstance(body, list):
        return {**params, "users": body}
    if not isinstance(body, dict):
        raise ApiError(INVALID_ARGUMENT, "The body must be a JSON object")
    return {**params, **body}


def text(params: Record, name: str) -> str:
    value = params.get(name)
    if isinstance(value, list | dict):
        raise ApiError(INVALID_ARGUMENT, f"{name}: a single value is expected")
    return "" if value is None else str(value)


def texts(params: Record, name: str) -> list[str]:
    value = params.get(name) or []
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ApiError(INVALID_ARGUMENT, f"{name}: an array of strings is expected")
    return value


def flag(params: Record, name: str) -> bool:
    value = params.get(name, False)
    if value not in (True, False, "true", "false"):
        raise ApiError(INVALID_ARGUMENT, f"{name}: invalid value {value!r} for type TYPE_BOOL")
    return value in (True, "true")


def number(params: Record, name: str, default: int) -> int:
    value = text(params, name) or str(default)
    if not value.isdigit():
        raise ApiError(INVALID_ARGUMENT, f"{name}: invalid value {value!r} for type TYPE_INT32")
    return int(value)


def needed(params: Record, name: str, method: str) -> str:
    value = text(params, name)
    if not value:
        raise ApiError(INVALID_ARGUMENT, f"Error while validating method {method}, {name} should not be null")
    return value


def nested(params: Record, name: str) -> Record:
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise ApiError(INVALID_ARGUMENT, f"{name}: an object is expected")
    return value


def objects(params: Record, name: str) -> list[Record]:
    value = params.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ApiError(INVALID_ARGUMENT, f"{name}: an array of objects is expected")
    return value
