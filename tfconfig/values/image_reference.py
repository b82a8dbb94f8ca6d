"""A reference to an image, as container runtimes read it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_REFERENCE = re.compile(r"(?P<repository>[^@]+?)(:(?P<tag>[^:/@]+))?(@(?P<digest>.+))?")


class ImageReference(NamedTuple):
    """Its parts; "" for a tag or digest that it does not have."""

    repository: str
    tag: str
    digest: str


def parse(reference: str) -> ImageReference | None:
    """The parts of `REGISTRY:PORT/NAME:TAG@DIGEST`; None where it is none. A colon before a slash is that of a port."""
    match = _REFERENCE.fullmatch(reference)
    return ImageReference(match["repository"], match["tag"] or "", match["digest"] or "") if match else None
