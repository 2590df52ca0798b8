"""The address of a link or an audience: a path, alone or behind a scheme and a host."""


def path_of(address: str) -> str:
    """The path, without the slashes around it. Any text has one: peers write what they like.

    >>> path_of("sb://127.0.0.1:5672/telemetry/ConsumerGroups/$Default/?x=1")
    'telemetry/ConsumerGroups/$Default'
    >>> path_of("/telemetry/")
    'telemetry'
    """
    _, found, rest = address.partition("://")
    path = rest.partition("/")[2].partition("?")[0].partition("#")[0] if found else address
    return path.strip("/")
