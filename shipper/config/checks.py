"""What the values of a source must be beyond their kind: absolute paths, sane globs, valid topics and templates.

Pure. A check takes the value and the source's name and yields every mistake.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from shipper import patterns, timeformat
from shipper.config.kinds import Mistake, near, one_of, quote
from shipper.template import NAMES, Template, TemplateError, parse

Check = Callable[[Any, str], Iterator[Mistake]]

TOPIC_LENGTH = 249  # Kafka's own limit
INSTANCE_LENGTH = 200  # it is part of names that people read
_NOT_TOPIC = re.compile(r"[^a-zA-Z0-9._-]")
_NOT_SOURCE = re.compile(r"[^A-Za-z0-9_.-]")
_CLASS = re.compile(r"\[[!^]?.[^\]]*\]")  # a "]" that comes first belongs to the class
_TOP_DIRECTORIES = ("data", "home", "mnt", "opt", "root", "run", "srv", "tmp", "usr", "var")


def absolute(value: str, base: str) -> Iterator[Mistake]:
    """Hold a value to be an absolute path, where it is given; ``base``: where what is relative may stand."""
    if value and not value.startswith("/"):
        yield Mistake(value, "is not an absolute path", f"write {quote(base + value.lstrip('./'))}")


def nothing(_value: Any, _source: str) -> Iterator[Mistake]:
    """Find no fault."""
    return iter(())


def source_name(value: str) -> Iterator[Mistake]:
    """Hold the name to what can stand in a topic, a metric and a command line."""
    if not value:
        yield Mistake(value, "is empty", "write [sources.NAME]")
    elif _NOT_SOURCE.search(value):
        right = _NOT_SOURCE.sub("-", value)
        yield Mistake(value, 'holds more than letters, digits, "_", "." and "-"', f"write [sources.{right}]")


def paths(value: tuple[str, ...], source: str) -> Iterator[Mistake]:
    """Hold the paths to be absolute globs that name files."""
    for path in value:
        if not path.startswith("/"):
            yield Mistake(path, "is not absolute", f"write {quote(_absolute(path, value, source))}")
        elif path.endswith("/"):
            yield Mistake(path, "names a directory", f"write {quote(path + '*.log')}")
        else:
            yield from _glob(path)


def exclude(value: tuple[str, ...], _source: str) -> Iterator[Mistake]:
    """Hold the patterns to be globs for a file's name or, with a slash, for its whole path."""
    for pattern in value:
        if pattern.endswith("/"):
            yield Mistake(pattern, "names a directory", f"write {quote(pattern + '**')}")
        else:
            yield from _glob(pattern)


