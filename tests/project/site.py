"""The documentation site: its pages that stand outside of `docs/`, and where links between pages lead.

MkDocs runs this as a hook of `mkdocs.yml`. On GitHub each page stands where it is, and a link names a file. On the site
all pages stand in one folder, the README as the first one.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # only `make docs` installs it
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = "docs/"
ADDED: Final = {
    "README.md": "index.md",
    "README.zh-CN.md": "index.zh-CN.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "deploy/secrets/README.md": "secrets.md",
    "deploy/systemd/qunfa-receiver.service": "qunfa-receiver.service.txt",
    "deploy/systemd/qunfa-worker.service": "qunfa-worker.service.txt",
    "LICENSE": "LICENSE.txt",
    "examples/README.md": "examples.md",
    "examples/python/send.py": "send.py.txt",
    "examples/typescript/send.ts": "send.ts.txt",
    "examples/go/main.go": "main.go.txt",
}
"""What stands outside of `docs/`, and its name on the site."""

_LINK: Final = re.compile(r"(?<=\]\()([^()\s]+)(?=\))")
_ELSEWHERE: Final = re.compile(r"[a-z]+:|#")
_FENCED: Final = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)$", re.MULTILINE | re.DOTALL)


def links(text: str) -> Iterator[str]:
    """What the links and pictures of a page name within the project, with the `#heading` where one is named."""
    yield from (target for target in _LINK.findall(_FENCED.sub("", text)) if not _ELSEWHERE.match(target))


def file_of(target: str, source: str) -> str:
    return normpath(str(PurePosixPath(source).parent / target.partition("#")[0]))


def placed(file: str) -> str:
    """The name of a file on the site.

    Raises:
        ValueError: It is not on the site.
    """
    if file in ADDED:
        return ADDED[file]
    if file.startswith(DOCS):
        return file.removeprefix(DOCS)
    raise ValueError(f"{file} is not on the site: a page links to it")


def moved(text: str, source: str) -> str:
    """The text of the page `source` with the links that it needs on the site."""

    def _moved(target: str) -> str:
        if _ELSEWHERE.match(target):
            return target
        _, hash_sign, heading = target.partition("#")
        return f"{placed(file_of(target, source))}{hash_sign}{heading}"

    return _replaced(text, _moved)


def _replaced(text: str, change: Callable[[str], str]) -> str:
    """The text with each link changed, but for those in blocks of code."""
    made, done = [], 0
    for block in _FENCED.finditer(text):
        made += [_LINK.sub(lambda found: change(found[1]), text[done : block.start()]), block[0]]
        done = block.end()
    return "".join([*made, _LINK.sub(lambda found: change(found[1]), text[done:])])


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages that stand outside of `docs/`. MkDocs calls it."""
    from mkdocs.structure.files import File  # noqa: PLC0415  see above

    for source, name in ADDED.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        content = moved(text, source) if source.endswith(".md") else text
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, *, page: object, **_: object) -> str:
    """The text of a page of `docs/`, with its links out of that folder. MkDocs calls it."""
    file = getattr(page, "file")  # noqa: B009
    return markdown if file.src_uri in ADDED.values() else moved(markdown, DOCS + file.src_uri)
