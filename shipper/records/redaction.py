r"""Takes out of events what must not leave. On bytes, before anything else is made of an event; no step of it raises.

``secrets`` says what is looked for. A rule that neither matches a line end nor looks at one is run once over the events
of a whole read, or over those of them only that have a hint. Pump thread only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from shipper.config.rules import Redaction
from shipper.records import seams, secrets
from shipper.records.record import Fields
from shipper.records.seams import Rest
from shipper.records.secrets import ESCAPE, ESCAPES, Hint, Rule, View

DEEPEST = 64  # levels of a decoded field that are looked at; what is deeper is taken out
DENSE = 4  # where one event in so many has a hint, all of them are looked at together


class Redactor:
    """The rules of one source, in their order. ``counts``: how often each has found something, as ``redacted.NAME``."""

    def __init__(self, rules: Iterable[Redaction], counts: Counter[str]) -> None:
        self.rules = [secrets.rule(rule, number) for number, rule in enumerate(rules, 1)]
        self._counts = counts

    def events(self, events: list[bytes]) -> list[bytes]:
        """Return ``events`` without what the rules take out."""
        block = _Block(events)
        if block.text.count(b"\n") != len(events) - 1:  # some have several lines
            return [self.event(event) for event in events]
        for rule in self.rules:
            suspects = block.suspects(rule.hints) if rule.hints else range(len(block.events))
            if not suspects:
                continue
            if rule.in_line and len(suspects) * DENSE >= len(block.events):
                text, found = rule.replace(block.text)
                if found:
                    self._counts[rule.name] += found
                    block = _Block(text.split(b"\n"), text)
            else:
                changed = block.events.copy()
                for i in suspects:
                    changed[i] = self._apply(rule, changed[i])
                block = _Block(changed)
        if ESCAPE in block.text:
            return [self._unescaped(event) if ESCAPE in event else event for event in block.events]
        return block.events

    def event(self, event: bytes) -> bytes:
        """Return one event, or any other bytes that leave, without what the rules take out."""
        for rule in self.rules:
            event = self._apply(rule, event)
        return self._unescaped(event) if ESCAPE in event else event

    def part(self, rest: Rest, text: bytes, ahead: bytes) -> tuple[bytes, Rest]:
        """Return one part of a long line without it, and what the next part's call is to be given as ``rest``.

        ``ahead`` are the bytes of the line behind it, ``seams.ahead_of`` of them or all.
        """
        value, rest, counts = seams.redact(self.rules, rest, text, ahead)
        self._counts.update(counts)
        return value, rest

    def _unescaped(self, event: bytes) -> bytes:
        """Return ``event`` with its escapes resolved, if they have hidden something."""
        plain = clean = ESCAPES.replace(event)[0]
        for rule in self.rules:
            clean = self._apply(rule, clean)
        return event if clean == plain else clean

    def text(self, text: str) -> str:
        """Return ``text`` without it."""
        data = text.encode("utf-8", "surrogatepass")
        clean = self.event(data)
        if clean == data:
            return text
        try:
            return clean.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a pattern has taken out a part of a character
            return clean.decode("utf-8", "replace")

    def fields(self, fields: Fields) -> Fields:
        r"""Return decoded ``fields`` without it: their names too, and at any depth. ``\u0034`` in JSON hides a 4."""
        return {self.text(name): self._value(value, 0) for name, value in fields.items()}

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, bytes):
            return self.event(value)
        if depth >= DEEPEST:
            return None
        if isinstance(value, dict):
            return {self.text(str(name)): self._value(inner, depth + 1) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(inner, depth + 1) for inner in value]
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e22:  # 4.1e15 is a number of 16 digits
            written = str(int(value))
        else:
            written = str(value)
        clean = self.text(written)
        return value if clean == written else clean

    def _apply(self, rule: Rule, event: bytes) -> bytes:
        if not rule.may_find(event):
            return event
        clean, found = rule.replace(event)
        if found:
            self._counts[rule.name] += found
        return clean


class _Block:
    """The events of a read, each of them one line, as one text."""

    __slots__ = ("_views", "events", "text")

    def __init__(self, events: list[bytes], text: bytes | None = None) -> None:
        self.events = events
        self.text = b"\n".join(events) if text is None else text
        self._views: dict[View, bytes] = {}

    def suspects(self, hints: Iterable[Hint]) -> set[int]:
        """Return which of the events have one of the ``hints``."""
        found: set[int] = set()
        for view, find in hints:
            if (text := self._views.get(view)) is None:
                text = self._views[view] = view(self.text)
            line = at = 0
            while (hit := find(text, at)) >= 0:
                line += text.count(b"\n", at, hit)
                found.add(line)
                if (at := text.find(b"\n", hit)) < 0:
                    break
        return found
