"""Settings of all roles -> the top of the values where they are the same, else the role's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfconfig.convert import security
from tfconfig.convert.draft import Draft
from tfconfig.convert.fields import Field, Path
from tfconfig.convert.report import Report
from tfconfig.convert.settings import Setting, Settings

_BY_KEY = ("env", "podLabels", "podAnnotations", "nodeSelector")  # merged key by key
_CONTEXTS = ("podSecurityContext", "securityContext")
_NOT_OF_ROLES = ("imagePullSecrets",)


def place(draft: Draft, report: Report, roles: Mapping[str, Settings]) -> None:
    """Put the settings of the roles into the values."""
    _pull_secrets(draft, report, roles)
    keys = dict.fromkeys(key for settings in roles.values() for key in settings.of if key not in _NOT_OF_ROLES)
    for key in keys:
        given = {role: settings.of.get(key) for role, settings in roles.items()}
        if key == "image":
            _image(draft, report, given)
        elif key == "program":
            _program(draft, report, given)
        elif key == "gpus":
            for role, setting in given.items():
                if setting:
                    _put(draft, report, (role, key), setting, "limits and requests")
        elif key == "gpuResource":
            _gpu_resource(draft, report, given)
        elif key in _BY_KEY:
            _by_key(draft, report, key, given)
        elif all(given.values()) and _same([setting.value for setting in given.values() if setting]):
            for setting in given.values():
                if setting:
                    value = security.beside_defaults(key, setting.value) if key in _CONTEXTS else setting.value
                    _put(draft, report, (key,), Setting(value, setting.parts))
        else:
            for role, setting in given.items():
                if setting:
                    _put(draft, report, (role, key), setting)


def _put(draft: Draft, report: Report, path: Path, setting: Setting, message: str = "") -> None:
    draft.set(path, setting.value, setting.parts)
    for source, at in setting.parts:
        report.converted(source, (*path, *at), message)


def _same(values: list[Any]) -> bool:
    return all(value == values[0] for value in values)


def _parts_at(setting: Setting, name: str) -> list[tuple[Field, Path]]:
    """The parts of one key of a setting, from there on."""
    return [(source, at[1:]) for source, at in setting.parts if at[:1] == (name,)]


def _by_key(draft: Draft, report: Report, key: str, given: Mapping[str, Setting | None]) -> None:
    settings = list(given.values())
    names = dict.fromkeys(name for setting in settings if setting for name in setting.value)
    for role, setting in given.items():
        for name in names:
            if not setting or name not in setting.value:
                continue
            everywhere = all(other and name in other.value for other in settings)
            common = everywhere and _same([other.value[name] for other in settings if other])
            path: Path = (key, name) if common else (role, key, name)
            parts = _parts_at(setting, name) or [(source, ()) for source, at in setting.parts if not at]
            if not _parts_at(setting, name):  # set as a whole: the parts are the entries of the field
                parts = [
                    (child, ()) for source, at in setting.parts for child in [source.child(name)] if child and not at
                ]
            _put(draft, report, path, Setting(setting.value[name], parts))


def _program(draft: Draft, report: Report, given: Mapping[str, Setting | None]) -> None:
    """Command, args and folder. What is empty for a role is that of all roles, so it may then not be at the top."""
    shapes = [setting.value if setting else {} for setting in given.values()]
    for key in ("command", "args", "workingDir"):
        values = [shape.get(key) for shape in shapes]
        for role, setting in given.items():
            if setting and key in setting.value:
                path: Path = ("program", key) if _same(values) else (role, "program", key)
                _put(draft, report, path, Setting(setting.value[key], _parts_at(setting, key)))


def _image(draft: Draft, report: Report, given: Mapping[str, Setting | None]) -> None:
    """The image of the first role is that of all; the others name what differs."""
    top: dict[str, Any] = {}
    for role, setting in given.items():
        if not setting:
            continue
        own = not (not top or setting.value == top)
        for key, value in setting.value.items():
            if not own or top.get(key) != value:
                whole: Path = (role, "image") if own else ("image",)
                _put(draft, report, (*whole, key), Setting(value, _parts_at(setting, key)))
                if key == "repository":
                    draft.lines.setdefault(whole, []).append(setting.parts[0][0].line)
            else:
                for source, _ in _parts_at(setting, key):
                    report.converted(source, ("image", key))
        for key in top.keys() - setting.value.keys():
            draft.set((role, "image", key), "IfNotPresent" if key == "pullPolicy" else "")
        top = top or setting.value


def _gpu_resource(draft: Draft, report: Report, given: Mapping[str, Setting | None]) -> None:
    settings = [setting for setting in given.values() if setting]
    common = _same([setting.value for setting in settings])
    for role, setting in given.items():
        if setting and setting.value != "nvidia.com/gpu" and common:
            _put(draft, report, ("gpuResource",), setting)
        elif setting and not common:
            _put(draft, report, (role, "gpuResource"), setting)


def _pull_secrets(draft: Draft, report: Report, roles: Mapping[str, Settings]) -> None:
    secrets: list[Any] = []
    for settings in roles.values():
        setting = settings.of.get("imagePullSecrets")
        for (source, _), secret in zip(setting.parts, setting.value, strict=True) if setting else []:
            if secret not in secrets:
                secrets.append(secret)
                draft.set(("imagePullSecrets",), secrets, [(source, (len(secrets) - 1,))])
            report.converted(source, ("imagePullSecrets", secrets.index(secret)))
