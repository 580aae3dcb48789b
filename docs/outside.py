"""A hook of mkdocs: a link to a file of the repository that is not a page becomes its name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>(?:\.\./)+(?P<rest>[^)#\s]+))\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page's text as the site has it."""
    depth = len(PurePosixPath(page.file.src_uri).parents) - 1

    def name(link: re.Match[str]) -> str:
        outside = link["path"].count("../") > depth
        return f"{link['text']} (`{link['rest']}`)" if outside else link[0]

    return _LINK.sub(name, markdown)
