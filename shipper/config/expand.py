"""``${…}`` in the string values of the configuration.

    ${NAME}  ${NAME:-default}     the environment (the default also where it is set to nothing)
    ${file:/path}                 a file's text, without the line end it closes with: a secret
    ${credential:NAME}            the same of a systemd credential, $CREDENTIALS_DIRECTORY/NAME: a secret
    $$                            one dollar sign

A dollar sign before anything else stands for itself: passwords hold them. What was put in is not expanded again.
Reads the environment it is given and the files that are named; may be called from any thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shipper.ownership import complaint

MAX_SECRET = 1 << 20  # a larger file is named by mistake, or is no regular file and never ends

_DOLLAR = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ExpandError(ValueError):
    """Some ``${…}`` of a text cannot be expanded; ``problems`` has a sentence for each of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Expanded(NamedTuple):
    """A text with everything put in; ``secret``: some of it came from a file or a credential."""

    text: str
    secret: bool


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    """Expand ``text``; raises :class:`ExpandError` with all that is wrong in it."""
    problems: list[str] = []
    secret = False

    def put_in(match: re.Match[str]) -> str:
        nonlocal secret
        if match[0] == "$$":
            return "$"
        try:
            if not match[2]:
                raise ExpandError(['"${" has no "}" after it; write "$${" for the characters themselves'])
            value, is_secret = _value(match[1], environ)
        except ExpandError as error:
            problems.extend(error.problems)
            return ""
        secret |= is_secret
        return value

    expanded = _DOLLAR.sub(put_in, text)
    if problems:
        raise ExpandError(problems)
    return Expanded(expanded, secret)


def protect(text: str) -> str:
    """Write ``text`` so that :func:`expand` gives it back."""
    return re.sub(r"\$(?=[{$])", "$$", text)


def _value(inner: str, environ: Mapping[str, str]) -> Expanded:
    name, has_default, default = inner.partition(":-")
    if "${" in default:
        raise ExpandError([f'"${{{name}:-" has another "${{" in its default; write the default as plain text'])
    if _NAME.fullmatch(name):
        value = environ.get(name)
        if has_default:
            return Expanded(value or default, secret=False)
        if value is None:
            raise ExpandError([f"${{{name}}} is not in the environment; set it, or write ${{{name}:-DEFAULT}}"])
        return Expanded(value, secret=False)
    scheme, colon, rest = inner.partition(":")
    if scheme == "file" and colon:
        if not rest.startswith("/"):
            raise ExpandError([f"${{{inner}}} does not name an absolute path; write ${{file:/etc/shipper/NAME}}"])
        return Expanded(_read(rest, inner), secret=True)
    if scheme == "credential" and colon:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", rest) or rest in (".", ".."):
            raise ExpandError([f"${{{inner}}} does not name a credential; write ${{credential:NAME}}"])
        directory = environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise ExpandError(
                [f"${{{inner}}} needs $CREDENTIALS_DIRECTORY, which systemd sets; add LoadCredential={rest}:/PATH"]
            )
        return Expanded(_read(os.path.join(directory, rest), inner), secret=True)
    if scheme == "env" and _NAME.fullmatch(rest.partition(":-")[0]):
        raise ExpandError([f"${{{inner}}} is not known; write ${{{rest}}}"])
    raise ExpandError(
        [f"${{{inner}}} is not known; write ${{NAME}}, ${{NAME:-DEFAULT}}, ${{file:/PATH}} or ${{credential:NAME}}"]
    )


def _read(path: str, inner: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SECRET + 1)
            wrong = complaint(Path(path), os.fstat(file.fileno()))
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ExpandError([f"${{{inner}}}: {path} is not UTF-8 text"]) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ExpandError([f"${{{inner}}}: {path} cannot be read: {reason}"]) from error
    if len(data) > MAX_SECRET:
        raise ExpandError([f"${{{inner}}}: {path} holds more than 1 MiB; a secret is a short text"])
    if wrong:
        raise ExpandError([f"${{{inner}}}: {path} is not read: it {wrong}"])
    return text.removesuffix("\n").removesuffix("\r")
