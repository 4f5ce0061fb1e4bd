"""Keeps one large body from holding up every other request of its worker."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from msgspec.structs import replace

from fhir_server.interactions.context import RequestContext

P = ParamSpec("P")
R = TypeVar("R")

LARGE_BODY_BYTES = 256 * 1024
"""Checking and indexing take up to 0.7 s per MB of the worst content. A thread costs 0.1 ms, and the interpreter lets
the others run every 5 ms meanwhile."""


def as_large(context: RequestContext) -> RequestContext:
    """The request as one with a large body, for a patch: 5 KB of copies or conditions can take 2 s."""
    return replace(context, body_bytes=max(context.body_bytes, LARGE_BODY_BYTES + 1))


async def computed(context: RequestContext, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What a pure function gives, computed beside the event loop where the request's body is large."""
    if context.body_bytes > LARGE_BODY_BYTES:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)
