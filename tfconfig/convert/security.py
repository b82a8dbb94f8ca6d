"""Security contexts: what the manifest sets, over the chart's defaults where both can be true."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from tfconfig.values.chart import bundled
from tfconfig.values.helm_yaml import plain

# What root needs to write to folders of other users, as in values/root.yaml.
_ROOT = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]


@cache
def _default(key: str) -> dict[str, Any]:
    return dict(plain(bundled().defaults).get(key) or {})


def pod(given: Mapping[str, Any]) -> dict[str, Any]:
    """The security context of a pod, whole."""
    own = {key: value for key, value in given.items() if value is not None}
    context = {**_default("podSecurityContext"), **own}
    if own.get("runAsUser") == 0:
        context["runAsNonRoot"] = own.get("runAsNonRoot", False)
        if "fsGroup" not in own:
            context.pop("fsGroup", None)
            context.pop("fsGroupChangePolicy", None)
    return context


def container(given: Mapping[str, Any], root: bool) -> dict[str, Any]:
    """The security context of the training container, whole. `root`: its pod runs as root."""
    own = {key: value for key, value in given.items() if value is not None}
    context = {**_default("securityContext"), **own}
    capabilities = own.get("capabilities") or {}
    if own.get("privileged") or {"SYS_ADMIN", "CAP_SYS_ADMIN"} & set(capabilities.get("add") or []):
        context["allowPrivilegeEscalation"] = True
    if own.get("runAsUser") == 0:
        context["runAsNonRoot"] = own.get("runAsNonRoot", False)
    if own.get("runAsUser", 0 if root else 1) == 0 and "drop" not in capabilities:
        context["capabilities"] = {"drop": ["ALL"], "add": [*_ROOT, *(capabilities.get("add") or [])]}
    elif capabilities:
        context["capabilities"] = {**_default("securityContext").get("capabilities", {}), **capabilities}
    return context


def beside_defaults(key: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """The context as the top of the values must have it, where Helm merges it with the chart's: null removes a key."""
    default = _default(key)
    changed = {name: value for name, value in context.items() if default.get(name) != value}
    return {**changed, **{name: None for name in default if name not in context}}
