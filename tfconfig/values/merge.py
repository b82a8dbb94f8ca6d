"""Merges values as Helm does: files over files, the result over an umbrella chart's values and a chart's defaults.

In Helm 4 these are MergeMaps of its chart loader and pkg/chart/common/util/coalesce.go.
"""

from __future__ import annotations

from tfconfig.values.helm_yaml import Node


def merge_maps(base: Node, over: Node) -> None:
    """Put a values file over another (`base`, changed in place): maps key by key, anything else (null too) replaces."""
    for key, node in over.value.items():
        current = base.value.get(key)
        if current and isinstance(current.value, dict) and isinstance(node.value, dict):
            merge_maps(current, node)
            current.origin, current.key_origin = node.origin, node.key_origin
        else:
            base.value[key] = node


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


def over_umbrella(user: Node, umbrella: Node, inside: bool = False) -> None:
    """Give `user` (changed in place) every value of an umbrella chart that it does not set.

    Inside of maps that both have, nulls of either stay: they delete defaults of the subchart.
    """
    for key, node in umbrella.value.items():
        current = user.value.get(key)
        if current is None and (inside or node.value is not None):
            user.value[key] = _copy(node, nulls=inside)
        elif current and isinstance(current.value, dict) and isinstance(node.value, dict):
            over_umbrella(current, node, inside=True)


def _coalesce(user: Node, defaults: Node) -> None:
    for key, default in defaults.value.items():
        if default.value is None:
            continue
        current = user.value.get(key)
        if current is None:
            user.value[key] = _copy(default)
        elif current.value is None:
            user.removed[key] = user.value.pop(key)
        elif isinstance(current.value, dict) and isinstance(default.value, dict):
            _coalesce(current, default)


def _copy(node: Node, nulls: bool = False) -> Node:
    """A copy, because merging changes its target in place; without null entries of maps, unless `nulls`."""
    if not isinstance(node.value, dict):
        return node
    entries = {key: _copy(child, nulls) for key, child in node.value.items() if nulls or child.value is not None}
    return Node(entries, node.origin, node.key_origin)
