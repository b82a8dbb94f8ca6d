"""`tfconfig convert`: values from a TFJob."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from tfconfig import terminal
from tfconfig.commands import options, paths
from tfconfig.convert import comments, report
from tfconfig.convert.convert import Conversion, convert
from tfconfig.convert.fields import UnconvertibleError
from tfconfig.convert.forms import Form
from tfconfig.convert.images import ImageConfig, ImageConfigError, Programs, read_config
from tfconfig.convert.reading import Failure, Manifest, manifest
from tfconfig.convert.writing import write
from tfconfig.values import command_line
from tfconfig.values.job_spec import ROLES


def _of_role(text: str) -> tuple[str, str]:
    """The role of an option's value, and the rest: ps=FILE; without a role it is for all."""
    role, separator, rest = text.partition("=")
    return (role, rest) if separator and role in ROLES else ("", text)


def _commands(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, list[str]]:
    result = {}
    for role, text in map(_of_role, given):
        try:
            result[role] = words = shlex.split(text)
        except ValueError as e:
            raise click.BadParameter(f"{text}: {e}; quote it as in a shell", param=option) from None
        if wrong := _no_command(words, text):
            raise click.BadParameter(terminal.visible(wrong), param=option)
    return result


def _no_command(words: list[str], text: str) -> str:
    """Why a container cannot run these words of a text, and what to do; empty where it can."""
    if not words or not words[0]:
        return "empty; give the command with its words quoted as in a shell: --command 'python3 train.py'"
    name, equals, _ = words[0].partition("=")
    if equals and re.fullmatch(r"[A-Za-z_][-.\w]*", name):
        roles = ", ".join(ROLES)
        fix = f"for a variable: --command 'env {words[0]} …'"
        return f"{words[0]}: {name} is neither a role ({roles}) nor the name of a program; {fix}"
    if syntax := command_line.shell_syntax(text):
        return f"{syntax} is for a shell, and none reads the command; start one: --command \"sh -c '…'\", or quote it"
    return ""


def _images(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, ImageConfig]:
    result = {}
    for role, file in map(_of_role, given):
        if not file:
            raise click.BadParameter("empty; name a file with what crane config IMAGE prints", param=option)
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
            result[role] = read_config(text, file)
        except (OSError, UnicodeDecodeError) as e:
            why = getattr(e, "strerror", None) or e
            name, equals = file.partition("=")[:2]
            no_role = f", and {name} is no role: {', '.join(ROLES)}" if equals and not role else ""
            raise click.BadParameter(terminal.visible(f"{file}: {why}{no_role}"), param=option) from None
        except ImageConfigError as e:
            raise click.BadParameter(str(e), param=option) from None
    return result


@click.command("convert")
@click.argument("file", type=paths.TEXT, metavar="FILE")
@click.option(
    "--command", "commands", multiple=True, metavar="[ROLE=]COMMAND", callback=_commands,
    help="The command of roles that have none in the manifest, its words quoted as in a shell.",
)  # fmt: skip
@click.option(
    "--image-config", "images", multiple=True, metavar="[ROLE=]FILE", callback=_images,
    help="What `crane config IMAGE` or `docker inspect IMAGE` printed: its ENTRYPOINT is the command.",
)  # fmt: skip
@click.option("--job", metavar="NAME", help="Only this job, where the file has several.")
@click.option("--directory", type=paths.FOLDER, metavar="DIR", help="Write DIR/NAME.yaml for each job.")
@click.option("--operator-labels", is_flag=True, help="Give the pods the operator's labels: training.kubeflow.org/…")
@click.option("--check", is_flag=True, help="Print the report alone.")
@click.option("--strict", is_flag=True, help="Exit with status 1 if anything is different or not carried over.")
@options.output("text", "json")
def command(
    file: str,
    commands: dict[str, list[str]],
    images: dict[str, ImageConfig],
    job: str | None,
    directory: Path | None,
    operator_labels: bool,
    check: bool,
    strict: bool,
    form: str,
) -> None:
    """Write the values of a TFJob, and report what is different here.

    FILE is a manifest, or what `kubectl get tfjob NAME -o yaml` prints; `-` is standard input. TFJobs of every API
    version, those of KubeDL and Arena, and Volcano Jobs with the tensorflow plugin. The values are printed on standard
    output, the report on standard error: tfconfig convert tfjob.yaml > values.yaml

    Exit status: 0 converted, also with differences, 1 something must be filled in, or it cannot be converted, 2 usage
    error.
    """
    read = _read(file)
    if job is not None:
        if job not in (names := [item.name for item in read.jobs]):
            has = terminal.visible(", ".join(names)) or "none"
            raise click.UsageError(f"{file} has no job {terminal.visible(job)}; it has {has}")
        read.jobs = [item for item in read.jobs if item.name == job]
    if form == "text" and not check:
        _refuse_alike(read)
    if len(read.jobs) > 1 and form == "text" and not check and directory is None:
        names = [terminal.visible(item.name) for item in read.jobs]
        raise click.UsageError(
            f"{file} has {len(names)} jobs, and a values file has one; choose with --job {' or --job '.join(names)}, "
            "or write all with --directory DIR"
        )
    programs = Programs(commands, images)
    done = [conversion for item in read.jobs if (conversion := _convert(read, item, programs, operator_labels))]
    if done:
        _refuse_unused(programs)
    texts = {id(conversion): _text(read, conversion) for conversion in done}
    if form == "json":
        click.echo(json.dumps(_document(read, done, texts, strict), indent=2))
    else:
        for conversion in done:
            if directory is not None and not check:
                _write(directory / _file_name(conversion.form.name), texts[id(conversion)])
            elif not check:
                click.echo(texts[id(conversion)], nl=False)
            click.echo(f"{_report(conversion)}\n", err=not check)
        _others(read, check)
    if read.failures or any(conversion.status(strict) for conversion in done):
        click.get_current_context().exit(1)


