r"""What well-known programs write by default, as regular expressions over the whole line.

Each has the field ``time`` where the program writes one, and ``message`` where there is a text. docs/records.md lists
them for users; samples and what is made of them are in tests/golden.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from shipper.records.parsers.common import ENCODING, ERRORS, Parse, Wanted
from shipper.records.record import Fields


class Builtin(NamedTuple):
    """``patterns``: the first one that matches tells the fields. ``time``: the format of the field of that name.

    ``numbers`` are whole numbers.
    """

    patterns: tuple[str, ...]
    time: str
    numbers: frozenset[str] = frozenset()


def build(name: str, wanted: Wanted) -> Parse:
    """Return the parser of the built-in format ``name``.

    >>> build("python", None)(b"WARNING:root:low on space")
    {'level': 'WARNING', 'logger': 'root', 'message': 'low on space'}
    """
    builtin = BUILTINS[name]
    ways = [
        (pattern.fullmatch, [(one, n) for one, n in pattern.groupindex.items() if wanted is None or one in wanted])
        for pattern in (re.compile(text, re.S | re.A) for text in builtin.patterns)
    ]
    numbers = [name for name in builtin.numbers if wanted is None or name in wanted]

    def parse(event: bytes) -> Fields | None:
        text = event.decode(ENCODING, ERRORS)
        for fullmatch, index in ways:
            match = fullmatch(text)
            if match is not None:
                fields: Fields = {name: value for name, n in index if (value := match[n]) is not None}
                for name in numbers:
                    if name in fields:
                        fields[name] = int(fields[name])
                return fields
        return None

    return parse


def _line(*pieces: str) -> str:
    return "".join(pieces)  # compiled where it is used: a start need not wait for all of them


# Every quantifier that could be tried in two ways is possessive: a line costs what it is long.
_NUMBER = r"[0-9]{1,18}"
_QUOTED = r'(?:[^"\\]++|\\.)*+'
_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:[.,][0-9]{1,9})?+(?: ?[+-][0-9]{2}:?[0-9]{2}|Z)?+"
_SYSLOG_TIME = r"[A-Z][a-z]{2} [ 0-3]?[0-9] [0-9:]{8}"
_REQUEST = (
    r'"(?P<request>(?:(?P<method>[A-Z]++) (?P<path>[^ "]++) (?P<protocol>[A-Z]++/[0-9.]++)(?="))?+' + _QUOTED + ')"'
)


def _access(before: str = "") -> Builtin:
    """Return what web servers write of a request: common or combined; what follows is left out."""
    return Builtin(
        (
            _line(
                before,
                r"(?P<client>[^ ]++) [^ ]++ (?:-|(?P<user>[^\[]*?)) \[(?P<time>[^\]]++)\] ",
                _REQUEST,
                rf" (?P<status>[0-9]{{3}}) (?:-|(?P<size>{_NUMBER}))",
                rf'(?: "(?:-|(?P<referer>{_QUOTED}))" "(?:-|(?P<agent>{_QUOTED}))")?+(?: .*+)?+',
            ),
        ),
        "%d/%b/%Y:%H:%M:%S %z",
        frozenset({"status", "size"}),
    )


BUILTINS: Mapping[str, Builtin] = {
    "nginx": _access(),
    "nginx_error": Builtin(
        (
            _line(
                r"(?P<time>[0-9/]{10} [0-9:]{8}) \[(?P<level>[a-z]{1,16})\] ",
                rf"(?P<pid>{_NUMBER})#(?P<tid>{_NUMBER}): (?:\*(?P<connection>{_NUMBER}) )?+(?P<message>.*?)",
                r"(?:, client: (?P<client>[^, ]++)(?:, server: (?P<server>[^,]*+))?+",
                rf'(?:, request: "(?P<request>{_QUOTED})")?+(?:, .*+)?+)?+',
            ),
        ),
        "%Y/%m/%d %H:%M:%S",
        frozenset({"pid", "tid", "connection"}),
    ),
    "apache": _access(r"(?:(?P<vhost>[^ ]+:[0-9]{1,5}) )?"),
    "apache_error": Builtin(
        (
            _line(
                r"\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-3]?[0-9] [0-9:]{8}(?:\.[0-9]{1,9})?+ [0-9]{4})\] ",
                r"\[(?:(?P<module>[\w-]++)?+:)?+(?P<level>[a-z0-9]{1,16})\] ",
                rf"(?:\[pid (?P<pid>{_NUMBER})(?::tid (?P<tid>{_NUMBER}))?+\] )?+",
                r"(?:\[(?:client|remote) (?P<client>[^\]]++)\] )?+(?P<message>.*+)",
            ),
        ),
        "%a %b %d %H:%M:%S.%f %Y",
        frozenset({"pid", "tid"}),
    ),
    "haproxy": Builtin(
        (
            _line(
                rf"(?:(?:<[0-9]{{1,3}}>)?+(?:{_SYSLOG_TIME}|{_DATE_TIME}) (?:(?P<host>[^ \[]++) )?+)?+",
                rf"(?:(?P<app>[^\[ :]++)\[(?P<pid>{_NUMBER})\]: )?+(?P<client>[^ ]+):(?P<port>[0-9]{{1,5}}) ",
                r"\[(?P<time>[^\]]++)\] (?P<frontend>[^ ]++) (?P<backend>[^ /]++)/(?P<server>[^ ]++) ",
                rf"(?P<timers>[0-9/+-]++) (?P<status>-1|[0-9]{{3}}) (?P<size>\+?+{_NUMBER}) [^ ]++ [^ ]++ ",
                r"(?P<termination>[^ ]{2,4}) (?P<connections>[0-9/+]++) (?P<queues>[0-9/]++) (?:\{[^}]*+\} ){0,2}+",
                _REQUEST,
                ".*+",
            ),
        ),
        "%d/%b/%Y:%H:%M:%S.%f",
        frozenset({"pid", "port", "status", "size"}),
    ),
    "log4j": Builtin(
        (
            _line(
                rf"\[?+(?P<time>{_DATE_TIME})\]?+\s++(?P<level>[A-Z]{{4,7}})\s++(?:\[(?P<thread>[^\]]++)\]\s++)?+",
                r"(?:(?:\[?+(?P<logger>\w[\w.$/-]*+)\]?+(?::(?P<line>[0-9]{1,9}))?+\s*+)?+[:-] )?+(?P<message>.*+)",
            ),
            _line(
                rf"(?P<time>{_DATE_TIME})\s++\[(?P<thread>[^\]]++)\]\s++(?P<level>[A-Z]{{4,7}})\s++",
                r"(?:(?:\[?+(?P<logger>\w[\w.$/-]*+)\]?+(?::(?P<line>[0-9]{1,9}))?+\s*+)?+[:-] )?+(?P<message>.*+)",
            ),
            _line(  # ZooKeeper's own: a thread may have brackets in its name
                rf"(?P<time>{_DATE_TIME}) - (?P<level>[A-Z]{{4,7}})\s++\[(?P<thread>.*?)\] - (?P<message>.*+)",
            ),
            _line(  # Spark's own
                r"(?P<time>[0-9]{2}/[0-9]{2}/[0-9]{2} [0-9:]{8}) (?P<level>[A-Z]{4,7})\s++(?P<logger>[^ :]++): ",
                r"(?P<message>.*+)",
            ),
        ),
        "log4j",
        frozenset({"line"}),
    ),
    "spring": Builtin(
        (
            _line(
                rf"(?P<time>{_DATE_TIME})\s++(?P<level>[A-Z]{{4,7}})\s++(?P<pid>{_NUMBER}) --- ",
                r"(?:\[(?P<app>[^\]]++)\] (?=\[))?+\[\s*+(?P<thread>[^\]]++)\]\s++(?:\[[^\]]*+\]\s++)?+",
                r"(?P<logger>[^ :]++)\s*+: (?P<message>.*+)",
            ),
        ),
        "rfc3339",
        frozenset({"pid"}),
    ),
    "python": Builtin(
        (
            _line(
                rf"(?P<time>{_DATE_TIME}) - (?P<logger>[^ ]++) - (?P<level>[A-Z]{{3,16}}) - (?P<message>.*+)",
            ),
            _line(
                rf"\[?+(?P<time>{_DATE_TIME})\]?+:? \[?+(?P<level>[A-Z]{{4,16}})\]?+:?\s++",
                r"(?:\[?+(?P<logger>[\w.]++)\]?+: )?+(?P<message>.*+)",
            ),
            _line(  # OpenStack's services
                rf"(?P<time>{_DATE_TIME}) (?P<pid>{_NUMBER}) (?P<level>[A-Z]{{4,16}}) (?P<logger>[^ ]++) ",
                r"(?:\[(?:-|(?P<context>[^\]]*+))\] )?+(?P<message>.*+)",
            ),
            _line(r"(?P<level>[A-Z]{3,16}):(?P<logger>[^ :]++):(?P<message>.*+)"),
        ),
        "rfc3339",
        frozenset({"pid"}),
    ),
    "klog": Builtin(
        (
            _line(
                r"(?P<level>[IWEFD])(?P<time>[0-9]{4} [0-9:]{8}\.[0-9]{1,9})\s++",
                rf"(?P<pid>{_NUMBER}) (?P<file>[^ :]++):(?P<line>[0-9]{{1,9}})\] ?(?P<message>.*+)",
            ),
        ),
        "%m%d %H:%M:%S.%f",
        frozenset({"pid", "line"}),
    ),
    "postgres": Builtin(
        (
            _line(
                r"(?P<time>[0-9-]{10} [0-9:]{8}(?:\.[0-9]{1,9})?+ [A-Z0-9+:-]{1,8}) ",
                rf"\[(?P<pid>{_NUMBER})(?:-[0-9]{{1,18}})?+\]:? (?:(?P<user>[^ @]++)@(?P<database>[^ ]++) )?+",
                r"(?P<level>[A-Z0-9]{3,16}):\s++(?P<message>.*+)",
            ),
        ),
        "rfc3339",
        frozenset({"pid"}),
    ),
    "mysql": Builtin(
        (
            _line(
                rf"(?P<time>{_DATE_TIME}) (?P<thread>{_NUMBER}) \[(?P<level>[A-Za-z]{{1,16}})\] ",
                r"(?:\[(?P<code>MY-[0-9]++)\] \[(?P<subsystem>[^\]]++)\] )?+(?P<message>.*+)",
            ),
        ),
        "rfc3339",
        frozenset({"thread"}),
    ),
    "redis": Builtin(
        (
            _line(
                rf"(?P<pid>{_NUMBER}):(?P<role>[MSCX]) (?P<time>[0-9]{{1,2}} [A-Z][a-z]{{2}} [0-9]{{4}} [0-9:]{{8}}",
                r"(?:\.[0-9]{1,9})?+) (?P<level>[.*#-]) (?P<message>.*+)",
            ),
        ),
        "%d %b %Y %H:%M:%S.%f",
        frozenset({"pid"}),
    ),
}
"""By the name that ``parse.format`` gives."""
