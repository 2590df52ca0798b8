"""Reads what a webhook answers, and not more than it may cost."""

import aiohttp

LIMIT = 1 << 16
"""Bytes; what comes after them is not read and the connection is closed."""


async def beginning(answer: aiohttp.ClientResponse) -> bytes:
    """The body, or its first 64 KB."""
    body = bytearray()
    while len(body) < LIMIT and (chunk := await answer.content.read(LIMIT)):
        body += chunk
    return bytes(body)
