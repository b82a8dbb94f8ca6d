"""The documents outside docs/ as pages of the site (mkdocs.yml), and links that work there as they do on GitHub."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

# Page of the site -> file of the repository; pages that are not named here are files of docs/.
PAGES = {
    "index.md": "README.md",
    "values.md": "chart/README.md",
    "overlays.md": "values/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    **{
        f"examples/{file.parent.name}.md": f"examples/{file.parent.name}/README.md"
        for file in ROOT.glob("examples/*/README.md")
    },
}
_SITE = {source: page for page, source in PAGES.items()}
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Point links at pages of the site, and those to other files at the repository."""
    uri = page.file.src_uri
    folder = posixpath.dirname(PAGES.get(uri, f"docs/{uri}"))

    def link(match: re.Match[str]) -> str:
        target = match[2]
        if "://" in target:
            return match[0]
        source = posixpath.normpath(posixpath.join(folder, target))
        if source in _SITE or source.startswith("docs/"):
            there = _SITE.get(source, source.removeprefix("docs/"))
            return match[1] + posixpath.relpath(there, posixpath.dirname(uri) or ".")
        return f"{match[1]}{config.repo_url}/blob/main/{source}"

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)
