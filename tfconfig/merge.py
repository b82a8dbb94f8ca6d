"""A user's values over a chart's defaults, as Helm merges them (pkg/chart/common/util/coalesce.go of Helm 4)."""

from __future__ import annotations

from tfconfig.document import Node


def over_defaults(user: Node, defaults: Node) -> Node:
    """Give `user` (changed in place) every default it does not set, and return it.

    Maps are merged key by key, anything else replaces. A null deletes the default of that key; a null where there is
    no default stays. Defaults that are null themselves are left out (Helm 3 shows them to templates as null; both mean
    "not set").
    """
    _coalesce(user, defaults)
    for key in [k for k, node in user.value.items() if node.value is None and k in defaults.value]:
        user.removed[key] = user.value.pop(key)
    return user


def _coalesce(user: Node, defaults: Node) -> None:
    for key, default in defaults.value.items():
        if default.value is None:
            continue
        mine = user.value.get(key)
        if mine is None:
            user.value[key] = _copy(default)
        elif mine.value is None:
            user.removed[key] = user.value.pop(key)
        elif isinstance(mine.value, dict) and isinstance(default.value, dict):
            _coalesce(mine, default)


def _copy(node: Node) -> Node:
    """Without null entries of maps; a copy, because merging changes what it merges into."""
    if not isinstance(node.value, dict):
        return node
    entries = {key: _copy(child) for key, child in node.value.items() if child.value is not None}
    return Node(entries, node.origin, node.key_origin)
