"""Requests that reach a server at the same moment, each on a connection of its own that was open before.

https://www.rfc-editor.org/rfc/rfc9112
"""

import asyncio
from collections.abc import Sequence

import httpx


async def volley(requests: Sequence[httpx.Request]) -> list[httpx.Response]:
    """The answers in the order of the requests; all are sent, within about a millisecond, before one is read.

    An HTTP client sends about one in a millisecond: the first had often won before the tenth was sent.
    """
    opened = await asyncio.gather(
        *(asyncio.open_connection(request.url.host, request.url.port) for request in requests)
    )
    wired = [_wire(request) for request in requests]
    for (_, writer), wire in zip(opened, wired, strict=True):
        writer.write(wire)
    return list(await asyncio.gather(*(_answer(reader, writer) for reader, writer in opened)))


def _wire(request: httpx.Request) -> bytes:
    request.headers["connection"] = "close"
    lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.content


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> httpx.Response:
    try:
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *lines = head.split(b"\r\n")
    pairs = [line.partition(b":") for line in lines]
    headers = [(name.strip(), value.strip()) for name, _, value in pairs]
    return httpx.Response(int(first.split()[1]), headers=headers, content=body)
