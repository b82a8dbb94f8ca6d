"""Peers that have sent nothing for a while on a connection that waits for them. Linux; Python 3.6.

A node that vanishes closes no connection. Where bytes are on their way the kernel notices within seconds; a call that
only waits hears of nothing. The kernel knows since when (sock_diag(7), which needs no permissions).
"""

import _socket
import contextlib
import struct
from typing import Iterator, List, Tuple

_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _DUMP = 4, 20, 0x301  # NETLINK_SOCK_DIAG; NLM_F_REQUEST | NLM_F_DUMP
_ESTABLISHED = 1 << 1
_INFO = 2  # INET_DIAG_INFO: struct tcp_info
_LAST_DATA_RECEIVED = 8 + 4 * 11  # in tcp_info, in milliseconds
_HEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
_MESSAGE_BYTES = 72  # struct inet_diag_msg


def addresses(port: int, seconds: float) -> List[str]:
    """Addresses whose port this network namespace is connected to, and that sent nothing for so long; longest first.

    Empty where the kernel does not say.
    """
    connections: List[Tuple[int, str]] = []
    if not hasattr(_socket, "AF_NETLINK"):
        return []
    for family in (_socket.AF_INET, _socket.AF_INET6):
        with contextlib.suppress(OSError, struct.error):
            connections += [item for item in _connections(family, port) if item[0] >= 1000 * seconds]
    return [address for _, address in sorted(connections, reverse=True)]


def _connections(family: int, port: int) -> Iterator[Tuple[int, str]]:
    """Milliseconds since the last data, and the peer's address."""
    netlink = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _SOCK_DIAG)
    try:
        netlink.settimeout(1.0)
        peer = struct.pack("=HH", 0, _socket.htons(port)) + bytes(44)
        request = struct.pack("=BBBBI", family, _socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, _ESTABLISHED) + peer
        netlink.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _DUMP, 1, 0) + request)
        while True:
            data = netlink.recv(1 << 16)
            while data:
                length, kind = _HEADER.unpack_from(data)[:2]
                if kind != _SOCK_DIAG_BY_FAMILY:  # done, or an error
                    return
                message, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
                if message[6:8] == struct.pack("=H", _socket.htons(port)):
                    yield _silence(message[_MESSAGE_BYTES:]), address(family, message[24:40])
    finally:
        netlink.close()


def _silence(attributes: bytes) -> int:
    while attributes:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == _INFO:
            return int(struct.unpack_from("=I", attributes, _ATTRIBUTE.size + _LAST_DATA_RECEIVED)[0])
        attributes = attributes[(length + 3) & ~3 :]
    return 0


def address(family: int, raw: bytes) -> str:
    """An address as text; one of IPv4 as such, whatever the socket's family."""
    if family == _socket.AF_INET:
        return _socket.inet_ntop(family, raw[:4])
    text = _socket.inet_ntop(family, raw)
    return text[7:] if text.startswith("::ffff:") and "." in text else text
