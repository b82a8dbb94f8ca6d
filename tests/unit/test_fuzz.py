"""Nothing from outside makes a traceback: the corpus of hack/fuzz, and some of what it makes of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hack.fuzz.mutate import mutated
from hack.fuzz.targets import CORPUS, TARGETS, corpus

# As many inputs as take a few seconds; `python -m hack.fuzz` goes on for as long as you like.
INPUTS = {
    "values": 12,
    "set_flags": 40,
    "policy": 20,
    "documents": 150,
    "stored_status": 300,
    "kubectl": 30,
    "doctor": 10,
    "printed": 300,
}


@pytest.mark.parametrize("file", sorted(CORPUS.rglob("*.*")), ids=lambda file: f"{file.parent.name}-{file.name}")
def test_every_input_of_the_corpus_is_read_or_refused(file: Path) -> None:
    TARGETS[file.parent.name](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_changed_inputs_are_read_or_refused(target: str) -> None:
    rng, inputs = random.Random(target), corpus(target)
    for number in range(INPUTS[target]):
        data = mutated(rng, rng.choice(inputs), inputs)
        try:
            TARGETS[target](data)
        except Exception as error:
            raise AssertionError(f"input {number} of {target}: {data[:2000]!r}") from error
