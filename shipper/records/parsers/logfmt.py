r"""``key=value key="quoted value" flag``: pairs with spaces between them; a key by itself is ``True``.

In quotes, ``\"``, ``\\``, ``\n`` and the other escapes of JSON and Go stand for their characters. A line without any
pair, or with a quote where none belongs, does not parse.
"""

from __future__ import annotations

import re

from shipper.records.parsers.common import ENCODING, ERRORS, Parse, Wanted
from shipper.records.record import Fields

# A key with its "=" and value, a key, or a character that belongs to neither.
_PIECE = re.compile(r'([^\x00-\x20="]++=?+|["=])((?<==)(?:"(?:[^"\\]++|\\.)*+"|[^\x00-\x20"]*+(?!")))?+', re.S)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.S)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}


def build(wanted: Wanted) -> Parse:
    r"""Return the parser of logfmt.

    >>> build(None)(b'level=info msg="it is \\"up\\"" done')
    {'level': 'info', 'msg': 'it is "up"', 'done': True}
    """
    find = _PIECE.findall

    def parse(event: bytes) -> Fields | None:
        found: Fields = {}
        pair = False
        for key, value in find(event.decode(ENCODING, ERRORS)):
            if key[-1] != "=":
                if key == '"':
                    return None
                if wanted is None or key in wanted:
                    found[key] = True
                continue
            name = key[:-1]
            if not name:
                return None
            pair = True
            if wanted is None or name in wanted:
                found[name] = _unescaped(value[1:-1]) if value[:1] == '"' else value
        return found if pair else None

    return parse


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    byte, short, long, other = match.groups()
    if other:
        return _SIMPLE.get(other, other)
    number = int(byte or short or long, 16)
    # Half a surrogate pair is no character, and what is beyond Unicode neither.
    return chr(number) if number < 0xD800 or 0xDFFF < number < 0x110000 else match[0]