def key(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the key to be a template of known names."""
    yield from _template(value)[1]


def topic(value: str, source: str) -> Iterator[Mistake]:
    """Hold the topic to be a template that gives a valid name, as far as the file's own name does."""
    template, mistakes = _template(value)
    yield from mistakes
    if template is None:
        return
    for name in template.names:
        if name in ("path", "dir"):
            yield Mistake(
                value, 'holds "/", which no topic may have', "use {filename}, {stem} or {source}", shown=f"{{{name}}}"
            )
    bad = sorted(set(_NOT_TOPIC.findall(template.literal)))
    if bad:
        right = re.sub(r"[^a-zA-Z0-9._{|}-]", "-", value)
        fix = 'use letters, digits, ".", "_" and "-" only' if set(bad) & {"{", "}"} else f"write {quote(right)}"
        yield Mistake(value, f"holds {one_of([quote(c) for c in bad])}, which no topic may have", fix)
    length = sum(len(part) if isinstance(part, str) else len(source) * (part == ("source",)) for part in template.parts)
    if length > TOPIC_LENGTH:
        yield Mistake(value, f"makes a topic of {length} characters", f"write at most {TOPIC_LENGTH}")
    if not template.names and value in (".", ".."):
        yield Mistake(value, "is not a topic's name", 'write a name, as "logs"')


def headers(value: dict[str, str], _source: str) -> Iterator[Mistake]:
    """Hold the headers to be templates, under names that are not our own."""
    for name, text in value.items():
        if not name or name.startswith("shipper."):
            found = "is empty" if not name else "is a name that shipper itself gives"
            yield Mistake(name, found, "write another name")
        yield from _template(text)[1]


def processor(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the name to be that of a function or of an entry point."""
    if value and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*|[\w.-]+", value):
        yield Mistake(value, "is no function's name", 'write "module:function", or an entry point\'s name')


def path_pattern(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the pattern to be a regular expression with named groups."""
    if not value:
        return
    try:
        pattern = re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        yield Mistake(value, f"is no regular expression: {error}", "write one as in Python's re")
        return
    if value.isascii() and (slow := patterns.check(value)) is not None:  # whoever makes files chooses their names
        fix = "repeat at most so often, as [^/]{1,64}, and leave no two repetitions side by side that take the same"
        yield Mistake(value, slow.found, fix)
    if not pattern.groupindex:
        yield Mistake(value, "has no named group", "write one, as (?P<app>[^/]+): {path.app} is what it finds")


def pattern_groups(value: str) -> tuple[str, ...]:
    """Return the names of a pattern's groups."""
    try:
        return tuple(re.compile(value).groupindex)
    except (re.error, RecursionError, OverflowError):
        return ()


def topic_fallback(value: str, source: str) -> Iterator[Mistake]:
    """Hold the topic to be a name, if there is one."""
    if value:
        yield from plain_topic(value, source)


def topic_allow(value: tuple[str, ...], _source: str) -> Iterator[Mistake]:
    """Hold the names to be those of topics, with * and ? for what may vary."""
    for name in value:
        bad = sorted(set(re.sub(r"[*?]", "", name)) & set(_NOT_TOPIC.findall(name)))
        if bad:
            yield Mistake(name, f"holds {one_of([quote(c) for c in bad])}, which no topic may have", 'write "app-*"')
        elif not name.strip("*?"):
            yield Mistake(name, "allows any topic", 'write a name, or a beginning, as "app-*"')


def plain_topic(value: str, source: str) -> Iterator[Mistake]:
    """Hold the topic to be a name, with nothing to be put in."""
    if "{" in value:
        yield Mistake(value, "is a template, and this topic is the same for all", "write a topic's name")
    else:
        yield from topic(value, source)


def instance(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the name to what can stand in a transactional id and a log line."""
    if _NOT_TOPIC.search(value):
        right = _NOT_TOPIC.sub("-", value)
        yield Mistake(value, 'holds more than letters, digits, ".", "_" and "-"', f"write {quote(right)}")
    elif len(value) > INSTANCE_LENGTH:
        yield Mistake(value, f"has {len(value)} characters", f"write at most {INSTANCE_LENGTH}")


def character(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the text to be one character, or none."""
    if len(value) > 1:
        yield Mistake(value, f"has {len(value)} characters", "write one")
    elif value in ("\n", "\r"):
        yield Mistake(value, "is a line end", "write another character")


def time_format(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the format of a time to be known."""
    if value in ("auto", *timeformat.NAMED):
        return
    try:
        timeformat.compile_format(value)
    except timeformat.FormatError as error:
        guess = near(value, timeformat.NAMED) if "%" not in value else ""
        yield Mistake(value, error.found, f"did you mean {quote(guess)}?" if guess else error.fix)


def time_zone(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the name of a time zone to be known on this machine."""
    try:
        timeformat.zone_of(value)
    except timeformat.FormatError as error:
        yield Mistake(value, error.found, error.fix)


def listen(value: str, _source: str) -> Iterator[Mistake]:
    """Hold the address to be a host and a port."""
    host, port = host_and_port(value)
    if value and not (host and port.isdigit() and 0 < int(port) < 1 << 16):
        yield Mistake(value, "is no address to listen on", 'write "HOST:PORT", as "127.0.0.1:9600"')


def host_and_port(value: str) -> tuple[str, str]:
    """Take ``HOST:PORT`` apart; an IPv6 address stands in brackets."""
    host, _, port = value.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _template(value: str) -> tuple[Template | None, list[Mistake]]:
    try:
        template = parse(value)
    except TemplateError as error:
        shown = "" if error.part == value else error.part
        return None, [Mistake(value, error.found, error.fix, shown)]
    known = one_of([f"{{{name}}}" for name in NAMES])
    mistakes = []
    for name in template.names:
        if name in NAMES or name.startswith(("field.", "path.")):
            continue
        guess = near(name, NAMES)
        found, fix = "is not known", f"did you mean {{{guess}}}?" if guess else f"use {known}"
        mistakes.append(Mistake(value, found, fix, shown=f"{{{name}}}"))
    return template, mistakes


def _absolute(path: str, siblings: tuple[str, ...], source: str) -> str:
    """Guess the absolute path that was meant by ``path``."""
    path = re.sub(r"^(?:~?/|\.{1,2}/)+", "", path)
    if path.split("/")[0] in _TOP_DIRECTORIES:
        return f"/{path}"
    for other in siblings:
        directory = os.path.dirname(other)
        if other.startswith("/") and not re.search(r"[*?\[{]", directory):
            return os.path.join(directory, path)
    return f"/var/log/{source}/{path}"


def _glob(pattern: str) -> Iterator[Mistake]:
    parts = pattern.split("/")
    if ".." in parts:
        right = quote(os.path.normpath(pattern))
        yield Mistake(pattern, 'holds "..", which no path that is found has', f"write {right}")
    if any("**" in part and part != "**" for part in parts):
        right = quote("/".join(_split_stars(part) for part in parts))
        yield Mistake(pattern, 'has "**" beside other characters', f'"**" stands alone: write {right}')
    bare = "/".join(_CLASS.sub("", part) for part in parts)
    if "[" in bare:
        yield Mistake(pattern, 'has a "[" without its "]"', 'write "[[]" for the character itself')
    elif bare.count("{") > bare.count("}"):
        yield Mistake(pattern, 'has a "{" without its "}"', 'write "[{]" for the character itself')


def _split_stars(part: str) -> str:
    if part == "**" or "**" not in part:
        return part
    single = re.sub(r"\*{2,}", "*", part)
    return f"**/{single}" if part.startswith("**") else single
