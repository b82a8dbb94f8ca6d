"""Images: their references, and what an image runs by itself."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tfconfig.convert import security
from tfconfig.convert.fields import Field, text_at
from tfconfig.convert.forms import Form, Role
from tfconfig.convert.settings import Settings
from tfconfig.values import image_reference
from tfconfig.values.command_line import is_command

_ID = re.compile("[0-9]{1,10}")
_OLD_PYTHON = re.compile(
    r"(.*/)?(tensorflow/tensorflow:(0\.|1\.([0-9]|1[0-5])\b)|(ubuntu|debian|busybox|alpine|centos)(:|$)).*"
)
GIVE = "give what crane config or docker inspect print"


class ImageConfigError(Exception):
    """A file that is not the configuration of an image."""


@dataclass(frozen=True)
class ImageConfig:
    """What an image says of itself."""

    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


def read_config(text: str, name: str) -> ImageConfig:
    """Read what `crane config`, `skopeo inspect --config` or `docker inspect` print."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise ImageConfigError(f"{name}: not JSON: {e}; {GIVE}") from None
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    content = document if isinstance(document, dict) else {}
    config = next((content[key] for key in ("config", "Config") if isinstance(content.get(key), dict)), content)
    if not {"Entrypoint", "Cmd", "Env", "User", "WorkingDir"} & config.keys():
        raise ImageConfigError(f"{name}: not the configuration of one image; {GIVE}")

    def arguments(key: str) -> list[str]:
        value = config.get(key) or []
        return ["/bin/sh", "-c", value] if isinstance(value, str) else texts(key)

    def texts(key: str) -> list[str]:
        value = config.get(key) or []
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise ImageConfigError(f"{name}: {key} is not a list of strings; {GIVE}")
        return value

    env = dict(entry.partition("=")[::2] for entry in texts("Env"))
    return ImageConfig(arguments("Entrypoint"), arguments("Cmd"), str(config.get("User") or ""), env)


def image(form: Form, role: Role, made: Settings, container: Field) -> None:
    """The image of the training container."""
    name, policy = container.child("image"), container.child("imagePullPolicy")
    if name is None:
        form.report.missing(
            container, "image", f"the container of {role.name} has no image", "set image.repository", whole=False
        )
        return
    reference = name.text().strip()
    parts = image_reference.parse(reference)
    if parts is None or not valid(reference):
        message = f"{reference} is not an image"
        form.report.missing(name, "image", message, "put in what the placeholder stands for")
        return
    tag = parts.tag or ("" if parts.digest else "latest")
    made.put("image", parts.repository, name, ("repository",))
    for key, value in (("tag", tag), ("digest", parts.digest)):
        if value:
            made.put("image", value, name, (key,))
    pull = policy.text() if policy else "Always" if tag == "latest" else ""
    if pull and pull != "IfNotPresent":
        made.put("image", pull, policy or name, ("pullPolicy",))
    elif policy:
        form.report.converted(policy, "image.pullPolicy", "the default here")
    if _OLD_PYTHON.fullmatch(reference):
        message = f"{reference} probably has no Python 3.6 or newer, which starts the tasks"
        fix = "remove it if the image has one: docker run --rm --entrypoint python3 IMAGE --version"
        _bring_python(form, made, name, message, f"that of the lifecycle's image does so; {fix}")


def _bring_python(form: Form, made: Settings, place: Field, message: str, fix: str) -> None:
    if any(role.template is None for role in form.roles.values()):  # its servers need the image's own
        form.report.missing(place, "python", message, "build the image on a newer Python, or set python to one in it")
        return
    made.put("pythonFrom", "LifecycleImage", place)
    form.report.different(place, "pythonFrom", message, fix)


def valid(reference: str) -> bool:
    """Whether the chart takes this for an image."""
    repository = r"[a-z0-9]([-._/:a-z0-9]*[a-z0-9])?"
    return bool(
        re.fullmatch(rf"{repository}(:[A-Za-z0-9_][-.A-Za-z0-9_]{{0,127}})?(@sha256:[a-f0-9]{{64}})?", reference)
    )


