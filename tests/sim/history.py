"""One history: does a script's acts, and holds what the daemon does against what it promises.

Checked at every step: what is sent and saved (``daemon.Books``), what is open and let go of (``world``), what is in
flight. Whenever the daemon comes to rest after a calm, and at the end: every line that is owed has arrived, nothing
that was never a line, each path's lines in their order, no partial line is left behind, and lost bytes are told.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

from shipper import commits, tailer
from shipper.errors import StateError
from shipper.filesource import sightings
from shipper.model import TopicState
from tests.sim import acts as script_module
from tests.sim.acts import Act, Kind
from tests.sim.brokers import NO_TOPIC, PURGED, REFUSED
from tests.sim.daemon import Broken, Daemon
from tests.sim.disk import Disk
from tests.sim.kernel import Os, booted
from tests.sim.layout import FAULTS, FEATURES, OUTSIDE, layout
from tests.sim.losses import Losses
from tests.sim.state import State
from tests.sim.story import tell
from tests.sim.transactions import TransactionalClient
from tests.sim.world import World

TIMES = (0.05, 0.3, 1.0, 2.5, 6.0, 40.0)
COMMIT = 2  # which of them is longer than the time between two commits
CALLS = 200_000  # to the operating system and the clock, after which the daemon is said to go on and on
TICK = 4_000_000  # nanoseconds: no two acts happen at one time, as far as a file system tells
LINES_A_CHUNK = 3  # so that few lines make several chunks
DRIFTS = 10.0  # seconds between looks at a file that was moved away: each is a round


@dataclass(frozen=True, slots=True)
class Failure:
    """What does not hold, and after how many acts."""

    why: str
    kind: str  # the exception's name
    after: int


class Killed(BaseException):
    """The daemon is killed in the middle of something."""


class History:
    """One world, from its first act to its end."""

    def __init__(self, script: Sequence[Act], say: Callable[[str], None] | None = None) -> None:
        setup = next((act for act in script if act[0] == "setup"), ("setup", 0, 0, 0))
        _, variant, before, _unused = (int(n) if n != "setup" else 0 for n in setup)
        self._script = [act for act in script if act[0] not in ("setup", FAULTS, *FEATURES)]
        self._say = say
        self._uids = 0
        self.disk = Disk()
        self.disk.reuses = variant % 2 == 0
        self.os = Os(self.disk, self._interrupt)
        self.state = State()
        settings: dict[str, Any] = {"max_in_flight": 2000} if variant > 1 else {}
        made = layout({str(act[0]): act[1:] for act in script if act[0] in FEATURES})
        self.daemon = Daemon(self.disk, self.os, self.state, made, called=self._count, **settings)
        self._acts = 0  # those of races too
        self.disk.now = lambda: int(self.daemon.now * 1e9) + self._acts * TICK
        self._losses = Losses(self.daemon.told, self.daemon.books.sent.keys())
        self.world = World(self.disk, lambda: self.daemon.now, self._safe_values, self._in_flight, self._losses, made)
        self.daemon.books.bytes_gone = lambda: self.world.excused | self.world.at_risk
        self._races: list[list[int | Act]] = []
        self._racing = False
        self._kill_in = 0  # calls
        self.calls = 0
        self.twice_allowed: set[bytes] = set()  # with exactly_once
        self._before = before
        self._close = self.disk.close
        self.done = 0

    def _uid(self) -> str:
        self._uids += 1
        return f"{self._uids:016x}"

    def _safe_values(self) -> set[bytes]:
        arrived = {value for _, value in self.daemon.brokers.arrived}
        return arrived | {letter.value for letter in self.state.letters.values()}

    def _in_flight(self) -> set[bytes]:
        return self.daemon.client.holds if self.daemon.running else set()

    def _let_go(self) -> None:
        """Note that the client has let go of records; what is in an open transaction is not among them."""
        self.world.client_let_go(self._in_flight() if self.daemon.once else set())

    def _count(self) -> None:
        self.calls += 1
        if self._kill_in and self.daemon.alive and not self._racing:
            self._kill_in -= 1
            if not self._kill_in:
                self.daemon.alive = False
                raise Killed
        if self.calls > CALLS:
            raise Broken(f"the daemon goes on and on: it has made {CALLS:,} calls")

    def _interrupt(self) -> None:
        """Count the daemon's calls; a race that is due happens before this one."""
        self._count()
        if self._racing or not self._races:
            return
        for race in list(self._races):
            left = race[0]
            assert isinstance(left, int)
            race[0] = left - 1
            if left <= 1:
                self._races.remove(race)
                self._racing = self.world.hurried = True
                act = race[1]
                assert isinstance(act, tuple)
                self._tell_act(act, "  meanwhile: ")
                self._do(act)
                self._racing = self.world.hurried = False

    def _closing(self, fd: int) -> None:
        inode = self.disk.fds.get(fd)
        self._close(fd)
        if inode is not None and self.daemon.running and self.daemon.alive:
            self.world.closed(inode, self.daemon.books.safe)

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self) -> Failure | None:
        """Do all acts, and what belongs to the end; returns what does not hold."""
        with (
            booted(self.os, self._uid),
            mock.patch.object(tailer, "MAX_LINES", LINES_A_CHUNK),
            mock.patch.object(sightings, "ADRIFT_BEAT", DRIFTS),
            mock.patch.object(commits, "TransactionalProducer", self.daemon._transactional),
        ):
            self.disk.close = self._closing  # type: ignore[method-assign]  # the model hears of it
            try:
                if self._before:
                    self.world.write(self.world.paths[0], self._before)
                self._unless_killed(self.daemon.start)
                self._unless_killed(self._look)
                for act in self._script:
                    self.done += 1
                    self._tell_act(act)
                    self._unless_killed(self._do, act)
                self._finish()
            except Broken as broken:
                return Failure(str(broken), "Broken", self.done)
            except Exception as error:  # whatever the daemon raises is found too
                return Failure(f"{type(error).__name__}: {error}", type(error).__name__, self.done)
            finally:
                self._races.clear()
                if self.daemon.running:
                    self.daemon.running = False
                    self.daemon.store._database.close()
        return None

    def _unless_killed(self, do: Callable[..., None], *given: Any) -> None:
        try:
            do(*given)
        except Killed:
            if self._say is not None:
                self._say("           it is killed now")
            self.daemon.alive = True
            self._kill()

    def _tell_act(self, act: Act, before: str = "") -> None:
        if self._say is not None:
            self._say(f"{self.daemon.now - 1000:7.2f}  {before}{tell(act)}")

    def _do(self, act: Act) -> None:
        if act[0] == "race":
            self._races.append([int(act[1]), tuple(act[2:])])
            return
        self._acts += 1
        name = str(act[0])
        numbers = [int(n) for n in act[1:]]
        getattr(self, f"_{name}")(*numbers)

    # --- writers -----------------------------------------------------------------------------------------------------

    def _write(self, path: int, count: int, crlf: int) -> None:
        self.world.write(self.world.paths[path], count + 1, crlf=bool(crlf))

    def _write_unsynced(self, path: int, count: int) -> None:
        self.world.write(self.world.paths[path], count + 1, synced=False)

    def _write_half(self, path: int) -> None:
        self.world.write_half(self.world.paths[path])

    def _write_late(self, path: int) -> None:
        self.world.write_late(self.world.paths[path])

    def _rotate(self, path: int, count: int) -> None:
        self.world.rotate(self.world.paths[path])
        self.world.write(self.world.paths[path], count)

    def _rotate_chain(self, path: int, count: int) -> None:
        for _ in range(count):
            self.world.rotate(self.world.paths[path])
            self.world.write(self.world.paths[path], 2)

    def _copytruncate(self, path: int, shift: int, count: int) -> None:
        self.world.copy_and_truncate(self.world.paths[path], shift=bool(shift))
        if self.world.there(self.world.paths[path]):
            self.world.write(self.world.paths[path], count)

    def _truncate(self, path: int, count: int) -> None:
        self.world.truncate(self.world.paths[path])
        self.world.write(self.world.paths[path], count)

    def _restore(self, path: int, count: int) -> None:
        self.world.restore(self.world.paths[path])
        self.world.write(self.world.paths[path], count)

    def _delete(self, path: int, which: int) -> None:
        names = [
            name
            for name in (self.world.paths[path], *self.world.siblings(self.world.paths[path]))
            if self.world.there(name)
        ]
        if which < len(names):
            self.world.delete(names[which])

    def _replace(self, path: int, count: int) -> None:
        if self.world.there(self.world.paths[path]):
            self.world.delete(self.world.paths[path])
            self.world.write(self.world.paths[path], count)

    def _compress(self, path: int, which: int, peeks: int) -> None:
        names = [name for name in self.world.siblings(self.world.paths[path]) if not name.endswith(b".gz")]
        if which < len(names):
            looks = peeks and self.daemon.running and not self._racing
            self.world.compress(names[which], lambda: self._unless_killed(self._look) if looks else None)

    def _move_out(self, path: int, which: int) -> None:
        names = [
            name
            for name in (self.world.paths[path], *self.world.siblings(self.world.paths[path]))
            if self.world.there(name)
        ]
        if which < len(names):
            self.world.move_out(names[which])

    def _move_back(self, path: int, which: int) -> None:
        """Move a file back in, as the oldest rotated file of its path."""
        for name in self.world.names(OUTSIDE):
            inode = self.world.there(name)
            facts = self.world.facts.get(inode) if inode else None
            to = self.world.paths[path] + b".%d" % (4 + which)
            if (
                facts is not None
                and facts.path == self.world.paths[path]
                and not facts.packed
                and not self.world.there(to)
            ):
                self.world._rename(name, to)
                return

    def _link(self, path: int) -> None:
        self.world.link(self.world.paths[path])

    def _create(self, path: int) -> None:
        self.world.create(self.world.paths[path])

    def _deny(self, path: int, which: int) -> None:
        names = [self.world.paths[path], *self.world.siblings(self.world.paths[path])]
        if which < len(names) and self.world.there(names[which]):
            self.disk.deny(names[which], denied=True)

    def _allow(self) -> None:
        self.world.allow()

    # --- the system --------------------------------------------------------------------------------------------------

    def _exhaust(self, left: int) -> None:
        self.os.limit = len(self.disk.fds) + left

    def _relieve(self) -> None:
        self.os.limit = 1 << 30

    def _break(self, path: int, which: int) -> None:
        names = [self.world.paths[path], *self.world.siblings(self.world.paths[path])]
        if which < len(names) and (inode := self.world.there(names[which])) is not None:
            inode.broken = True

    def _mend(self) -> None:
        self.world.mend()

    # --- the daemon --------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        if self.daemon.running:
            self.daemon.tell()
            self._rested()

    def _rested(self) -> None:
        self.world.rested()

    def _beat(self) -> None:
        if self.daemon.running:
            self.daemon.beat()

    def _wait(self, which: int) -> None:
        if self.daemon.running:
            self.daemon.pass_time(TIMES[which])
            self._rested()
        else:
            self.daemon.now += TIMES[which]

    def _lose_events(self) -> None:
        if self.daemon.running:
            self.daemon.inotify.lose()
            self.daemon.pump.wake()

    def _kill(self) -> None:
        if self.daemon.alive:
            self.daemon.kill()
            self.world.unsaved(self.daemon.unsaved)
            self._ended(saved=False)

    def _reload(self, source: int) -> None:
        self.daemon.reload(source)

    def _stop(self) -> None:
        if self.daemon.running:
            saved = self.daemon.stop()
            self._ended(saved=saved)

    def _ended(self, *, saved: bool) -> None:
        """The process is gone, and with it what was in the client's hands; nobody knows what of it has arrived."""
        self._losses.doubt(self.daemon.books.may_repeat)
        self.world.ended(saved=saved)
        self._let_go()
        self._losses.ended(saved=saved)

    def _start(self, looks: int) -> None:
        if not self.daemon.running:
            try:
                self.daemon.start()
            except StateError:
                if not (self.daemon.once and self.state.full):  # what is read back is saved before anything is done
                    raise
                self._kill()
            if looks:
                self._look()

    def _power_cut(self) -> None:
        self._kill()
        if any(inode.durable != inode.data for inode in self.disk.files()):
            self.twice_allowed |= set(self.world.owed)  # a file that is shorter than what was read is another one
        self.world.power_cut()
        self.daemon.books.may_repeat |= self.daemon.books.ever

    def _kill_at(self, calls: int) -> None:
        """Kill it at one of its next calls, to the operating system, the clock or the client."""
        self._kill_in = calls + 1

    def _remount(self) -> None:
        if not self.daemon.running:
            self.disk.device += 1
            self.world.remounted()

    def _state_full(self, full: int) -> None:
        self.state.full = bool(full)

    def _calm(self) -> None:
        self._allow()
        self._mend()
        self._relieve()
        if self.daemon.running:
            self._look()
            before = -1
            while before != (before := len(self._races)):  # what a race has changed takes its time too
                self.daemon.calm()
            self._rested()
            self._check()

    # --- brokers -----------------------------------------------------------------------------------------------------

    def _brokers_away(self) -> None:
        self.daemon.brokers.up = False

    def _brokers_back(self) -> None:
        self.daemon.brokers.up = True

    def _slow(self, slow: int) -> None:
        self.daemon.brokers.slow = bool(slow)

    @staticmethod
    def _key(which: int) -> bytes | None:
        return (b"a.log", b"b.log", None)[which]

    def _land(self, count: int, which: int) -> None:
        if self.daemon.running:
            self.daemon.client.land(count + 1, self._key(which))

    def _report(self, count: int, which: int) -> None:
        if self.daemon.running:
            self.daemon.client.deliver(count + 1, self._key(which))

    def _refuse(self, count: int, which: int, behind: int) -> None:
        if self.daemon.running:
            self.daemon.client.fail(REFUSED, count + 1, self._key(which))
            self.daemon.client.deliver(behind, self._key(which))
            self._let_go()

    def _unwanted(self, which: int) -> None:
        """Let one of the last lines be such that no broker will ever take it."""
        lines = list(self.world.owed)[-5:]
        if which < len(lines) and lines[which] not in self._safe_values():
            self.daemon.brokers.unwanted.add(lines[which])

    def _purge(self, arrived: int) -> None:
        if self.daemon.running:
            self.daemon.client.land(arrived)
            self.daemon.client.fail(PURGED)
            self._let_go()

    def _no_topic(self, arrived: int) -> None:
        self.daemon.brokers.topic = TopicState.MISSING
        if self.daemon.running:
            self.daemon.client.land(arrived)
            self.daemon.client.fail(NO_TOPIC)
            self._let_go()

    def _topic_back(self) -> None:
        self.daemon.brokers.topic = TopicState.READY

    def _fatal(self, arrived: int, tells: int) -> None:
        if self.daemon.running:
            self.daemon.client.land(arrived)
            self.daemon.client.fatal = True
            self.daemon.client.tells_what_it_purges = bool(tells)
            self.daemon.beat()
            self._let_go()

    # --- transactions ------------------------------------------------------------------------------------------------

    def _transactional(self) -> TransactionalClient | None:
        client = self.daemon.client if self.daemon.running else None
        return client if isinstance(client, TransactionalClient) else None

    def _carry_out(self) -> None:
        client = self._transactional()
        if client is not None and client.asked and not client.carried_out and not client._fenced:
            self.daemon.coordinator.carry_out(client)

    def _commit_unknown(self, carried_out: int) -> None:
        self.daemon.coordinator.lose_next = bool(carried_out)

    def _read_ahead(self, path: int, count: int, other: int, more: int, late: int) -> None:
        """Let commits hang, and lines be written before one, and while it does."""
        if self.daemon.once:
            self.daemon.coordinator.hangs = True
            self.daemon.brokers.slow = bool(late)
            self._write(path, count, 0)
            self._wait(COMMIT)
            self._write(other, more, 0)
            self._look()

    def _commits_end(self) -> None:
        self.daemon.coordinator.hangs = self.daemon.brokers.slow = False
        self._look()

    def _outlive(self) -> None:
        """The transaction has taken too long: the coordinator aborts it, and fences the client."""
        client = self._transactional()
        if client is not None and client.began_at is not None and not client.carried_out:
            self.daemon.coordinator.owner = None

    def _lose_state(self) -> None:
        """Lose the state directory, unless a daemon runs; what is committed of each source is known."""
        known = {source for source, _ in self.daemon.coordinator.entries}
        if known == self.daemon.config.sources.keys() and not self.daemon.alive:
            self.state.image = State.template

    # --- what must hold ----------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Let every path be written once more, so that whatever was rotated away is replaced, and come to rest."""
        self._races.clear()
        self._kill_in = 0
        self.state.full = False
        if not self.daemon.running:
            self.daemon.start()
        self._calm()
        for path in self.world.paths:
            self.world.write(path, 1)
        self._calm()
        if missing := self.world.missing_partials():
            raise Broken(f"last lines never arrived: {sorted(missing)}")
        self.daemon.stop()

    def _check(self) -> None:
        self._let_go()  # nothing is in flight any more
        lines = [value for _, value in self.daemon.brokers.arrived]
        if missing := self.world.missing():
            raise Broken(f"never arrived: {sorted(missing)}")
        if garbled := set(lines) - self.world.known():
            raise Broken(f"never written: {sorted(garbled)}")
        first: dict[bytes, int] = {}
        for place, line in enumerate(lines):
            first.setdefault(line, place)
        twice = {line for line, count in Counter(lines).items() if count > 1} if self.daemon.once else set()
        if twice := twice - self.twice_allowed:
            raise Broken(f"committed more than once: {sorted(twice)}")
        excepted = self.daemon.brokers.passed | self.world.excused | self.world.muddled
        for path, written in self.world.order.items():
            order = [line for line in written if line in first and line not in excepted]
            if (arrived := sorted(order, key=first.__getitem__)) != order:
                at = next(n for n, pair in enumerate(zip(order, arrived, strict=True)) if pair[0] != pair[1])
                raise Broken(f"{path.decode()}: {arrived[at]!r} has arrived before {order[at]!r} (I3)")
        if untold := self._losses.untold(self.world.excused - self._safe_values()):
            raise Broken(f"nobody is told that these are lost: {untold}")
        # After a failure nobody knows whether what is gone had arrived.
        self._losses.doubt(self.daemon.books.doubted)
        if (lost := self._losses.beyond()) is not None:
            raise Broken(f"file.lost is told, and no more was than is told already: {lost}")

    def digest(self) -> str:
        """Return what tells whether two runs of one script went the same way."""
        said = [self.daemon.brokers.arrived, self.daemon.told, self.daemon.now]
        return hashlib.sha256(repr(said).encode()).hexdigest()


def run(seed: int, kind: Kind = "") -> Failure | None:
    """Run the history of a kind that ``seed`` names."""
    return History(script_module.script(seed, kind)).run()
