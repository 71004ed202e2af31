"""Builds the documentation site with MkDocs: python site.py ROOT PLACE.

Pages are the README, docs/ and CONTRIBUTING. What they link to besides is copied beside them, so
that every link leads somewhere, in a site that stands alone.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
import tempfile
from pathlib import Path

from mkdocs.commands.build import build  # type: ignore[import-not-found]
from mkdocs.config import load_config  # type: ignore[import-not-found]

_LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(#[^)\s]*)?(?=\))")
# Pages of the checkout that are no part of docs/, and what they are called in the site.
_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}


class Pages:
    """The pages of a site in the making."""

    def __init__(self, root: Path, place: Path) -> None:
        """Take what is below `root` into `place`."""
        self._root, self._place = root, place

    def gather(self) -> None:
        """Write all pages, and beside them what they link to."""
        shutil.copytree(self._root / "docs", self._place, dirs_exist_ok=True)
        shutil.copy(self._root / "tools" / "site.css", self._place)
        sources = [*(self._root / name for name in _PAGES), *(self._root / "docs").rglob("*.md")]
        for source in sources:
            self._write(source, self._place / self._page(source))

    def _write(self, source: Path, target: Path) -> None:
        text = source.read_text(encoding="utf-8")
        target.write_text(_LINK.sub(lambda link: self._link(source, target, link), text), "utf-8")

    def _page(self, source: Path) -> str:
        name = source.relative_to(self._root).as_posix()
        return _PAGES.get(name, name.removeprefix("docs/"))

    def _link(self, source: Path, target: Path, link: re.Match[str]) -> str:
        """Return where a link leads in the site; a directory leads to the first file in it."""
        found = (source.parent / link[1]).resolve()
        if found.is_dir():
            found = next(path for path in sorted(found.rglob("*")) if path.is_file())
        if not found.is_file():
            return link[0]  # MkDocs says so
        name = self._page(found)
        if name not in _PAGES.values() and self._root / "docs" not in found.parents:
            name = f"files/{name}.txt"
            (self._place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, self._place / name)
        up = "../" * len(target.relative_to(self._place).parent.parts)
        return f"{up}{name}{link[2] or ''}"


def main(root: Path, place: Path) -> None:
    """Build the site of a checkout; exit with what is wrong where a link is dead."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    with tempfile.TemporaryDirectory() as pages:
        Pages(root, Path(pages)).gather()
        config = root / "tools" / "site.yml"
        build(load_config(str(config), docs_dir=pages, site_dir=str(place)))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
