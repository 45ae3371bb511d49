"""Bodies as the standard of JSON has them (RFC 8259): in UTF-8, each key once, without NaN."""

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

_SHOWN = 50


class StrictJsonRoute(APIRoute):
    """A path whose bodies are strictly JSON. Python's reader takes the last of two equal keys, and NaN."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictJsonRequest(request.scope, request.receive))

        return handle_strictly


class _StrictJsonRequest(Request):
    async def json(self) -> Any:  # noqa: ANN401 - as in the class above it
        try:
            text = (await self.body()).decode("utf-8")
            return json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_refuse_constant)
        # Of lists in lists, of numbers with thousands of digits, of bytes that are no text, of what is no JSON.
        except (RecursionError, ValueError) as error:
            raise HTTPException(400, f"the body is no JSON: {error}") from error


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict[str, Any]()
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:_SHOWN]!r} comes twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
