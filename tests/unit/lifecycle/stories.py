"""Random stories: steps drawn by dice, and the shortest telling of one that went wrong.

Hypothesis rolls the dice. Its own stateful tests draw steps too unevenly for what is rare here: of 53 deliberate
errors in decide.py they found 24 in about the time in which these stories find 32. (test_decide.py finds all.)
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., None])
Step = tuple[str, dict[str, Any]]

_CHOICES: dict[str, dict[str, Sequence[Any]]] = {}


def step(**choices: Sequence[Any]) -> Callable[[Method], Method]:
    """Mark a method as something that may happen, and say what each of its arguments may be."""

    def mark(method: Method) -> Method:
        _CHOICES[method.__qualname__] = choices
        return method

    return mark


def tell(kind: type[Any], beginning: str, dice: Random, length: int) -> None:
    """Tell one story: the step `beginning`, then others. Half of the stories know only some of the steps.

    Raises AssertionError, with the shortest such story found, if the story raises anything.
    """
    names = sorted(name for name in vars(kind) if f"{kind.__name__}.{name}" in _CHOICES and name != beginning)
    if dice.random() < 0.5:
        names = dice.sample(names, dice.randint(3, len(names)))
    steps = [_draw(kind, beginning, dice)] + [_draw(kind, dice.choice(names), dice) for _ in range(length)]
    error = _try(kind, steps)
    if error:
        steps, error = _shorten(kind, steps, error)
        lines = "\n".join(
            f"    {name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
            for name, arguments in steps
        )
        raise AssertionError(f"{kind.__name__}:\n{lines}\n{''.join(traceback.format_exception(error))}") from error


def _draw(kind: type[Any], name: str, dice: Random) -> Step:
    choices = _CHOICES[f"{kind.__name__}.{name}"]
    return name, {key: dice.choice(values) for key, values in choices.items()}


def _try(kind: type[Any], steps: Sequence[Step]) -> Exception | None:
    story = kind()
    try:
        for name, arguments in steps:
            getattr(story, name)(**arguments)
    except Exception as error:
        return error
    return None


def _shorten(kind: type[Any], steps: list[Step], error: Exception) -> tuple[list[Step], Exception]:
    """Leave out steps as long as the same error comes."""
    shorter = True
    while shorter:
        shorter = False
        for index in range(len(steps) - 1, 0, -1):
            fewer = steps[:index] + steps[index + 1 :]
            other = _try(kind, fewer)
            if other and _place(other) == _place(error):
                steps, error, shorter = fewer, other, True
    return steps, error


def _place(error: Exception) -> tuple[type[Exception], int]:
    *_, frame = traceback.extract_tb(error.__traceback__)
    return type(error), frame.lineno or 0
