"""References to images, as container runtimes read them."""

from __future__ import annotations

import pytest

from tfconfig.values.image_reference import parse


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("x", ("x", "", "")),
        ("x:1", ("x", "1", "")),
        ("host:5000/x/y", ("host:5000/x/y", "", "")),
        ("host:5000/x:1.0", ("host:5000/x", "1.0", "")),
        ("x@sha256:ab", ("x", "", "sha256:ab")),
        ("host:5000/x:1@sha256:ab", ("host:5000/x", "1", "sha256:ab")),
    ],
)
def test_a_reference_has_repository_tag_and_digest(reference: str, parts: tuple[str, str, str]) -> None:
    assert parse(reference) == parts


@pytest.mark.parametrize("reference", ["", "@sha256:ab"])
def test_what_is_none_has_no_parts(reference: str) -> None:
    assert parse(reference) is None
