"""What syslog writes, of both kinds: RFC 3164, as in most files (without the priority), and RFC 5424.

All say ``time``, ``host``, ``app``, ``pid`` and ``message``, ``facility`` and ``severity`` where the priority is there;
RFC 5424 also ``msgid`` and ``data``, the structured data: an object of objects.
"""

from __future__ import annotations

import re

from shipper.config.formats import SEVERITIES
from shipper.records.parsers.common import ENCODING, ERRORS, Parse, Wanted
from shipper.records.record import Fields

_BOM = "\ufeff"
_OLD = re.compile(
    r"(?:<(\d{1,3})>)?"
    r"([A-Z][a-z]{2} [ 0-3]?\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.,:+Zz-]*+) "
    r"([^ ]++) (?:([^\s:\[\]]++)(?:\[([^\]]*+)\])?+:(?: |\Z))?+(.*+)",
    re.S | re.A,
)
_NEW = re.compile(
    r"<(\d{1,3})>1 ([^ ]++) ([^ ]++) ([^ ]++) ([^ ]++) ([^ ]++) "
    r'(-|(?:\[[^ =\]"]++(?: [^ =\]"]++="(?:[^"\\]++|\\.)*+")*+\])++)(?: (.*+))?+',
    re.S | re.A,
)
_ELEMENT = re.compile(r'\[([^ =\]"]++)((?: [^ =\]"]++="(?:[^"\\]++|\\.)*+")*+)\]', re.S)
_PARAMETER = re.compile(r' ([^ =\]"]++)="((?:[^"\\]++|\\.)*+)"', re.S)
_ESCAPE = re.compile(r'\\(["\\\]])')

_FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "security", "console", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6"),
    "local7",
)


def either(_wanted: Wanted) -> Parse:
    """Return the parser of both kinds."""

    def parse(event: bytes) -> Fields | None:
        return parse_5424(event) or parse_3164(event)

    return parse


def rfc3164(_wanted: Wanted) -> Parse:
    """Return the parser of the old kind, with a time of RFC 3339 too, as rsyslog writes now."""
    return parse_3164


def rfc5424(_wanted: Wanted) -> Parse:
    """Return the parser of the new kind."""
    return parse_5424


def parse_3164(event: bytes) -> Fields | None:
    """Parse one line of the old kind.

    >>> parse_3164(b"Nov  4 11:09:10 web-3 sshd[812]: Accepted publickey for eva")["app"]
    'sshd'
    """
    match = _OLD.fullmatch(event.decode(ENCODING, ERRORS))
    if match is None:
        return None
    priority, time, host, app, pid, message = match.groups()
    fields: Fields = {"time": time, "host": host, "message": message}
    if app:
        fields["app"] = app
    if pid:
        fields["pid"] = pid
    return fields if priority is None or _prioritise(fields, int(priority)) else None


def parse_5424(event: bytes) -> Fields | None:
    """Parse one line of the new kind.

    >>> parse_5424(b'<165>1 2026-11-24T11:09:10Z web-3 app - ID47 [ex@1 a="b"] up')["data"]
    {'ex@1': {'a': 'b'}}
    """
    match = _NEW.fullmatch(event.decode(ENCODING, ERRORS)) if event[:1] == b"<" else None
    if match is None:
        return None
    priority, time, host, app, pid, msgid, data, message = match.groups()
    named = {"time": time, "host": host, "app": app, "pid": pid, "msgid": msgid}
    fields: Fields = {name: value for name, value in named.items() if value != "-"}
    fields["message"] = (message or "").removeprefix(_BOM)
    if data != "-":
        fields["data"] = {
            name: {key: _ESCAPE.sub(r"\1", value) for key, value in _PARAMETER.findall(parameters)}
            for name, parameters in _ELEMENT.findall(data)
        }
    return fields if _prioritise(fields, int(priority)) else None


def _prioritise(fields: Fields, priority: int) -> bool:
    if priority >= len(_FACILITIES) * 8:
        return False
    fields["facility"] = _FACILITIES[priority >> 3]
    fields["severity"] = SEVERITIES[priority & 7]
    return True
