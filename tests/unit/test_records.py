"""Topic and key of a file's records, and the headers of a long line's parts."""

from __future__ import annotations

import pytest

from shipper.config import SourceConfig
from shipper.records import Naming, part_headers


def naming(topic: str = "t", key: str = "{host}:{path}") -> Naming:
    return Naming(SourceConfig(name="web", paths=("/x",), topic=topic, key=key), "h1")


def test_the_key_tells_hosts_and_paths_apart() -> None:
    assert naming().key(b"/var/log/a.log") == b"h1:/var/log/a.log"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filename", "a.log"),
        ("stem", "a"),
        ("path", "/var/log/a.log"),
        ("dir", "/var/log"),
        ("host", "h1"),
        ("source", "web"),
    ],
)
def test_every_field_of_a_template(field: str, value: str) -> None:
    names = naming(topic="logs." + "{" + field + "}", key="{" + field + "}")
    assert names.topic(b"/var/log/a.log") == f"logs.{value}"
    assert names.key(b"/var/log/a.log") == value.encode()


def test_a_name_that_is_no_utf_8_keeps_its_bytes() -> None:
    assert naming(key="{filename}").key(b"/logs/\xff\xfe.log") == b"\xff\xfe.log"


@pytest.mark.parametrize(("topic", "fixed"), [("t", "t"), ("{source}.{host}", "web.h1"), ("logs.{filename}", None)])
def test_a_topic_is_known_before_any_file_where_it_is_the_same_for_all(topic: str, fixed: str | None) -> None:
    assert naming(topic=topic).fixed_topic == fixed


def test_parts_are_numbered_and_the_last_tells_how_many() -> None:
    assert part_headers(1, last=False) == [("shipper.part", b"1")]
    assert part_headers(12, last=True) == [("shipper.part", b"12"), ("shipper.parts", b"12")]
