"""Reads checkpoints, files, dead letters and topics, and has them judged.

The order makes it right beside a daemon that works: the checkpoints first, so that whatever they say has arrived is in
the topics or in the dead letters by the time when these are read; the dead letters before the topics' ends are taken,
so that one which is sent again meanwhile is found in one of the two. One thread; changes nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from operator import xor
from typing import Any, NamedTuple

from shipper.audit.findings import FileReport, Missing, Report
from shipper.audit.lanes import Lane, Options, choose
from shipper.audit.lines import Cut, batches, blocks
from shipper.audit.match import OFFSET_BITS, RANGE_BITS, Bucket, Numbering, Segment, Verdict, match
from shipper.audit.sameness import Sameness, of_part
from shipper.audit.shaped import Shaping, leaves_out
from shipper.audit.spill import Spill
from shipper.checkpoints import snapshot
from shipper.config import Config
from shipper.deadletters import open_letters
from shipper.errors import StateError
from shipper.events import Events
from shipper.files import BROKEN, Files
from shipper.filesource.descriptors import Descriptors, limit_from_process
from shipper.kafka.topics import Partition, TopicReader
from shipper.model import show_path
from shipper.tailer import Tailer

PER_BUCKET = 1 << 16  # lines and records of one bucket, about: what is in memory at a time
LINE = 100  # bytes of a line, for the guess how many there are
MOST_BUCKETS = 1 << 13
SMALL = 1 << 17  # lines that may stay in memory
BEGINNING = 80  # bytes of a missing line that are shown

Say = Callable[[str], None]


def audit(config: Config, options: Options, say: Say) -> Report:
    """Judge. ``say`` is told what is being done. Raises StateError, ConnectError."""
    if options.source and options.source not in config.sources:
        raise StateError(f'there is no source "{options.source}"; there are: {", ".join(config.sources)}')
    with ExitStack() as stack:
        return _Audit(config, options, say, stack).run()


class _Place(NamedTuple):
    """Where a block begins: the number of its first line, its offset, and which part of a line it is."""

    number: int
    offset: int
    part: int


@dataclass
class _File:
    """One generation that is read. ``before``: lines that stand before the first one that is judged."""

    lane: Lane
    tailer: Tailer
    report: FileReport
    places: list[_Place] = field(default_factory=list)
    before: int = 0


class _Audit:
    def __init__(self, config: Config, options: Options, say: Say, stack: ExitStack) -> None:
        self._config = config
        self._options = options
        self._say = say
        self._stack = stack
        self._report = Report()
        self._descriptors = Descriptors(limit_from_process(), Files(), Events(lambda *_: None))
        stack.callback(self._descriptors.close_all)
        self._same = Sameness()
        self._segments: list[Segment] = []
        self._files: list[_File] = []  # of each segment
        self._number = 0

    def run(self) -> Report:
        self._say("reading the checkpoints")
        states = snapshot.read(self._config.shipper.state_dir)
        lanes = choose(self._config, self._options, states, self._descriptors, self._report, self._same)
        self._say("reading the dead letters and the ends of the topics")
        letters = self._letters()
        with TopicReader(self._config.kafka, self._same.salts, self._options.timeout) as reader:
            for topic in sorted(reader.missing):
                self._report.notes.append(f"topic {topic} is not there: every line that was sent to it is missing")
            partitions = list(reader.partitions)
            size = sum(max(0, t.size - t.start) for lane in lanes for t in lane.generations) // LINE
            buckets = 16
            while buckets < MOST_BUCKETS and max(size, sum(reader.partitions.values())) > buckets * PER_BUCKET:
                buckets *= 2
            self._mask = buckets - 1
            lines, records, kept = (self._spill(buckets) for _ in range(3))
            for h in letters:
                add = kept.adders[h & self._mask]
                add(h)
                add(0)
            kept.added(len(letters))
            del letters
            self._say("reading the files")
            for lane_number, lane in enumerate(lanes):
                for tailer in lane.generations:
                    self._read(lane_number, lane, tailer, lines)
            if self._number > SMALL:
                lines.flush()  # the memory is needed for the records now
            self._say("reading the topics")
            self._consume(reader, records, partitions)
            gone = reader.trimmed()
            trimmed = frozenset(i for i, where in enumerate(partitions) if where in gone)
        if self._number > SMALL:
            records.flush()
        self._say("comparing")
        numbering = Numbering(self._segments, self._number)
        order = _Ranges(self._spill((self._number >> RANGE_BITS) + 1))

        def pairs() -> Iterator[Bucket]:
            for bucket in range(buckets):
                yield Bucket(lines.bucket(bucket), records.bucket(bucket), kept.bucket(bucket))

        verdict = match(pairs, numbering, trimmed, order)
        self._tell(verdict, numbering, lanes, partitions)
        self._report.spilled = sum(one.size for one in (lines, records, kept, order.spill))
        return self._report

    def _spill(self, buckets: int) -> Spill:
        spill = Spill(self._options.temp_dir, buckets)
        self._stack.callback(spill.close)
        return spill

    # --- what they hold ----------------------------------------------------------------------------------------------

    def _read(self, lane_number: int, lane: Lane, tailer: Tailer, spill: Spill) -> None:
        """Read one generation: what has been sent, and what has not."""
        report = FileReport(tailer.path, tailer.seen_as, tailer.generation, tailer.uid)
        if tailer.detached:
            lane.source.gone += lane.shown
            return
        file = _File(lane, tailer, report)
        if lane.shown:
            lane.source.files.append(report)
        first, segments = self._number, len(self._segments)
        try:
            if not lane.stock.open(tailer):
                raise Cut
            assert tailer.reader is not None
            acked = tailer.track.acked.offset
            size = None if tailer.compression else max(acked, tailer.reader.stat().size)
            file.before = _count(tailer, min(tailer.start, acked), plain=lane.shaping is None)
            self._stretch(lane_number, file, min(tailer.start, acked), acked, spill, sent=True)
            self._stretch(lane_number, file, acked, size, spill, sent=False)
            if not tailer.compression and not tailer.verify():
                raise Cut
        except (Cut, *BROKEN) as error:
            report.why = "it changed while it was read" if isinstance(error, Cut) else str(error) or repr(error)
            # What was read of it still answers for records.
            self._segments[segments:] = [Segment(first, lane_number, sent=False)]
            self._files[segments:] = [file]
        finally:
            self._descriptors.close(tailer)

    def _stretch(self, lane: int, file: _File, start: int, end: int | None, spill: Spill, *, sent: bool) -> None:
        """Note every line between two offsets."""
        self._segments.append(Segment(self._number, lane, sent))
        self._files.append(file)
        tailer = file.tailer
        assert tailer.reader is not None
        named = file.lane.named
        if file.lane.shaping is not None:
            self._stretch_shaped(file, file.lane.shaping, start, end, spill)
            return
        salt = 0 if named else self._same.salts.get(tailer.topic, {}).get(tailer.key)
        if salt is None:
            return  # a generation of other lines under the same path: nobody asked for it
        adders, mask = spill.adders, self._mask
        for block in blocks(tailer.reader.read, start, end, file.lane.config.max_line, ended=True):
            file.places.append(_Place(self._number, block.offset, block.part))
            twist = salt ^ of_part(block.part)
            hashes = map(hash, self._same.comparing.lines(tailer.topic, block.lines))
            if named:
                offsets = block.offsets() if block.raw else (block.offset,)
                hashes = map(xor, hashes, map(hash, map((b"%b %%d" % tailer.uid.encode()).__mod__, offsets)))
            for h, number in zip(hashes, count(self._number)):
                h ^= twist
                add = adders[h & mask]
                add(h)
                add(number)
            self._number += len(block.lines)
            spill.added(len(block.lines))

    def _stretch_shaped(self, file: _File, shaping: Shaping, start: int, end: int | None, spill: Spill) -> None:
        """Note every record that the stage makes of what stands between two offsets."""
        tailer, adders, mask = file.tailer, spill.adders, self._mask
        uid, named = tailer.uid.encode(), file.lane.named
        for records in shaping.records(tailer, start, end):
            first = self._number
            if records and records[0].part < 2:
                file.places.append(_Place(first, records[0].offset, 0))
            for one in records:
                for h in self._same.of_expected(one, uid, named=named, free=shaping.free):
                    add = adders[h & mask]
                    add(h)
                    add(self._number)
                    self._number += 1
            spill.added(self._number - first)

    # --- what was sent -----------------------------------------------------------------------------------------------

    def _letters(self) -> list[int]:
        """Return the hashes of the dead letters."""
        letters = open_letters(self._config.shipper.state_dir)
        found: list[int] = []
        if letters is None:
            return found
        try:
            for _, letter in letters:
                found += self._same.of_letter(letter)
        finally:
            letters.close()
        return found

    def _consume(self, reader: TopicReader, spill: Spill, partitions: list[Partition]) -> None:
        """Note every record of our keys."""
        bases = {where: index << OFFSET_BITS for index, where in enumerate(partitions)}
        adders, mask, hashes_of = spill.adders, self._mask, self._same.of_message
        for batch in reader.read(self._say):
            added = 0
            for message in batch:
                hashes = hashes_of(message)
                for h in hashes:
                    add = adders[h & mask]
                    add(h)
                    add(bases[message.topic(), message.partition()] + message.offset())
                added += len(hashes)
                self._report.records += bool(hashes)
            spill.added(added)

    # --- what follows ------------------------------------------------------------------------------------------------

    def _tell(self, verdict: Verdict, numbering: Numbering, lanes: list[Lane], partitions: list[Partition]) -> None:
        """Turn the judgement into the report."""
        for index, (segment, file) in enumerate(zip(self._segments, self._files, strict=True)):
            size, tally = numbering.size(index), file.report.tally
            tally.lines += size
            tally.doubled += verdict.doubled[index]
            tally.out_of_order += verdict.disordered[index]
            if segment.sent:
                if leaves_out(file.lane.config):
                    file.lane.source.left_out += verdict.missing[index]
                    tally.not_judged += verdict.missing[index]
                else:
                    tally.missing += verdict.missing[index]
                tally.dead_letters += verdict.letters[index]
                tally.not_judged += verdict.unjudged[index]
                not_there = verdict.missing[index] + verdict.letters[index] + verdict.unjudged[index]
                tally.delivered += size - not_there
                tally.lines += file.before
                tally.not_judged += file.before
            elif file.report.why:
                tally.not_judged += size
            else:
                tally.not_yet_sent += size
        for source in {id(lane.source): lane.source for lane in lanes if lane.source.left_out}.values():
            source.notes.append(
                f"{source.left_out:,} lines are not in the topic, which rate_limit may have dropped: nobody can tell, "
                "and they are not judged"
            )
        for lane in verdict.unfound:
            if lanes[lane].shown:
                path = show_path(lanes[lane].generations[0].path)
                lanes[lane].source.notes.append(
                    f"{path}: nothing of it is in the topic, whose first records have been deleted: not judged"
                )
        for source, dropped in {
            id(lane.source): (lane.source, lane.shaping.dropped)
            for lane in lanes
            if lane.shown and lane.shaping is not None and lane.shaping.dropped
        }.values():
            rules = ", ".join(f"{rule} {count:,}" for rule, count in sorted(dropped.items()))
            source.notes.append(f"lines that its rules drop are not expected: {rules}")
        for lane, numbers in verdict.examples.items():
            if lanes[lane].shown and not leaves_out(lanes[lane].config):
                for number in sorted(-n for n in numbers):
                    file = self._files[numbering.of(number)]
                    file.report.missing.append(self._line(file, number))
        if self._same.nameless and verdict.missing:
            self._report.notes.append(
                f"{self._same.nameless:,} records have no provenance headers and answer for nothing; lines that were "
                'sent before provenance = "headers" was set are judged with --by-content'
            )
        for partition, number in verdict.other.items():
            self._report.others[partitions[partition][0]] += number

    def _line(self, file: _File, number: int) -> Missing:
        """Look a missing line up."""
        number_of, offset, part = file.places[bisect_right(file.places, number, key=lambda p: p.number) - 1]
        path = file.report.seen_as
        try:
            if not file.lane.stock.open(file.tailer):
                return Missing(path, offset, part, b"")
            assert file.tailer.reader is not None
            read, max_line, end = file.tailer.reader.read, file.lane.config.max_line, file.tailer.track.acked.offset
            if file.lane.shaping is not None:
                for records in file.lane.shaping.records(file.tailer, offset, end):
                    for one in records:
                        units = [b""] if file.lane.named else self._same.comparing.units(one.topic, one.value)
                        number_of += len(units)
                        if number < number_of:
                            shown = units[number - number_of] or one.value
                            return Missing(path, one.offset, one.number, shown[:BEGINNING])
            elif part:
                return Missing(path, offset, part, read(BEGINNING, offset + (part - 1) * max_line))
            else:
                for block in blocks(read, offset, end, max_line, ended=True):
                    if number < number_of + len(block.lines):
                        where = next(at for i, at in enumerate(block.offsets()) if i == number - number_of)
                        return Missing(path, where, 0, block.lines[number - number_of][:BEGINNING])
                    number_of += len(block.lines)
        except (Cut, *BROKEN):
            pass
        finally:
            self._descriptors.close(file.tailer)
        return Missing(path, offset, part, b"")


class _Ranges:
    """Pairs of number and place on disk, for the judgement of the order."""

    def __init__(self, spill: Spill) -> None:
        self.spill = spill

    def put(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add pairs."""
        adders = self.spill.adders
        added = 0
        for number, place in pairs:
            add = adders[number >> RANGE_BITS]
            add(number)
            add(place)
            added += 1
        self.spill.added(added)

    def get(self, bucket: int) -> Any:
        """Return the pairs of a bucket."""
        return self.spill.bucket(bucket)


def _count(tailer: Tailer, end: int, *, plain: bool) -> int:
    """Return how many lines, or events, stand before ``end``, which nobody was to read."""
    if not plain:
        return sum(len(batch.lines) for batch, _ in batches(tailer, 0, end) if batch.last) if end else 0
    assert tailer.reader is not None
    lines = at = 0
    while at < end:
        data = tailer.reader.read(min(1 << 20, end - at), at)
        if not data:
            raise Cut
        lines += data.count(b"\n")
        at += len(data)
    return lines
