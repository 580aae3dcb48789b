from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.template import TemplateError, parse

VALUES = {"host": "web-3", "path": "/var/log/app.log", "filename": "app.log"}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("logs", "logs"),
        ("", ""),
        ("{host}:{path}", "web-3:/var/log/app.log"),
        ("{stem|filename}", "app.log"),
        ("{filename|stem}", "app.log"),
        ("{{{host}}}", "{web-3}"),
        ("a{{b}}c", "a{b}c"),
        ("{stem}", None),
        ("{field.user.id|stem}-{host}", None),
    ],
)
def test_render(text: str, rendered: str | None) -> None:
    assert parse(text).render(VALUES) == rendered


def test_a_value_that_is_empty_is_there() -> None:
    assert parse("{a|b}").render({"a": "", "b": "x"}) == ""


def test_what_is_put_in_is_not_parsed_again() -> None:
    assert parse("{path}").render({"path": "{host}", "host": "x"}) == "{host}"


def test_names_are_told_once_in_order() -> None:
    template = parse("{b|field.user.id}-{a}-{b}")
    assert template.names == ("b", "field.user.id", "a")
    assert template.literal == "--"


def test_literal_text_is_joined() -> None:
    assert parse("a{{b").parts == ("a{b",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{host", '{host has a "{" without its "}"; write "{{" for the brace itself'),
        ("host}", 'host} has a "}" without its "{"; write "}}" for the brace itself'),
        ("a{}", "{} is no name in braces; write it as {filename} or {filename|source}"),
        ("{a|}", "{a|} is no name in braces; write it as {filename} or {filename|source}"),
        ("{ host }", "{ host } is no name in braces; write it as {filename} or {filename|source}"),
        ("{field.}", "{field.} is no name in braces; write it as {filename} or {filename|source}"),
        ("{{a}", '{{a} has a "}" without its "{"; write "}}" for the brace itself'),
    ],
)
def test_what_is_no_template(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        parse(text)
    assert str(error.value) == message


@given(st.text(alphabet="{}|.ab ") | st.text())
def test_any_text_parses_or_says_why(text: str) -> None:
    with suppress(TemplateError):
        template = parse(text)
        assert template.text == text
        assert template.render(dict.fromkeys(template.names, "x")) is not None


@given(st.text())
def test_doubled_braces_stand_for_themselves(text: str) -> None:
    assert parse(text.replace("{", "{{").replace("}", "}}")).render({}) == text
