"""A key whose value is a table of keys: read, merged, shown and described as the tables of the file are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import tomli

from shipper.config import KafkaConfig, ShipperConfig, tree
from shipper.config.keys import Key, Misfit, TableOf
from shipper.config.kinds import Choice, Duration, Text, Whole
from shipper.config.load import _Loader
from shipper.config.schema import _table
from shipper.config.show import _lines
from shipper.config.types import Config


class Box(msgspec.Struct, frozen=True):
    shape: Annotated[str, Key(Choice(("round", "square")), "Its shape.", example='"round"')]
    wide: Annotated[float, Key(Duration(), "How wide.")] = 2.0
    note: Annotated[str, Key(Text(may_be_empty=True), "A note.")] = ""
    deep: Annotated[int, Key(Whole(), "How deep.")] = 1


def misfits(box: Box) -> Iterator[Misfit]:
    if box.shape == "round" and box.deep > 1:
        yield Misfit("deep", "must be 1 where it is round")


class Shelf(msgspec.Struct, frozen=True):
    """A shelf."""

    box: Annotated[Box | None, Key(TableOf(Box, misfits), "The box.")] = None
    name: Annotated[str, Key(Text(), "Its name.")] = "shelf"


def load(tmp_path: Path, *texts: str, environ: dict[str, str] | None = None) -> tuple[dict[str, Any], _Loader]:
    (tmp_path / "conf.d").mkdir(exist_ok=True)
    (tmp_path / "a.toml").write_text(texts[0])
    for n, text in enumerate(texts[1:]):
        (tmp_path / "conf.d" / f"{n}.toml").write_text(text)
    loader = _Loader(environ or {}, complete=True)
    root = tree.read(tmp_path / "a.toml").tree
    return loader._section(Shelf, root, ("sources", "app")), loader


def told(tmp_path: Path, *texts: str) -> list[str]:
    values, loader = load(tmp_path, *texts)
    assert "box" not in values
    return [str(problem) for problem in sorted(loader.problems)]


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("", None),
        ("box = {}", None),
        ('box = { shape = "round" }', Box("round")),
        ('[box]\nshape = "square"\nwide = "5s"\ndeep = 3', Box("square", 5.0, "", 3)),
        ('box.shape = "${SHAPE}"', Box("round")),
    ],
)
def test_a_table_of_keys_is_read(text: str, box: Box | None, tmp_path: Path) -> None:
    values, loader = load(tmp_path, text, environ={"SHAPE": "round"})
    assert (values, loader.problems) == ({"box": box, "name": "shelf"}, [])


def test_drop_ins_change_one_key_of_it(tmp_path: Path) -> None:
    values, _ = load(tmp_path, 'box = { shape = "round", wide = "1s" }', '[box]\nwide = "3s"')
    assert values["box"] == Box("round", 3.0)


def test_everything_that_is_wrong_in_it_is_told_at_its_key(tmp_path: Path) -> None:
    assert told(tmp_path, 'box = { shap = "round", wide = 5, deep = "x" }') == [
        'a.toml: sources.app.box.shap: unknown key; did you mean "shape"?',
        'a.toml: sources.app.box.wide: 5 has no unit; write "5s"',
        'a.toml: sources.app.box.deep: "x" is not a whole number; write a number, as 100',
    ]
    assert told(tmp_path, 'box = { wide = "1s" }') == [
        'a.toml: sources.app.box.shape: is missing; write shape = "round"'
    ]
    assert told(tmp_path, 'box = "round"') == [
        'a.toml: sources.app.box: "round" is not a table; write { shape = "round" }'
    ]
    assert told(tmp_path, 'box = [{ shape = "round" }]') == [
        'a.toml: sources.app.box: [a table] is not a table; write { shape = "round" }'
    ]
    assert told(tmp_path, 'box = { shape = "round" }', "box.deep = 2") == [
        "conf.d/0.toml: sources.app.box.deep: must be 1 where it is round"
    ]


@pytest.mark.parametrize("box", [None, Box("round"), Box("square", 5.0, 'a "b"\n', 3)])
def test_what_is_shown_loads_again(box: Box | None, tmp_path: Path) -> None:
    config = Config(ShipperConfig(tmp_path), KafkaConfig("a:1"), {})
    text = "\n".join(_lines(config, ("sources", "app"), Shelf(box, "s")))
    values, loader = load(tmp_path, text)
    assert (values, loader.problems) == ({"box": box, "name": "s"}, [])


def test_a_secret_in_it_is_masked(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim")
    text = f'box = {{ shape = "round", note = "${{file:{tmp_path}/secret}}" }}'
    values, loader = load(tmp_path, text)
    assert values["box"].note == "geheim"
    config = Config(ShipperConfig(tmp_path), KafkaConfig("a:1"), {}, secrets=frozenset(loader.secrets))
    shown = tomli.loads("\n".join(_lines(config, ("sources", "app"), Shelf(**values))))
    assert shown["box"] == {"shape": "round", "note": "****"}


def test_the_schema_describes_its_keys() -> None:
    box = _table(Shelf)["properties"]["box"]
    assert (box["type"], box["default"], box["additionalProperties"]) == ("object", {}, False)
    assert list(box["properties"]) == ["shape", "wide", "note", "deep"]
    assert box["properties"]["wide"]["default"] == "2s"
    assert "default" not in box["properties"]["shape"]
