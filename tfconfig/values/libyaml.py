"""The loader of PyYAML that uses libyaml, which is faster; Python's own where PyYAML was built without it."""

from __future__ import annotations

from typing import Any


def loader() -> Any:
    """For yaml.load, yaml.parse and yaml.scan."""
    import yaml  # here, because some commands read no YAML

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
