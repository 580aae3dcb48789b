"""How a history is set up: what is watched, by which sources, and what is different in the configuration.

Each feature is a line of the script, so that shrinking can leave it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

A, B, DEEP_B = b"/log/a.log", b"/log/b.log", b"/log/deep/b.log"
OUTSIDE = b"/out"


@dataclass(frozen=True, slots=True)
class Layout:
    """What is there. ``directories`` are watched; ``globs`` are those of each source."""

    paths: tuple[bytes, bytes] = (A, B)
    directories: tuple[bytes, ...] = (b"/log",)
    globs: Mapping[str, str] = field(default_factory=lambda: {"s": "/log/*.log"})
    max_line: int = 0  # 0: longer than any
    max_open_files: int = 1000
    exactly_once: bool = False


FEATURES: dict[str, tuple[int, ...]] = {  # with the largest values of their numbers
    "exactly_once": (),
    "long_lines": (),
    "few_open": (3,),
    "two_sources": (),
    "deep": (),
}
FAULTS = "faults"  # the system has no descriptors left, or a device cannot be read, for a while; nothing else differs
LONG = 48  # bytes of a line that is sent whole, at most, where there are longer ones


def layout(features: Mapping[str, tuple[Any, ...]]) -> Layout:
    """Return what features make of it."""
    made = Layout(
        exactly_once="exactly_once" in features,
        max_line=LONG if "long_lines" in features else 0,
        max_open_files=1 + int(features["few_open"][0]) if "few_open" in features else 1000,
    )
    if "deep" in features:
        made = replace(made, paths=(A, DEEP_B), directories=(b"/log", b"/log/deep"), globs={"s": "/log/**/*.log"})
    if "two_sources" in features:
        b = made.paths[1].decode()
        made = replace(made, globs={"s": "/log/a*.log", "t": b.replace("b.log", "b*.log")})
    return made
