"""Build the documentation site: `make site` writes it to `.site/html`.

The pages are those of this repository, and those of projects rendered with the default answers in English and Chinese.
A link to a file that is no page becomes a link to the repository, or plain text where its address is unknown.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urlsplit

from tests.programs import reference
from tests.support import fast_copier
from tests.support.template import ROOT, export, render, working_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = ROOT / ".site"
ROOT_PAGES = {
    "README.md": "index.md",
    "README.zh.md": "zh/index.md",
    "CONTRIBUTING.md": "contributing/index.md",
    "CHANGELOG.md": "contributing/changelog.md",
}
# Documents of a rendered project, by their place on the site. Rules follow by pattern.
PROJECT_PAGES = {
    "docs/settings.md": "reference/settings.md",
    "docs/api.md": "reference/api.md",
    "docs/observability.md": "reference/observability.md",
    "docs/runbooks.md": "reference/runbooks.md",
    "docs/architecture.md": "project/architecture.md",
    "docs/security.md": "project/security.md",
    "docs/deployment.md": "project/deployment.md",
    "docs/kubernetes.md": "project/kubernetes.md",
    "docs/databases.md": "project/databases.md",
    "docs/clients.md": "project/clients.md",
    "docs/calling.md": "project/calling.md",
    "docs/mcp.md": "project/mcp.md",
    "docs/mcp-server.md": "project/mcp-server.md",
    "README.md": "project/readme.md",
    "AGENTS.md": "project/agents.md",
}
# Pages of this repository link sources of generated pages, so that these links work on GitHub too.
GENERATED = {
    "template/docs/api.md": "reference/api.md",
    "template/docs/calling.md.jinja": "project/calling.md",
    "template/docs/databases.md.jinja": "project/databases.md",
    "template/docs/{% if 'openai' in protocols %}clients.md{% endif %}.jinja": "project/clients.md",
    "template/docs/mcp.md": "project/mcp.md",
    "template/docs/deployment.md.jinja": "project/deployment.md",
    "template/docs/security.md.jinja": "project/security.md",
    "template/docs/{% if 'kubernetes' in layers %}kubernetes.md{% endif %}.jinja": "project/kubernetes.md",
    "template/docs/{% if 'monitoring' in layers %}runbooks.md{% endif %}.jinja": "reference/runbooks.md",
    "template/src/{{ package_name }}/extensions.py": "reference/extensions.md",
    "template/{% if rules_language == 'en' %}rules{% endif %}/README.md.jinja": "reference/rules/index.md",
}
CHINESE_PAGES = {"README.md": "zh/project/readme.md", "AGENTS.md": "zh/project/agents.md"}
NAME = "My Agent"
LINK = re.compile(r"(?P<image>!?)\[(?P<label>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)")
FENCE = re.compile(r"^( *)(`{3,})[^\n]*\n.*?^\1\2$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
MERMAID = re.compile(r"^```mermaid\n.*?^```\n", re.MULTILINE | re.DOTALL)
COLOUR = re.compile(r"\x1b\[[\d;]*m")  # Zensical colours its warnings, even for a file


class SiteError(Exception):
    """The site is broken; the message lists each place."""


@dataclass
class Source:
    """A tree of files, and which of them are pages of the site."""

    root: Path
    pages: dict[str, str]
    address: str = ""  # of a file in the repository, with {} for its path
    errors: list[str] = field(default_factory=list)

    def link(self, page: str, found: re.Match[str]) -> str:
        """Return a link as the site needs it."""
        label, target = found["label"], found["target"]
        if found["image"]:  # pictures of docs/ have the same place on the site
            picture = Path(os.path.normpath(Path(page).parent / target))
            if picture.parts[0] != "docs":
                return found[0]
            return f"![{label}]({os.path.relpath(picture.relative_to('docs'), Path(self.pages[page]).parent)})"
        label = LINK.sub(lambda inner: self.link(page, inner), label)
        if urlsplit(target).scheme or target.startswith("#"):
            return f"[{label}]({target})"
        path, fragment = urldefrag(target)
        wanted = Path(os.path.normpath(Path(page).parent / unquote(path))).as_posix()
        if (self.root / wanted / "README.md").is_file():
            wanted += "/README.md"
        if place := self.pages.get(wanted) or GENERATED.get(wanted):
            relative = os.path.relpath(place, Path(self.pages[page]).parent)
            return f"[{label}]({relative}{'#' if fragment else ''}{fragment})"
        if wanted.startswith("..") or not (self.root / wanted).exists():
            self.errors.append(f"{page}: {target} does not exist")
        return f"[{label}]({self.address.format(wanted)})" if self.address else label

    def write(self, target: Path) -> None:
        """Write all pages with their links."""
        for page, place in self.pages.items():
            text = (self.root / page).read_text("utf-8")
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            (target / place).write_text(self.converted(page, text), "utf-8")

    def converted(self, page: str, text: str) -> str:
        """Return the text of a page as the site shows it: without front matter, diagrams as pictures, links changed."""
        text = re.sub(r"\A---\n.*?\n---\n+", "", text, flags=re.DOTALL)
        picture = os.path.relpath("images/architecture.svg", Path(self.pages[page]).parent)
        text = MERMAID.sub(f"![From the client to the database, the model and the tools]({picture})\n", text)
        kept: list[str] = []

        def keep(code: re.Match[str]) -> str:
            kept.append(code[0])
            return f"\0{len(kept) - 1}\0"

        text = FENCE.sub(keep, text)
        text = LINK.sub(lambda found: self.link(page, found), CODE.sub(keep, text))
        while "\0" in text:
            text = re.sub(r"\0(\d+)\0", lambda code: kept[int(code[1])], text)
        return text


def repository_pages() -> dict[str, str]:
    """Return the pages of this repository, by path."""
    pages = {path: place for path, place in ROOT_PAGES.items() if (ROOT / path).is_file()}
    for path in working_tree():
        if path.parts[0] == "docs" and path.suffix == ".md":
            place = path.relative_to("docs").as_posix()
            pages[path.as_posix()] = re.sub(r"(^|/)README\.md$", r"\1index.md", place)
    return pages


def rule_pages(project: Path, place: str) -> dict[str, str]:
    """Return the rules of a rendered project, by path."""
    paths = sorted(path.relative_to(project) for path in (project / "rules").rglob("*.md"))
    named = {path.as_posix(): path.relative_to("rules").as_posix() for path in paths}
    return {path: f"{place}/{'index.md' if name == 'README.md' else name}" for path, name in named.items()}


def address() -> str:
    """Return the address of a file of the repository in GitHub Actions, and nothing elsewhere."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA")
    server, repository, commit = (os.environ.get(name, "") for name in names)
    return f"{server}/{repository}/blob/{commit}/{{}}" if server and repository and commit else ""


