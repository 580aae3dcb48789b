"""Sources that leave lines out, take secrets out of them, or wait: what arrives, what is counted, what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from shipper.config import FileConfig
from shipper.config.rules import RateLimit, Redaction
from shipper.config.sources import ParseConfig
from shipper.patterns import Expression
from tests.unit.rig import PumpRig, Sent
from tests.unit.test_pump import dead
from tests.unit.test_sending import counted

CARD = "4111111111111111"
ESCAPED = "".join(f"\\u00{ord(c):02x}" for c in CARD)


def add_source(rig: PumpRig, name: str, **keys: Any) -> None:
    (rig.logs / name).mkdir()
    source = FileConfig(name=name, paths=(f"{rig.logs}/{name}/*.log",), topic="t", key="{filename}", **keys)
    rig.config = msgspec.structs.replace(rig.config, sources={**rig.config.sources, name: source})


def test_lines_are_left_out_by_rule(tmp_path: Path) -> None:
    rules: dict[str, Any] = {"include_lines": (Expression("a"),), "exclude_lines": (Expression("b$"),)}
    with PumpRig(tmp_path, **rules) as rig:
        (rig.logs / "app.log").write_bytes(b"a1\nab\nc\na2\n")
        rig.start()
        assert rig.lines == ["a1", "a2"]
        assert counted(rig)["records.dropped.include_lines"] == counted(rig)["records.dropped.exclude_lines"] == 1
        rig.stop()
        assert [saved.offset for saved in rig.saved()] == [11]


@pytest.mark.parametrize(("word", "parts"), [("first", 3), ("last", 0)])
def test_a_long_line_is_judged_by_its_first_part(tmp_path: Path, word: str, parts: int) -> None:
    with PumpRig(tmp_path, include_lines=(Expression(word),), max_line=1024) as rig:
        (rig.logs / "app.log").write_bytes(b"first" + b"x" * 2500 + b"last\n" + b"last\nfirst\n")
        rig.start()
        rig.beat(10)
        assert len([line for line in rig.lines if "x" in line]) == parts
        assert rig.lines[parts:] == [word]
        assert counted(rig)["records.dropped.include_lines"] == 2 - bool(parts)


def test_a_sample_is_the_same_when_it_is_sent_again(tmp_path: Path) -> None:
    with PumpRig(tmp_path, sample=0.3) as rig:
        (rig.logs / "app.log").write_bytes(b"".join(b"line %d\n" % i for i in range(200)))
        rig.start(up=False)
        sent = [one.value for one in rig.sink.queue]
        assert 20 < len(sent) < 120
        rig.sink.refuse()
        rig.sink.up = True
        rig.pass_until("all of it", lambda: len(rig.lines) == len(sent))
        assert [line.encode() for line in rig.lines] == sent


class TestRate:
    """So many lines in a second."""

    def test_the_others_wait_and_other_sources_go_on(self, tmp_path: Path) -> None:
        with PumpRig(tmp_path, rate_limit=RateLimit(per_second=10)) as rig:
            add_source(rig, "free")
            (rig.logs / "app.log").write_bytes(b"".join(b"%d\n" % i for i in range(35)))
            (rig.logs / "free" / "free.log").write_bytes(b"free\n" * 1000)
            rig.start()
            rig.beat(10)
            assert rig.lines.count("free") == 1000
            assert [line for line in rig.lines if line != "free"] == [str(i) for i in range(10)]
            assert rig.source.why_idle == "held back by rate_limit"
            assert [rig.source.why_waits(tailer) for tailer in rig.source.generations()] == ["held back by rate_limit"]
            assert not rig.source.hungry
            assert rig.now < rig.source.due() <= rig.now + 0.11
            rig.pass_time(1.0)
            assert len(rig.lines) - 1000 == 20
            rig.pass_time(2.0)
            assert [line for line in rig.lines if line != "free"] == [str(i) for i in range(35)]
            assert rig.source.why_idle.startswith("idle")
            assert "records.dropped" not in counted(rig)

    def test_what_is_too_much_is_dropped_where_that_is_asked_for(self, tmp_path: Path) -> None:
        with PumpRig(tmp_path, rate_limit=RateLimit(per_second=10, drop=True)) as rig:
            (rig.logs / "app.log").write_bytes(b"".join(b"%d\n" % i for i in range(35)))
            rig.start()
            assert rig.lines == [str(i) for i in range(10)]
            assert counted(rig)["records.dropped.rate_limit"] == 25
            rig.pass_time(1.0)
            with (rig.logs / "app.log").open("ab") as log:
                log.write(b"more\n")
            rig.pass_until("what comes later", lambda: rig.lines[10:] == ["more"])
            rig.stop()
            assert [saved.offset for saved in rig.saved()] == [(rig.logs / "app.log").stat().st_size]

    def test_what_a_filter_drops_does_not_count(self, tmp_path: Path) -> None:
        with PumpRig(tmp_path, rate_limit=RateLimit(per_second=10), include_lines=(Expression("0"),)) as rig:
            (rig.logs / "app.log").write_bytes(b"".join(b"%d\n" % i for i in range(100)))
            rig.start()
            assert len(rig.lines) == 10


class TestSecrets:
    """Nothing that leaves holds the number of a card."""

    @pytest.mark.parametrize("value", ["line", "json"])
    @pytest.mark.parametrize("provenance", ["none", "headers"])
    def test_nothing_that_leaves_holds_one(self, tmp_path: Path, value: str, provenance: str) -> None:
        keys = {
            "key": "{field.user|field.card}",
            "topic": "logs.{field.card}",
            "topic_fallback": "logs",
            "headers": {"card": "{field.card}", "path": "{path}", "nested": "{field.deep.card}"},
            "parse": ParseConfig(format="json"),
            "redact": (Redaction(preset="credit_card"),),
            "value": value,
            "provenance": provenance,
        }
        with PumpRig(tmp_path) as rig:
            source = msgspec.structs.replace(rig.config.sources["s"], **keys)
            rig.config = msgspec.structs.replace(rig.config, sources={"s": source})
            (rig.logs / f"card-{CARD}.log").write_text(
                f'{{"card": "{CARD}", "n": 1}}\n'
                f'{{"card": "{ESCAPED}", "deep": {{"card": "{ESCAPED}"}}}}\n'
                f'{{"card": {CARD}}}\n'
                '{"card": 4.111111111111111e15, "deep": {"card": 4111111111111111.0}}\n'
                f'{{"{CARD}": 1, "user": "4111 1111 1111 1111"}}\n'
                f"not json {CARD}\n"
                f'{{"card": "{CARD}\n'
                f"refused {CARD}\n"
                "last\n"
            )
            rig.start(up=False)
            seen: list[Sent] = []

            def answer() -> None:
                queue, rig.sink.queue = rig.sink.queue, []
                seen.extend(queue)
                refused = any(b"refused" in one.value for one in queue)
                for one in queue:
                    one.tell(KafkaError.INVALID_RECORD if refused else None)

            rig.sink.on_poll = answer
            rig.pass_until("the last line", lambda: any(b"last" in one.value for one in seen) and dead(rig))
            letters = rig.letters()
            assert len(letters) == 1
            assert b"refused ****" in letters[0].value
            left = repr([(one.topic, one.key, one.value) for one in seen]) + repr(rig.sink.headers)
            left += repr([(one.topic, one.key, one.value, one.headers) for one in letters])
            for secret in (CARD, ESCAPED, ESCAPED.replace("\\", "\\\\"), "4111 1111"):
                assert secret not in left
            assert counted(rig)["records.redacted.credit_card"] >= 7
