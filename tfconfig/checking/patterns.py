"""The regular expressions of the JSON Schemas, and what they mean in a message."""

from __future__ import annotations

import re
from functools import cache

# A backslash with its character, a class, or the end of the text: what $ means depends on where it stands.
_PARTS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)


@cache
def as_go(pattern: str) -> re.Pattern[str]:
    """A pattern as Helm's Go reads it: ASCII classes, and $ does not match before a last line break.

    Raises ValueError for a pattern that is none.
    """
    try:
        strict = _PARTS.sub(lambda part: r"\Z" if part[0] == "$" else part[0], pattern)
        return re.compile(strict, re.ASCII)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None


# Of Kubernetes' own fields (rules/pod_schema.py).
LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
PORT_NAME = r"^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$"
QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$"
ABSOLUTE = r"^/[^:\x00-\x1f\x7f-\x9f]*$"
BELOW = r"^(?!/)(?!(.*/)?\.\.(/|$))"
FIELD = (
    r"^(metadata\.(name|namespace|uid|labels\['.+'\]|annotations\['.+'\])|spec\.(nodeName|serviceAccountName)|"
    r"status\.(hostIPs?|podIPs?))$"
)
RESOURCE = r"^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$"
IMAGE = r"^[A-Za-z0-9][^\s:@]*(:[0-9]+(?=/)[^\s:@]*)?(:[A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?(@sha256:[a-f0-9]{64})?$"
CIDR = (
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-fA-F:]+(:[0-9.]+)?/([0-9]{1,2}|1[01][0-9]|12[0-8]))$"
)

# Parts of those in the chart's values.schema.json.
_QUANTITY = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?"
_IMAGE_NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"  # distribution/reference, path-component
_REGISTRY = r"[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]+)?"
REPOSITORY = f"^({_REGISTRY}/)?{_IMAGE_NAME}(/{_IMAGE_NAME})*$"
QUANTITIES = (f"^({_QUANTITY})?$", f"^{_QUANTITY}$")

DESCRIPTIONS = {
    r"^(/[^\x00-\x1f\x7f-\x9f]*)?$": "an absolute path without control characters, such as /app",
    r"^/[^:\x00-\x1f\x7f-\x9f]+$": "an absolute path without a colon or control characters, such as /data",
    r"^[^\x00-\x1f\x7f-\x9f]*$": "a path without control characters, such as runs/first",
    ABSOLUTE: "an absolute path without a colon or control characters, such as /data",
    BELOW: "a relative path on the volume, without ..",
    r"^(\.|[A-Za-z0-9_][-._A-Za-z0-9]*(/[A-Za-z0-9_][-._A-Za-z0-9]*)*)?$": (
        "a relative path on the volume, such as runs/first, or . for the volume itself"
    ),
    r"^([A-Za-z0-9_][-._A-Za-z0-9]*(/[A-Za-z0-9_][-._A-Za-z0-9]*)*)?$": (
        "a relative path on the volume, such as runs/first"
    ),
    r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$": "a file name without folders: letters, digits and - _ .",
    r"^[-._a-zA-Z][-._a-zA-Z0-9]*$": "a name of letters, digits and _ - . that does not start with a digit",
    r"^([-._a-zA-Z][-._a-zA-Z0-9]*)?$": "a name of letters, digits and _ - . that does not start with a digit",
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$": "the name of a Python module, such as package.module",
    KEY: "a Kubernetes name such as app or example.com/app: letters, digits and - _ . inside",
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$": (
        "a resource with its domain, such as nvidia.com/gpu"
    ),
    LABEL_VALUE: "a label value: letters, digits and - _ . inside",
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|\$\(JOB\)|\$\(RUN_ID\)|\$\(JOB\)-\$\(RUN_ID\)|\$\(TASKS\))?$": (
        "a label value (letters, digits and - _ . inside), $(JOB), $(RUN_ID), $(JOB)-$(RUN_ID) or $(TASKS)"
    ),
    LABEL: "a name of lowercase letters, digits and -",
    SUBDOMAIN: "the name of a Kubernetes object: lowercase letters, digits, - and .",
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$": "the name of a Kubernetes object: lowercase letters, digits, - and .",
    r"^(-|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$": "the name of a storage class, or - for none",
    PORT_NAME: "a port name of at most 15 lowercase letters, digits and -",
    QUANTITY: "a Kubernetes quantity, such as 8Gi or 500m",
    **dict.fromkeys(QUANTITIES, "a Kubernetes quantity, such as 8Gi or 500m"),
    FIELD: "a field such as metadata.name, metadata.labels['key'], spec.nodeName or status.podIP",
    RESOURCE: "a resource such as limits.cpu or requests.memory",
    CIDR: "a network such as 10.0.0.0/8",
    IMAGE: "an image such as registry.example.com/team/image:1.0",
    f"^({_REGISTRY})?$": "the host of a registry, such as registry.example.com:5000",
    REPOSITORY: "an image without its tag, such as tensorflow/tensorflow",
    r"^([A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?$": "an image tag, such as 2.21.0",
    r"^(sha256:[a-f0-9]{64})?$": "sha256: and 64 lowercase hexadecimal digits",
    r"^([0-9]+(ms|s|m|h))?$": "a duration with its unit, such as 30s or 1m",
}