def _option(role: Role, args: list[str]) -> str:
    """The option that makes args the command of a role."""
    return f"--command {shlex.quote(f'{role.name}={shlex.join(args)}')}"


@dataclass
class Programs:
    """What to run where the manifest says nothing: by role, "" for all."""

    commands: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, ImageConfig] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)  # option and role, of those that roles had a use for

    def complete(self, form: Form, role: Role, made: Settings, container: Field) -> None:
        """Give a role its command, and the user of its image."""
        program: dict[str, Any] = made.of["program"].value if "program" in made.of else {}
        key = role.name if role.name in self.images else ""
        config = self.images.get(key)
        if config:
            self.used.add(("--image-config", key))
            self._user(form, role, made, config, container)
        if program.get("command"):
            return
        key = role.name if role.name in self.commands else ""
        command, args = self.commands.get(key), program.get("args")
        if command:
            self.used.add(("--command", key))
        if args and (command == args or (config and not command and not config.entrypoint)):
            made.put("program", program.pop("args"), container.child("args"), ("command",))
        elif command:
            self._put(form, made, container, command, None, "--command")
            if args and is_command(args):
                message = f"they follow the command, so that this runs: {shlex.join([*command, *args])}"
                fix = f"if they are the command, as in an image without ENTRYPOINT: {_option(role, args)}"
                form.report.different(container.child("args"), "program.args", message, fix)
        elif config and config.entrypoint:
            rest = None if args else config.cmd
            self._put(form, made, container, config.entrypoint, rest, "the ENTRYPOINT of the image")
        elif config and config.cmd:
            self._put(form, made, container, config.cmd, [], "the CMD of the image")
        else:
            self._missing(form, role, text_at(container, "image"), args or [], config)

    def _missing(self, form: Form, role: Role, name: str, args: list[str], config: ImageConfig | None) -> None:
        given = f"--image-config FILE with what this prints: crane config {name}"
        message = f"{role.name} has no command: its image {name} starts the program by itself"
        fix = f"--command 'python3 train.py', or {given}"
        if config:
            message, fix = f"{role.name} has no command, nor has its image {name}", "--command 'python3 train.py'"
        elif args and not args[0].startswith("-"):
            message = f"{role.name} has args but no command: if its image {name} has no ENTRYPOINT, the args are it"
            fix = f"{given}; or, if it has no ENTRYPOINT, {_option(role, args)}"
        form.report.missing(None, "program.command", message, fix)

    def _put(
        self, form: Form, made: Settings, source: Field, command: list[str], args: list[str] | None, what: str
    ) -> None:
        place = source.child("image") or source
        made.put("program", list(command), place, ("command",))
        if args is not None:
            made.put("program", list(args), place, ("args",))
            if not args:
                made.of["program"].value.pop("args")
        form.report.different(place, "program.command", f"from {what}")

    def _user(self, form: Form, role: Role, made: Settings, config: ImageConfig, container: Field) -> None:
        uid, _, gid = config.user.partition(":")
        context = made.of["podSecurityContext"].value if "podSecurityContext" in made.of else None
        place = container.child("image") or container
        if context is None and _ID.fullmatch(uid) and uid != "0":
            value = {"runAsUser": int(uid), **({"runAsGroup": int(gid)} if _ID.fullmatch(gid) else {})}
            made.put("podSecurityContext", security.pod(value), place)
            form.report.different(place, "podSecurityContext", f"the image runs as user {uid}")
        version = re.match(r"([0-9]{1,3})\.([0-9]{1,3})", config.env.get("PYTHON_VERSION", ""))
        if version and (int(version[1]), int(version[2])) < (3, 6):
            message = (
                f"the image of {role.name} has Python {version[0]}, and the tasks are started by Python 3.6 or newer"
            )
            _bring_python(form, made, place, message, "that of the lifecycle's image does so")
