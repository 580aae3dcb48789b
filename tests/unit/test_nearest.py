"""The nearest pattern, and where it parts from the path: what somebody needs who wonders why a file is not shipped."""

from __future__ import annotations

import pytest

from shipper.discovery.nearest import nearest


@pytest.mark.parametrize(
    ("patterns", "path", "pattern", "why"),
    [
        ([b"/var/log/*.log"], b"/var/log/app.txt", b"/var/log/*.log", '"app.txt" does not match "*.log"'),
        ([b"/srv/*.log", b"/var/log/*"], b"/var/lag/a.log", b"/var/log/*", '"lag" does not match "log"'),
        ([b"/srv/*.log", b"/var/*.log"], b"/home/a.log", b"/srv/*.log", '"home" does not match "srv"'),
        ([b"/x/*.txt", b"/x/y/*.log"], b"/x/y/a.txt", b"/x/y/*.log", '"a.txt" does not match "*.log"'),
        (
            [b"/var/log/*.log"],
            b"/var/log/nginx/access.log",
            b"/var/log/*.log",
            'it does not reach down into the directory "nginx"; "/var/log/**/*.log" would',
        ),
        (
            [b"/var/log/*.log"],
            b"/var/log/nginx/access.txt",
            b"/var/log/*.log",
            'it does not reach down into the directory "nginx"',
        ),
        ([b"/var/log/**/*.log"], b"/var/log/a/b.txt", b"/var/log/**/*.log", '"b.txt" does not match "*.log"'),
        ([b"/var/log/*/*.log"], b"/var/log/a.log", b"/var/log/*/*.log", "it means files farther down"),
        (
            [b"/var/log/app.log"],
            b"/var/log/app.log/x",
            b"/var/log/app.log",
            'it means "/var/log/app.log" itself, and nothing below it',
        ),
        (
            [b"/var/log/*"],
            b"/var/log/.hidden",
            b"/var/log/*",
            '".hidden" does not match "*": a wildcard does not match a leading dot',
        ),
        (
            [b"/var/log/*.log"],
            b"/var/log/App.LOG",
            b"/var/log/*.log",
            '"App.LOG" does not match "*.log": upper and lower case differ',
        ),
        ([b"/x/{a,b/c}/*.log"], b"/x/b/d/1.log", b"/x/{a,b/c}/*.log", '"d" does not match "c"'),
        ([b"/x/*.log"], b"/x/a\n\x1b[31m", b"/x/*.log", '"a\\n\\x1b[31m" does not match "*.log"'),
    ],
)
def test_it_says_which_component_differs(patterns: list[bytes], path: bytes, pattern: bytes, why: str) -> None:
    found = nearest(patterns, path)
    assert found is not None
    assert (found.pattern, found.why) == (pattern, why)


def test_without_a_pattern_there_is_none() -> None:
    assert nearest([], b"/var/log/app.log") is None


def test_a_path_above_all_patterns() -> None:
    found = nearest([b"/var/log/*.log"], b"/var")
    assert found is not None
    assert found.why == "it means files farther down"
