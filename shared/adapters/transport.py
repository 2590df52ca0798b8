"""How the Azure clients send: bounded waiting, and nothing looked up on the way."""

import ssl

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from azure.core.pipeline.transport import AioHttpTransport

_TIMEOUTS = {"connection_timeout": 5, "read_timeout": 15}


def transport(*, connection_verify: bool | str = True) -> AioHttpTransport:
    """A client's own transport, which closes with it.

    Proxies and netrc are not looked up: it costs two thread switches a request, and a function
    app has neither. `connection_verify` may name a file of certificate authorities to trust; the
    transport must then be made inside the event loop.
    """
    if not isinstance(connection_verify, str):
        return AioHttpTransport(use_env_settings=False, connection_verify=connection_verify, **_TIMEOUTS)
    # Left to itself the SDK reads the file anew for every request, and so never keeps a connection.
    trusted = TCPConnector(ssl=ssl.create_default_context(cafile=connection_verify))
    session = ClientSession(connector=trusted, cookie_jar=DummyCookieJar(), auto_decompress=False)
    return AioHttpTransport(session=session, use_env_settings=False, **_TIMEOUTS)
