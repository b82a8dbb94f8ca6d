"""A user's values over a chart's defaults, as Helm merges them (pkg/chart/common/util/coalesce.go of Helm 4)."""

from __future__ import annotations

from tfconfig.values.helm_yaml import Node


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


def under_defaults(user: Node, team: Node, inside: bool = False) -> None:
    """Give `user` (changed in place) what an umbrella chart's own values set and it does not.

    Inside of what both have, nulls stay, of either: they are to delete defaults of the subchart.
    """
    for key, node in team.value.items():
        mine = user.value.get(key)
        if mine is None and (inside or node.value is not None):
            user.value[key] = _copy(node, nulls=inside)
        elif mine and isinstance(mine.value, dict) and isinstance(node.value, dict):
            under_defaults(mine, node, inside=True)


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


def _copy(node: Node, nulls: bool = False) -> Node:
    """A copy, because merging changes what it merges into; without null entries of maps, unless `nulls`."""
    if not isinstance(node.value, dict):
        return node
    entries = {key: _copy(child, nulls) for key, child in node.value.items() if nulls or child.value is not None}
    return Node(entries, node.origin, node.key_origin)
