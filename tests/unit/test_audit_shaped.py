"""What an audit expects of a source whose records are not simply its lines: the daemon's own steps say it."""

from __future__ import annotations

from typing import Any, NamedTuple

from shipper.audit.lines import Block
from shipper.audit.shaped import Shaping
from shipper.config import SourceConfig
from shipper.config.rules import Redaction
from shipper.patterns import Expression


class File(NamedTuple):
    """What of a file its records may show."""

    path: bytes = b"/var/log/a.log"
    uid: str = "u"
    generation: int = 0
    key: bytes = b"a.log"
    topic: str = "t"


def expected(data: bytes, **source: Any) -> tuple[list[bytes], dict[str, int]]:
    shaping = Shaping(SourceConfig(name="s", paths=("/var/log/*.log",), topic="t", **source), "host", frozenset())
    lines = data.split(b"\n")[:-1]
    records = shaping.records(File(), Block(0, lines, lines))
    return [record.value for record in records], dict(shaping.dropped)


def test_what_is_redacted_is_expected_as_it_was_sent() -> None:
    rule = Redaction(pattern=r"password=\S+", replace="password=****")
    values, dropped = expected(b"a password=x b\nplain\n", redact=(rule,))
    assert values == [b"a password=**** b", b"plain"]
    assert dropped == {}


def test_what_a_rule_drops_is_not_expected_but_counted() -> None:
    values, dropped = expected(b"GET /healthcheck\nGET /a\nGET /b\n", exclude_lines=(Expression("healthcheck"),))
    assert values == [b"GET /a", b"GET /b"]
    assert dropped == {"exclude_lines": 1}
