"""The SBOM of a release, CycloneDX 1.6: what `pip install tfconfig` installs, and the images of the chart.

`python -m pip inspect > installed.json; python -m hack.sbom installed.json`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[1] / "chart/Chart.yaml"
NAME = "tfconfig"
PIP = {"pip", "setuptools", "wheel"}  # of the environment, not of the tool


def document(installed: dict[str, Any], chart: dict[str, Any]) -> dict[str, Any]:
    """The SBOM of an environment, as `pip inspect` prints it, and of a chart."""
    packages = [item["metadata"] for item in installed["installed"] if item["metadata"]["name"] not in PIP]
    images = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    main = next(package for package in packages if package["name"] == NAME)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": NAME, "version": main["version"]}},
        "components": [
            *(_package(package) for package in packages if package["name"] != NAME),
            *(_image(item["image"]) for item in images),
        ],
    }


def _package(package: dict[str, Any]) -> dict[str, Any]:
    name, version = package["name"], package["version"]
    return {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name.lower()}@{version}"}


def _image(image: str) -> dict[str, Any]:
    repository, _, tag = image.rpartition(":")
    path = repository if "/" in repository else f"library/{repository}"  # as Docker Hub has it
    purl = f"pkg:oci/{path.rpartition('/')[2]}?repository_url=docker.io/{path}&tag={tag}"
    return {"type": "container", "name": repository, "version": tag, "purl": purl}


if __name__ == "__main__":
    environment = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    json.dump(document(environment, yaml.safe_load(CHART.read_text("utf-8"))), sys.stdout, indent=2)
