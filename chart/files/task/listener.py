"""A TCP port that answers on every address, IPv6 and IPv4. Python 3.6."""

import _socket  # what socket adds to it would take 0.4 MiB of every pod


def listen(port: int, backlog: int = 16) -> _socket.socket:
    """A listener that does not block. Raises OSError where the port is not free."""
    try:
        listener = _socket.socket(_socket.AF_INET6, _socket.SOCK_STREAM)
        listener.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 0)
    except OSError:  # a machine without IPv6
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind(("", port))
    except OSError:
        listener.close()
        raise
    listener.listen(backlog)
    return listener
