"""Rules about peers of the network policies that are everybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from tfconfig.checking.rules.registry import JobValues, rule
from tfconfig.diagnostics import Diagnostic

# All addresses that anybody can have; IPv6 hands out this eighth of its space.
_ALL_V4, _ALL_V6 = IPv4Network("0.0.0.0/0"), IPv6Network("2000::/3")


@rule("TFC309")
def _open_servers(job: JobValues) -> Iterator[Diagnostic]:
    policy = job.data["networkPolicy"]
    if not policy["enabled"]:
        message = "false, so every pod of the cluster can run code on the job's TensorFlow servers"
        fix = "set it to true, and allow other clients with networkPolicy.extraPeers"
        yield job.diagnostic("TFC309", ("networkPolicy", "enabled"), message, fix)
        return
    for place, who, fix in _everybody(policy.get("extraPeers") or ()):
        message = f"{who}, all of which can then run code on the job's TensorFlow servers"
        yield job.diagnostic("TFC309", ("networkPolicy", "extraPeers", *place), message, fix, key=not place)


@rule("TFC343")
def _open_readers(job: JobValues) -> Iterator[Diagnostic]:
    for section, what in (("tensorboard", "TensorBoard"), ("metrics", "the metrics")):
        settings = job.data[section]
        if settings.get("enabled") and job.data["networkPolicy"]["enabled"]:
            for place, who, fix in _everybody(settings.get("from") or ()):
                message = f"{who}, all of which can then read {what} without a login"
                yield job.diagnostic("TFC343", (section, "from", *place), message, fix, key=not place)


def _everybody(peers: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[int, ...], str, str]]:
    """Where peers are everybody: (the index of one, or nothing for all together; who that is; what to do)."""
    for i, peer in enumerate(peers):
        namespaces, pods = peer.get("namespaceSelector"), peer.get("podSelector") or {}
        if namespaces is not None and not any(namespaces.values()) and not any(pods.values()):
            yield (i,), "every pod of the cluster", "name the pods with a podSelector, too"
    blocks = [(i, block) for i, peer in enumerate(peers) for block in _blocks(peer)]
    alone = [i for i, block in blocks if _half_of_all([block])]
    fix = "name the networks of your own, such as 10.0.0.0/8"
    for i in alone:
        yield (i,), "half of all addresses or more", fix
    if not alone and _half_of_all([block for _, block in blocks]):
        yield (), "together half of all addresses or more", fix


def _blocks(peer: Mapping[str, Any]) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(peer["ipBlock"]["cidr"], strict=False)] if peer.get("ipBlock") else []
    except ValueError:  # no network at all: the API server says so
        return []


def _half_of_all(blocks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether blocks have half of the addresses of IPv4 or IPv6. (What `except` leaves out of them is little.)"""
    v4 = sum(net.num_addresses for net in collapse_addresses(net for net in blocks if isinstance(net, IPv4Network)))
    v6 = [_ALL_V6 if net.supernet_of(_ALL_V6) else net for net in blocks if isinstance(net, IPv6Network)]
    public = sum(net.num_addresses for net in collapse_addresses(v6) if net.subnet_of(_ALL_V6))
    return v4 * 2 >= _ALL_V4.num_addresses or public * 2 >= _ALL_V6.num_addresses
