"""`tfconfig init`: a values file and a program to start from."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import click

from tfconfig.commands import paths
from tfconfig.values import image_reference
from tfconfig.values.chart import bundled
from tfconfig.values.paths import exists
from tfconfig.values.starter import (
    KERAS_STRATEGIES,
    PLACEHOLDER,
    STRATEGIES,
    Choices,
    as_argument,
    program,
    starter,
)

_SCRIPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.py")


def _given(check: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """The callback of an option that a question may take the place of: the check of what is typed."""
    return lambda _, __, text: None if text is None else check(text)


def _spelt(text: str) -> str:
    """A strategy as the values spell it, however it is typed."""
    for name in STRATEGIES:
        if name.lower() == text.lower():
            return name
    raise click.BadParameter(f"{text!r} is not one of {', '.join(STRATEGIES)}")


def _valid(image: str) -> str:
    """An image as it is typed, if `validate` takes it too."""
    from tfconfig.checking.schema import errors  # here, because it takes time to load

    parts = image_reference.parse(image)
    given = {key: part for key, part in parts._asdict().items() if part} if parts else {}
    wrong = any("image" in error.absolute_path for error in errors(bundled().schema, {"worker": {"image": given}}))
    if wrong or not given:
        raise click.BadParameter(
            f"{image!r} is no image; write REPOSITORY:TAG, such as registry.example.com/team/mnist:1.0"
        )
    return image


def _python_file(name: str) -> str:
    """A program as it is typed, if it is the name of a Python file."""
    if _SCRIPT.fullmatch(name):
        return name
    if "/" in name:
        wrong = "it has a folder, and the program stands beside the values"
    elif any(character.isspace() for character in name):
        wrong = "it has a blank"
    elif name and not name.endswith(".py"):
        wrong = "it does not end in .py"
    else:
        wrong = "it needs letters, digits, dots, _ and - alone, first a letter or digit"
    raise click.BadParameter(f"{name!r} is no name for the program: {wrong}; write one such as train.py")


@click.command("init")
@click.argument("strategy", required=False, metavar="[STRATEGY]", callback=_given(_spelt))
@click.option("--keras/--loop", default=None, help="A program with Keras' fit, or with a loop of its own (default).")
@click.option("--gpus", type=click.IntRange(0), metavar="N", help="GPUs of each worker; default: none.")
@click.option(
    "--image",
    metavar="IMAGE",
    callback=_given(_valid),
    help="Image with TensorFlow, as REPOSITORY:TAG; default: a placeholder.",
)
@click.option(
    "--script",
    metavar="FILE",
    callback=_given(_python_file),
    help="The program, a Python file beside the values; default: train.py.",
)
@click.option(
    "-f", "--file", "output", type=paths.TEXT, default="values.yaml", show_default=True, metavar="FILE",
    help="`-`: standard output.",
)  # fmt: skip
def command(
    strategy: str | None, keras: bool | None, gpus: int | None, image: str | None, script: str | None, output: str
) -> None:
    """Write a commented values file for a job of this strategy, and a small program that runs at once.

    Without STRATEGY, it asks on a terminal. A program that exists is left as it is.

    STRATEGY is ParameterServer, BetweenGraph, InGraph, MultiWorkerMirrored or Custom. Which one? Two or more workers
    that mirror the variables: MultiWorkerMirrored. Parameter servers with TF2: ParameterServer. A TF1 program with
    --job_name and --ps_hosts: BetweenGraph, or InGraph if one task runs the graph of all. A program written for TFJob:
    Custom.
    """
    taken = click.UsageError(f"{output} exists; name another file with --file, or remove it")
    if output != "-" and exists(Path(output)):
        raise taken
    if strategy is None:
        if not is_terminal():
            raise click.UsageError(f"no strategy given; name one of {', '.join(STRATEGIES)}")
        strategy, keras, gpus, image, script = _ask(keras, gpus, image, script)
    if keras and strategy not in KERAS_STRATEGIES:
        raise click.UsageError(f"--keras is for {' and '.join(KERAS_STRATEGIES)}; leave it out for {strategy}")
    choices = Choices(strategy, bool(keras), gpus or 0, image or "", script or "train.py")
    if output == "-":
        click.echo(starter(choices), nl=False)
        return
    path = Path(output)
    if path.name == choices.script:
        raise click.UsageError(f"--file {output} is the name of the program; name a file for the values: values.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter(choices, path.name))
        beside = path.parent / choices.script
        kept = beside.exists()
        if not kept:
            beside.write_text(program(choices), "utf-8")
    except FileExistsError:
        raise taken from None
    except OSError as e:
        raise click.UsageError(f"{output}: {e.strerror or e}; name a file that can be written") from None
    program_file = f"; {beside} is kept as it is" if kept else f", and the program {beside}"
    word = as_argument(output)
    replace = "" if choices.image else f", then replace the image in {output}, and run tfconfig validate {word}"
    click.echo(f"{output} written{program_file}; next: tfconfig run {word}{replace}", err=True)


def is_terminal() -> bool:
    """Whether somebody can answer questions."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(
    keras: bool | None, gpus: int | None, image: str | None, script: str | None
) -> tuple[str, bool | None, int, str, str]:
    for name, (about, _) in STRATEGIES.items():
        click.echo(f"{name:<20} {about}", err=True)
    strategy: str = click.prompt("Strategy", value_proc=_spelt, default="ParameterServer", err=True)
    if keras is None and strategy in KERAS_STRATEGIES:
        keras = click.confirm("Does the program call Keras' fit?", default=False, err=True)
    if gpus is None:
        gpus = click.prompt("GPUs of each worker", type=click.IntRange(0), default=0, err=True)
    if image is None:
        given: str = click.prompt("Image with TensorFlow", value_proc=_valid, default=f"{PLACEHOLDER}:1.0", err=True)
        image = "" if given.startswith(PLACEHOLDER) else given
    if script is None:
        script = click.prompt("The program", value_proc=_python_file, default="train.py", err=True)
    return strategy, keras, gpus, image, script