def write_sources(target: Path) -> None:
    """Write the Markdown of all pages. Raises SiteError for a link to a missing file."""
    shutil.rmtree(target, ignore_errors=True)
    sources = [Source(ROOT, repository_pages(), address())]
    fast_copier.install()
    with tempfile.TemporaryDirectory(prefix="site-") as folder:
        template = export(working_tree(), Path(folder) / "template")
        for language, pages, rules in (
            ("en", PROJECT_PAGES, "reference/rules"),
            ("zh", CHINESE_PAGES, "zh/rules"),
        ):
            answers = {"project_name": NAME, "rules_language": language}
            project = render(template, Path(folder) / language, answers)
            sources.append(Source(project, pages | rule_pages(project, rules)))
        for source in sources:
            source.write(target)
        write_generated(Path(folder) / "en", target / "reference")
    for path in (ROOT / "docs").rglob("*"):
        if path.suffix in (".svg", ".png", ".css", ".webp"):
            place = target / path.relative_to(ROOT / "docs")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
    if errors := [error for source in sources for error in source.errors]:
        raise SiteError("\n".join(errors))


def write_generated(project: Path, target: Path) -> None:
    """Write the pages that no file has: commands, endpoints, the extension surface."""
    slug, package = "my-agent", project / "src" / "my_agent"
    openapi = json.loads((project / "openapi.json").read_text("utf-8"))
    commands = reference.commands_of(project, package.name)
    (target / "commands.md").write_text(reference.command_page(commands, slug), "utf-8")
    (target / "endpoints.md").write_text(reference.endpoint_page(openapi), "utf-8")
    (target / "extensions.md").write_text(reference.extension_page(package), "utf-8")


# ------------------------------------------------------------------------------------------------------------- check


class Page(HTMLParser):
    """The links, anchors and requests of a built page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {""}
        self.requests: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record one element."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in ("script", "img", "iframe", "source") and values.get("src"):
            self.requests.append(values["src"])
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev", "alternate"):
            self.requests.append(values["href"])


def problems(html: Path) -> Iterator[str]:
    """Yield each broken link, anchor and picture, each request to another server, and each unreachable page."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(html.rglob("*.html"))}
    reached = {html / "index.html"}
    for path, page in pages.items():
        if path.name == "404.html":  # its links are absolute
            continue
        for link in [*page.links, *page.requests]:
            target, fragment = urldefrag(link)
            if urlsplit(target).scheme or target.startswith("//"):
                if link in page.requests and not target.startswith("data:"):
                    yield f"{path.relative_to(html)}: requests {link}"
                continue
            wanted = Path(os.path.normpath(path.parent / unquote(target))) if target else path
            wanted = wanted / "index.html" if wanted.is_dir() else wanted
            if wanted != path:
                reached.add(wanted)
            if not wanted.is_file():
                yield f"{path.relative_to(html)}: {link} does not exist"
            elif wanted in pages and unquote(fragment) not in pages[wanted].anchors:
                yield f"{path.relative_to(html)}: {link} has no such anchor"
    yield from (
        f"{path.relative_to(html)}: no link leads here" for path in pages if path not in reached | {html / "404.html"}
    )


def build(site: Path) -> None:
    """Build the HTML from `site/docs`. Raises SiteError for everything that is wrong with it."""
    shutil.copy2(ROOT / "zensical.toml", site / "zensical.toml")
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    ran = subprocess.run(command, cwd=site, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SiteError(COLOUR.sub("", ran.stderr).partition("Traceback")[0] or ran.stdout)
    if found := sorted(set(problems(site / "html"))):
        raise SiteError("\n".join(found))


def main() -> None:
    """Write the site, and print where it is."""
    try:
        write_sources(SITE / "docs")
        build(SITE)
    except SiteError as error:
        sys.exit(f"{error}\n\nThe documentation site is not built.")
    print(f"The documentation site is in {SITE / 'html'}. To read it: python3 -m http.server --directory .site/html")


if __name__ == "__main__":
    main()
