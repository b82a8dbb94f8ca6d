"""The tensorboard block of TFJob v1alpha1."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import Any

from tfconfig.convert.draft import Draft
from tfconfig.convert.fields import Field, children_at, text_at
from tfconfig.convert.forms import Form
from tfconfig.diagnostics import dotted


def tensorboard(form: Form, draft: Draft, block: Field) -> None:
    """TensorBoard shows the checkpoint volume here, so its claim becomes that; other volumes cannot."""
    report, folder = form.report, text_at(block, "logDir") or text_at(block, "logdir")
    claim_and_mount = _claim(block, folder)
    if not claim_and_mount or not _take(form, draft, *claim_and_mount):
        report.lost(
            block, "TensorBoard shows the checkpoint volume here, a claim that all tasks mount at the same path",
            "run one beside the job: extraObjects, or kubectl port-forward to one that reads the logs elsewhere",
        )  # fmt: skip
        return
    claim, mount = claim_and_mount
    inside = posixpath.relpath(folder or mount, mount)
    draft.set(("checkpoint",), {"existingClaim": claim, "directory": ".", "mountPath": mount})
    draft.set(("tensorboard",), {"enabled": True, "directory": inside}, [(block, ())])
    report.converted(block, "tensorboard")
    message = f"the claim {claim} became the checkpoint volume, which TensorBoard shows; port-forward to reach it"
    report.different(block, "checkpoint", message, "tensorboard.from and tensorboard.ingress let others in")


def _claim(block: Field, folder: str) -> tuple[str, str] | None:
    """The claim that has the folder, and where it is mounted."""
    claims = {
        text_at(volume, "name"): text_at(volume, "persistentVolumeClaim", "claimName")
        for volume in children_at(block, "volumes")
    }
    for mount in children_at(block, "volumeMounts"):
        path, claim = text_at(mount, "mountPath").rstrip("/"), claims.get(text_at(mount, "name"))
        if claim and not mount.child("subPath") and f"{folder.rstrip('/')}/".startswith(f"{path}/"):
            return claim, path
    return None


def _take(form: Form, draft: Draft, claim: str, path: str) -> bool:
    """Take the claim out of the tasks' own volumes; false where they use it in another way."""
    places = [(), *((role,) for role in form.roles if isinstance(draft.values.get(role), dict))]
    gone: dict[str, str] = {}
    left: list[tuple[dict[str, Any], str, list[Any]]] = []
    for place in places:
        holder = draft.values[place[0]] if place else draft.values
        volumes = holder.get("extraVolumes") or []
        names = [volume.get("name") for volume in volumes if _claim_name(volume) == claim]
        mounts = [mount for mount in holder.get("extraVolumeMounts") or [] if mount.get("name") in names]
        if any(str(mount.get("mountPath")).rstrip("/") != path or mount.get("subPath") for mount in mounts):
            return False
        for key in ("extraVolumes", "extraVolumeMounts"):
            items = holder.get(key) or []
            gone |= {dotted((*place, key, i)): key for i, item in enumerate(items) if item.get("name") in names}
            left.append((holder, key, [item for item in items if item.get("name") not in names]))
    for holder, key, items in left:
        holder.pop(key, None)
        if items:
            holder[key] = items
    report = form.report
    report.items = [replace(item, target="checkpoint") if item.target in gone else item for item in report.items]
    for place_of, lines in list(draft.lines.items()):
        if any(dotted(place_of[:n]) in gone for n in range(1, len(place_of) + 1)):
            del draft.lines[place_of]
            draft.lines.setdefault(("checkpoint",), []).extend(lines)
    return True


def _claim_name(volume: dict[str, Any]) -> str:
    source = volume.get("persistentVolumeClaim")
    return str(source.get("claimName") or "") if isinstance(source, dict) else ""
