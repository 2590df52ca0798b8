"""How the Azure clients send: bounded waiting, and nothing looked up on the way."""

from azure.core.pipeline.transport import AioHttpTransport


def transport(*, connection_verify: bool | str = True) -> AioHttpTransport:
    """A client's own transport, which closes with it.

    Proxies and netrc are not looked up: it costs two thread switches a request, and a function
    app has neither. `connection_verify` may name a file of certificate authorities to trust.
    """
    return AioHttpTransport(
        use_env_settings=False, connection_timeout=5, read_timeout=15, connection_verify=connection_verify
    )
