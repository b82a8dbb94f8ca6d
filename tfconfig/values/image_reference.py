"""A reference to an image, as container runtimes read it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
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


def without_tag(text: str, fits: Callable[[str], object]) -> str:
    """How to write a text that is no repository; "" where it is not clear what is wrong. `fits`: whether one is."""
    bare = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", text)
    repository, tag, digest = parse(bare) or (bare, "", "")
    lower = repository.lower()
    steps = {
        "without the scheme": bare != text,
        "without blanks": bool(re.search(r"\s", text)),
        "with its tag in image.tag": bool(tag),
        "with its digest in image.digest": bool(digest),
        "in lowercase letters": not fits(repository) and lower != repository,
    }
    wrong = " and ".join(step for step, needed in steps.items() if needed)
    shown = next((name for name in (repository, lower) if fits(name)), "tensorflow/tensorflow")
    if not wrong:
        return ""
    return f"write it {wrong}{':' if shown in (repository, lower) else ', such as'} {shown}"
