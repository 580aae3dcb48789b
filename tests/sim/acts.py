"""The script of a history: what happens, in order, as data; made from a seed and nothing else.

An act is a tuple of its name and whole numbers. Any of them can be left out of a script, for it does nothing where it
makes no sense; so a script can be made shorter by leaving acts out.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from tests.sim.layout import FAULTS, FEATURES

Act = tuple[str | int, ...]
Kind = Literal["", "wide", "brief"]  # of histories: each has seeds of its own

# What an act is, how often it comes, and the largest values of its numbers.
WRITER: dict[str, tuple[int, tuple[int, ...]]] = {
    "write": (30, (1, 5, 1)),  # path, lines, with \r\n
    "write_unsynced": (3, (1, 4)),
    "write_half": (8, (1,)),
    "write_late": (4, (1,)),
    "rotate": (10, (1, 3)),  # path, lines written to the next file
    "rotate_chain": (2, (1, 3)),  # path, how often
    "copytruncate": (5, (1, 1, 3)),  # path, shifting older copies or over the last, lines written then
    "truncate": (3, (1, 6)),
    "restore": (3, (1, 4)),
    "delete": (5, (1, 3)),  # path, which of it and its rotated files
    "replace": (3, (1, 4)),  # deleted and made anew at once: where numbers are given again, under the same inode
    "compress": (4, (1, 2, 1)),  # path, which rotated file, the daemon looks in between
    "move_out": (2, (1, 3)),
    "move_back": (1, (1, 3)),
    "link": (1, (1,)),
}
DAEMON: dict[str, tuple[int, tuple[int, ...]]] = {
    "look": (20, ()),  # the kernel's events get through
    "beat": (12, ()),
    "wait": (14, (5,)),  # which of some times
    "lose_events": (3, ()),
    "kill": (4, ()),
    "stop": (3, ()),
    "start": (10, (1,)),  # and looks
    "power_cut": (1, ()),
    "remount": (1, ()),
    "state_full": (2, (1,)),
    "calm": (1, ()),
}
BROKERS: dict[str, tuple[int, tuple[int, ...]]] = {
    "brokers_away": (4, ()),
    "brokers_back": (5, ()),
    "slow": (5, (1,)),
    "land": (5, (4, 2)),  # records, of which partition or of all
    "report": (8, (5, 2)),
    "refuse": (4, (4, 2, 3)),  # records, partition, how many behind them are taken
    "unwanted": (2, (4,)),  # a record that is refused for good
    "purge": (3, (3,)),  # how many have arrived all the same
    "no_topic": (2, (2,)),
    "topic_back": (4, ()),
    "fatal": (3, (3, 1)),  # how many have arrived, whether the rest is reported when the client is closed
}
# Of the second kind of histories, which has seeds of its own.
KILLS: dict[str, tuple[int, tuple[int, ...]]] = {
    "kill_at": (5, (300,)),  # which of its next calls
}
DOORS: dict[str, tuple[int, tuple[int, ...]]] = {
    "deny": (2, (1, 3)),  # path, which of it and its rotated files
    "allow": (3, ()),
    "create": (2, (1,)),
}
RELOADS: dict[str, tuple[int, tuple[int, ...]]] = {
    "reload": (1, (1,)),  # which source is changed
}
TRANSACTIONS: dict[str, tuple[int, tuple[int, ...]]] = {
    "carry_out": (6, ()),  # a commit that was asked for, and tell nobody yet
    "commit_unknown": (4, (1,)),  # whether the next one is carried out
    "outlive": (3, ()),
    "lose_state": (2, ()),
}
HANGING: dict[str, tuple[int, tuple[int, ...]]] = {
    "read_ahead": (1, (1, 5, 1, 5, 1)),  # path, lines to commit, path, lines read meanwhile, none has arrived
    "commits_end": (1, ()),
}
SYSTEM: dict[str, tuple[int, tuple[int, ...]]] = {  # of those that have the feature "faults"
    "exhaust": (3, (2,)),  # descriptors that are left
    "relieve": (3, ()),
    "break": (2, (1, 3)),  # path, which of it and its rotated files
    "mend": (3, ()),
}
ALL = WRITER | DAEMON | BROKERS | KILLS | DOORS | RELOADS | TRANSACTIONS | HANGING | SYSTEM
# Of the third kind: besides a few of the writers' acts.
ROUNDS = {name: DAEMON[name] for name in ("look", "beat", "wait", "lose_events")}
ENDS = {name: DAEMON[name] for name in ("kill", "stop", "start", "calm")}
SHORT, LONG = 8, 45  # acts
BRIEFEST, BRIEF = 3, 16  # acts of the third kind
RELOADED = 0.125  # of the histories of the second kind
AHEAD = 0.5  # of those of them with transactions
MEANWHILE = "refuse purge fatal commit_unknown carry_out outlive stop kill reload"
FAULTY = 0.3  # of them


def _act(random: Random, kinds: dict[str, tuple[int, tuple[int, ...]]]) -> Act:
    name = random.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
    return (name, *(random.randint(0, most) for most in kinds[name][1]))


def script(seed: int, kind: Kind = "") -> list[Act]:
    """Return the script that ``seed`` names, of one of the kinds; its first act is the set-up."""
    if not kind:
        return _script(Random(seed))
    if kind == "brief":
        return _brief(Random(f"brief {seed}"))
    faults = Random(f"faults {seed}").random() < FAULTY
    acts = _with_reloads(_wide(Random(f"wide {seed}"), faults=faults), Random(f"reload {seed}"))
    return _with_hanging(acts, Random(f"hanging {seed}")) if ("exactly_once",) in acts else acts


def _with_reloads(acts: list[Act], random: Random) -> list[Act]:
    """Put a reload or two into some scripts; the others keep their meaning."""
    if random.random() < RELOADED:
        for _ in range(random.randint(1, 3)):
            acts.insert(random.randint(1, len(acts)), _act(random, RELOADS))
    return acts


def _with_hanging(acts: list[Act], random: Random) -> list[Act]:
    """Put commits that hang, and end some acts later, into some scripts; the others keep their meaning."""
    if random.random() < AHEAD:
        for _ in range(random.randint(1, 3)):
            at = random.randint(1, len(acts))
            till = at + random.randint(0, 5)
            ahead, end = (_act(random, {name: what}) for name, what in HANGING.items())
            some = [_act(random, {name: ALL[name] for name in MEANWHILE.split()}) for _ in range(random.randint(0, 2))]
            acts[at:till] = [ahead, *some, *acts[at:till], end]
    return acts


def _wide(random: Random, *, faults: bool) -> list[Act]:
    chosen: list[Act] = []
    for name, numbers in FEATURES.items():
        if random.random() < 0.4:
            chosen.append((name, *(random.randint(0, most) for most in numbers)))
    more = KILLS | DOORS
    if ("exactly_once",) in chosen:
        more |= TRANSACTIONS
    if faults:
        chosen.append((FAULTS,))
        more |= SYSTEM
    acts = _script(random, more)
    return [acts[0], *chosen, *acts[1:]]


def _script(random: Random, more: dict[str, tuple[int, tuple[int, ...]]] | None = None) -> list[Act]:
    # Some histories have no faults of a kind, so that what needs a long undisturbed story is told too.
    kinds = dict(WRITER)
    kinds |= {name: what for name, what in DAEMON.items() if name not in _left_out(random, "kill stop power_cut")}
    if random.random() < 0.75:
        kinds |= BROKERS
    kinds |= more or {}
    acts: list[Act] = [("setup", random.randint(0, 3), random.randint(0, 5), random.randint(0, 4))]
    for _ in range(random.randint(SHORT, LONG)):
        act = _act(random, kinds)
        if random.random() < 0.12:  # a writer is faster than the daemon: the act comes at one of its next calls
            act = ("race", random.randint(1, 40), *_act(random, WRITER))
        acts.append(act)
    return acts


def _brief(random: Random) -> list[Act]:
    """Return a few acts of few kinds, half of those of the writers at one of the daemon's next calls."""
    some = random.sample([name for name in WRITER if name != "write"], random.randint(2, 6))
    kinds = ROUNDS | {name: WRITER[name] for name in ("write", *some)}
    chosen: list[Act] = []
    if random.random() < 0.4:
        kinds |= ENDS
    if random.random() < 0.5:
        chosen.append(("few_open", random.choice((0, 0, 1))))
    if random.random() < 0.4:
        chosen.append((FAULTS,))
        kinds |= SYSTEM
    acts: list[Act] = [("setup", random.randint(0, 3), random.randint(0, 3), 0), *chosen]
    for _ in range(random.randint(BRIEFEST, BRIEF)):
        act = _act(random, kinds)
        if act[0] in WRITER and random.random() < 0.5:
            act = ("race", random.randint(1, 40), *act)
        acts.append(act)
    return acts


def _left_out(random: Random, names: str) -> set[str]:
    return set(names.split()) if random.random() < 0.25 else set()
