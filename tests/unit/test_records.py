"""Topic and key of a file's records, and the headers of a long line's parts."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.config import FileConfig
from shipper.config.together import misfits
from shipper.records import Naming, part_headers
from shipper.records.bound import to_bytes
from shipper.records.naming import MOST_TOPICS


def naming(topic: str = "t", key: str = "{host}:{path}", **more: Any) -> Naming:
    source = FileConfig(name="web", paths=("/x",), topic=topic, key=key, **more)
    return Naming(source, "h1", frozenset({"shipper.checkpoints"}))


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
    assert names.topic(b"/var/log/a.log") == (f"logs.{value}" if "/" not in value else "logs")
    assert names.key(b"/var/log/a.log") == value.encode()


def test_a_name_that_is_no_utf_8_keeps_its_bytes() -> None:
    assert naming(key="{filename}").key(b"/logs/\xff\xfe.log") == b"\xff\xfe.log"


@pytest.mark.parametrize(("topic", "fixed"), [("t", "t"), ("{source}.{host}", "web.h1"), ("logs.{filename}", None)])
def test_a_topic_is_known_before_any_file_where_it_is_the_same_for_all(topic: str, fixed: str | None) -> None:
    assert naming(topic=topic).fixed_topic == fixed


def test_parts_are_numbered_and_the_last_tells_how_many() -> None:
    assert part_headers(1, last=False) == [("shipper.part", b"1")]
    assert part_headers(12, last=True) == [("shipper.part", b"12"), ("shipper.parts", b"12")]


# --- fields, and what stands for them ---


def key_of(names: Naming, fields: dict[str, Any], path: bytes = b"/apps/shop/a.log") -> bytes:
    """Return the key of one record."""
    of = names.of(path)
    assert of.key_of is not None
    found = of.key_of(fields)
    return of.key if found is None else to_bytes(found)


@pytest.mark.parametrize(
    ("key", "fields", "expected"),
    [
        ("{field.user}", {"user": "ann"}, b"ann"),
        ("{field.user}", {"user": 7}, b"7"),
        ("{field.user}", {"user": True}, b"true"),
        ("{field.user}", {"user": 1.5}, b"1.5"),
        ("{field.user}", {"user": "\udcff"}, b"\xff"),
        ("{field.user}", {"user": "\ud800"}, b"?"),
        ("{field.user}", {"user": ""}, b"h1:/apps/shop/a.log"),
        ("{field.user}", {"user": None}, b"h1:/apps/shop/a.log"),
        ("{field.user}", {"user": {"id": 1}}, b"h1:/apps/shop/a.log"),
        ("{field.user}", {"user": 10**5000}, b"h1:/apps/shop/a.log"),
        ("{field.user}", {}, b"h1:/apps/shop/a.log"),
        ("{field.user.id}", {"user": {"id": "x"}}, b"x"),
        ("{field.user.id}", {"user.id": "y"}, b"y"),
        ("{field.user.id}", {"user": "x"}, b"h1:/apps/shop/a.log"),
        ("{field.a.b.c}", {"a.b": {"c": "z"}}, b"z"),
        ("{field.user|field.ip}", {"ip": "10.1"}, b"10.1"),
        ("{field.user|filename}", {}, b"a.log"),
        ("{source}-{field.user|host}-{{x}}", {"user": "ann"}, b"web-ann-{x}"),
        ("{source}-{field.user}", {}, b"h1:/apps/shop/a.log"),
    ],
)
def test_a_key_of_fields(key: str, fields: dict[str, Any], expected: bytes) -> None:
    assert key_of(naming(key=key), fields) == expected


def test_the_fallback_is_a_template_too() -> None:
    assert key_of(naming(key="{field.user}", key_fallback="{source}/{stem}"), {}) == b"web/a"


def test_parts_of_the_path() -> None:
    names = naming(key="{path.app}-{path.env|source}", topic="logs.{path.app}", path_pattern="/apps/(?P<app>[a-z]+)")
    assert (names.key(b"/apps/shop/a.log"), names.topic(b"/apps/shop/a.log")) == (b"shop-web", "logs.shop")
    assert (names.key(b"/x/a.log"), names.topic(b"/x/a.log")) == (b"h1:/x/a.log", "logs")


def test_which_fields_are_wanted() -> None:
    names = naming(topic="t.{field.app}", key="{field.user.id|field.ip|path}", headers={"a": "{field.level}", "b": "x"})
    assert names.wanted == {"app", "user.id", "ip", "level"}
    assert not naming(headers={"b": "x"}).plain
    assert naming().plain


# --- topics ---


@pytest.mark.parametrize(
    ("topic", "fallback"),
    [
        ("logs.{field.app}", "logs"),
        ("{source}-{field.app}", "web"),
        ("{host}.logs_{field.app}", "h1.logs"),
        ("{field.app}", "web"),
        ("{stem}", "web"),
    ],
)
def test_where_a_record_goes_whose_topic_may_not_be_used(topic: str, fallback: str) -> None:
    assert naming(topic=topic).fallback_topic == fallback
    assert naming(topic=topic, topic_fallback="strays").fallback_topic == "strays"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a b", "a/b", "t" * 250, "__consumer_offsets", "__x", "shipper.checkpoints", "é", "a\n", "a\0"],
)
def test_topics_that_nothing_may_choose(name: str) -> None:
    assert not naming(topic="{field.app}", topic_allow=("*a*", "*")).may_use(name)


def test_what_topic_allow_allows() -> None:
    names = naming(topic="{field.app}", topic_allow=("app-*", "audit"))
    assert [names.may_use(name) for name in ("app-1", "audit", "app-", "auditor", "my-app-1", "x")] == [
        *(True, True, True),
        *(False, False, False),
    ]


def test_a_log_cannot_make_up_topics_without_end() -> None:
    names = naming(topic="logs.{field.app}")
    assert all(names.may_use(f"logs.{n}") for n in range(MOST_TOPICS))
    assert not any(names.may_use(f"logs.{n}") for n in range(MOST_TOPICS, 3 * MOST_TOPICS))
    assert names.may_use("logs.0")


def test_a_file_name_that_makes_no_topic() -> None:
    names = naming(topic="logs.{stem}")
    assert [names.topic(path) for path in (b"/x/a.log", b"/x/a b.log", b"/x/\xff.log")] == ["logs.a", "logs", "logs"]
    assert naming(topic="{stem}").topic(b"/x/__consumer_offsets.log") == "web"


# --- which keys of the configuration fit together ---


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"key": "{field.user}"}, ("key", "{field.user} needs a parser; ")),
        ({"headers": {"u": "{field.user}"}}, ("headers", "{field.user} needs a parser; ")),
        ({"key_fallback": "{field.user}", "parse": 1}, ("key_fallback", "{field.user} may not be there; ")),
        ({"key": "{path.app}"}, ("key", "{path.app} is no named group of path_pattern; write path_pattern with")),
        (
            {"key": "{path.ap}", "path_pattern": "(?P<app>x)"},
            ("key", "{path.ap} is no named group of path_pattern; did you mean {path.app}?"),
        ),
        ({"topic": "{field.app}", "parse": 1}, ("topic", '"{field.app}" would let a line choose any topic; begin')),
        ({"topic": "{stem}.{field.app}", "parse": 1}, ("topic", '"{stem}.{field.app}" would let a line choose any')),
        ({"fields": {"a": "b"}, "value": "line"}, ("fields", 'means nothing with value = "line"; write value')),
        ({"topic": "{source}.{field.app}", "parse": 1}, None),
        ({"topic": "{field.app}", "topic_allow": ("a",), "parse": 1}, None),
        ({"key": "{path.app}", "path_pattern": "(?P<app>x)"}, None),
        ({"key": "{", "topic": "t"}, None),
    ],
)
def test_what_does_not_fit_together(values: dict[str, Any], problem: tuple[str, str] | None) -> None:
    found = list(misfits(values))
    if problem is None:
        assert found == []
    else:
        ((name, sentence),) = found
        assert (name, sentence[: len(problem[1])]) == problem