def _read(file: str) -> Manifest:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except (OSError, ValueError) as e:
        raise click.UsageError(f"{file}: {getattr(e, 'strerror', None) or e}; give the path of a manifest") from None
    return manifest(data, file)


def _refuse_alike(read: Manifest) -> None:
    """No option could tell jobs of one name apart, nor could files that are called as they are."""
    of_name: dict[str, list[str]] = {}
    for item in read.jobs:
        of_name.setdefault(item.name, []).append(str(item.root.line))
    for name, lines in of_name.items():
        if len(lines) > 1:
            each = f"{terminal.visible(name) or 'no name'} (lines {' and '.join(lines)})"
            raise click.UsageError(f"{read.file} has {len(lines)} jobs called {each}; put each into a file of its own")


def _refuse_unused(programs: Programs) -> None:
    """An option for a role that is not there, or has no use for it, is a mistake."""
    if programs.commands and not any(option == "--command" for option, _ in programs.used):
        raise click.UsageError("--command: every role of the manifest has a command; leave the option out")
    for option, roles, lacks in (
        ("--command", programs.commands, " without a command"),
        ("--image-config", programs.images, ""),
    ):
        for role in roles:
            if role and (option, role) not in programs.used:
                raise click.UsageError(f"{option} {role}=…: the manifest has no {role}{lacks}; leave the option out")


def _convert(read: Manifest, form: Form, programs: Programs, operator_labels: bool) -> Conversion | None:
    try:
        return convert(form, programs, operator_labels)
    except UnconvertibleError as e:
        read.failures.append(Failure(e.field.line, e.field.shown, e.message, e.fix))
        return None


def _text(read: Manifest, conversion: Conversion) -> str:
    moved = comments.move(comments.find(read.text), conversion.form, conversion.draft.lines)
    return write(conversion, moved)


def _report(conversion: Conversion) -> str:
    name = terminal.visible(conversion.form.title)
    return f"{name}\n\n{conversion.report}\n\n{name}: {report.summary(conversion.report)}"


def _others(read: Manifest, check: bool) -> None:
    for what, line in read.others:
        click.echo(f"line {line}: {terminal.visible(what)} is not part of the job; apply it as before", err=not check)
    for failure in read.failures:
        place = f"line {failure.line}: {failure.path}".rstrip(": ")
        text = terminal.visible(f"{place}: {failure.message}; {failure.fix}")
        click.echo(f"{read.file}: {text}", err=not check)


def _file_name(job: str) -> str:
    """The file of a job's values; a name that is no name of Kubernetes leads to no other directory."""
    if not re.fullmatch(r"[A-Za-z0-9][-.A-Za-z0-9]*", job):
        raise click.UsageError(
            f"{terminal.visible(job) or 'a job without a name'}: not a file name; use --job, or > FILE"
        )
    return f"{job}.yaml"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} exists; name another directory, or remove it") from None
    except OSError as e:
        raise click.UsageError(f"{path}: {e.strerror or e}; name a directory that can be written") from None
    click.echo(f"{path} written", err=True)


def _document(read: Manifest, done: list[Conversion], texts: dict[int, str], strict: bool) -> dict[str, Any]:
    return {
        "version": 1,
        "jobs": [
            {
                "title": conversion.form.title,
                "name": conversion.form.name,
                "namespace": conversion.form.namespace,
                "converted": not conversion.status(strict),
                "values": conversion.draft.values,
                "text": texts[id(conversion)],
                "report": conversion.report.document(),
            }
            for conversion in done
        ],
        "others": [{"object": what, "line": line} for what, line in read.others],
        "failures": [
            {"line": failure.line, "path": failure.path, "message": failure.message, "fix": failure.fix}
            for failure in read.failures
        ],
    }
