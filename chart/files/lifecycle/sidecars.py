"""Containers that somebody else put into the lifecycle's own pod, such as a mesh's webhook: its Job waits for them."""

from __future__ import annotations

from .kubernetes import ApiError, Client
from .state import Event

OWN_CONTAINER = "lifecycle"


def warning(client: Client, pod_name: str) -> Event | None:
    """What to do about them; None where there are none. Native sidecars are init containers, and end with the pod."""
    try:
        containers = client.get("pods", pod_name)["spec"].get("containers", [])
    except ApiError:  # only a warning
        return None
    others = [container["name"] for container in containers if container["name"] != OWN_CONTAINER]
    if not others:
        return None
    return Event(
        "Warning",
        "SidecarInLifecyclePod",
        f"pod {pod_name} also has the container {', '.join(others)}: the Job completes only once it ends. Keep it "
        "out by lifecycle.podLabels or lifecycle.podAnnotations (values/no-mesh.yaml shows how)",
    )
