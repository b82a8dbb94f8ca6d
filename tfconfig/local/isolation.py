"""A network of this process and its children alone: TensorFlow's servers listen on every interface there is."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

from tfconfig.local.errors import CannotRunError

# linux/sched.h, net/if.h, linux/sockios.h
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_IFF_UP, _SIOCSIFFLAGS = 0x1, 0x8914
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"
_LOOPBACK_6, _MAPPED_4 = "00000000000000000000000001000000", "0000000000000000FFFF0000"


def isolate() -> None:
    """From now on this process, which has no other thread, sees no network but a loopback interface of its own.

    Raises CannotRunError where the kernel does not allow it.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        _start_loopback()
    except (OSError, AttributeError) as error:  # AttributeError: no Linux
        reason = getattr(error, "strerror", None) or "only Linux can do so"
        raise CannotRunError(
            f"--isolate: the kernel gives this user no network namespace: {reason}; leave it out, and let a firewall "
            "keep others from the ports of the tasks"
        ) from error


def _unshare(flags: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _start_loopback() -> None:
    from fcntl import ioctl  # here, because Windows has none

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def exposed(ports: set[int], tables: tuple[Path, ...] = _TABLES) -> bool | None:
    """Whether something listens at one of these ports elsewhere than on loopback; None: this system does not say."""
    readable = False
    for table in tables:
        try:
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
        except OSError:  # no IPv6, or no Linux
            continue
        readable = True
        for row in rows:
            address, _, port = row[1].partition(":")
            if row[3] == _LISTEN and int(port, 16) in ports and not _is_loopback(address):
                return True
    return False if readable else None


def _is_loopback(address: str) -> bool:
    """127.0.0.0/8 or ::1, as the kernel writes them: each 4 bytes the other way round."""
    ipv4 = len(address) == 8 or address.startswith(_MAPPED_4)
    return address == _LOOPBACK_6 or (ipv4 and address.endswith("7F"))


WARNING = (
    "WARNING: TensorFlow's servers listen on every network interface of this machine, and run whatever a peer sends. "
    "Whoever reaches their ports can run code as you: use --isolate (Linux; the program has no network then), or a "
    "firewall"
)
