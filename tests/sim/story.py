"""A script in words, and as a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.sim.acts import Act

FILES = ("a.log", "b.log")
TIMES = ("0.05", "0.3", "1", "2.5", "6", "40")
SETUP = ("", ", inode numbers are not given again", ", little may be in flight", ", both of these")
WORDS: dict[str, Callable[..., str]] = {
    "setup": lambda v, n, _: f"{n} lines are in a.log at the first start{SETUP[v]}",
    "write": lambda p, n, c: f"{n + 1} lines are written to {FILES[p]}{' with CRLF' if c else ''}",
    "write_unsynced": lambda p, n: f"{n + 1} lines are written to {FILES[p]} and not synced",
    "write_half": lambda p: f"half a line is written to {FILES[p]}, or the rest of one",
    "write_late": lambda p: f"a slow writer adds to {FILES[p]}.1",
    "rotate": lambda p, n: f"{FILES[p]} is rotated by renaming, {n} lines are written to the next",
    "rotate_chain": lambda p, n: f"{FILES[p]} is rotated {n} times, with 2 lines each time",
    "copytruncate": lambda p, s, n: (
        f"{FILES[p]} is copied {'to .1' if s else 'over .1'} and truncated, {n} lines are written then"
    ),
    "truncate": lambda p, n: f"{FILES[p]} is truncated, {n} lines are written then",
    "restore": lambda p, n: f"{FILES[p]} is replaced by a file with the same bytes, {n} lines are added",
    "delete": lambda p, w: f"{FILES[p]} is deleted" if not w else f"rotated file number {w} of {FILES[p]} is deleted",
    "replace": lambda p, n: f"{FILES[p]} is deleted and made anew with {n} lines",
    "compress": lambda p, w, looks: (
        f"rotated file number {w + 1} of {FILES[p]} is compressed"
        f"{', the daemon looks when half of it is there' * looks}"
    ),
    "move_out": lambda p, w: f"{FILES[p]}{f' (rotated, number {w})' if w else ''} is moved to where nobody watches",
    "move_back": lambda p, w: f"what was moved away of {FILES[p]} comes back as {FILES[p]}.{4 + w}",
    "link": lambda p: f"{FILES[p]} gets a second name",
    "look": lambda: "the daemon looks, and works until it rests",
    "beat": lambda: "the daemon goes one round",
    "wait": lambda w: f"{TIMES[w]} s pass",
    "lose_events": lambda: "the kernel's queue of events is full, they are lost",
    "kill": lambda: "the daemon is killed",
    "stop": lambda: "the daemon is stopped",
    "reload": lambda s: f"source {'st'[s]} is changed by a reload",
    "start": lambda looks: f"the daemon is started{', and looks' if looks else ''}",
    "power_cut": lambda: "the power is cut",
    "remount": lambda: "if no daemon runs, the file system is mounted under another device number",
    "state_full": lambda full: f"the state directory's disk is {'full' if full else 'no longer full'}",
    "calm": lambda: "nothing happens for a while",
    "brokers_away": lambda: "the brokers go away",
    "brokers_back": lambda: "the brokers are there",
    "slow": lambda slow: f"the brokers answer {'late' if slow else 'at once'}",
    "land": lambda n, k: f"{n + 1} records{_of(k)} arrive and are not reported yet",
    "report": lambda n, k: f"{n + 1} records{_of(k)} are acknowledged",
    "refuse": lambda n, k, b: f"{n + 1} records{_of(k)} are refused, {b} behind them are taken",
    "unwanted": lambda w: f"the last line but {4 - w} is one that brokers will never take",
    "purge": lambda n: f"what is in flight is given back, {n} of it have arrived",
    "no_topic": lambda n: f"the topic is gone with what is in flight, {n} of it have arrived",
    "topic_back": lambda: "the topic is there",
    "exactly_once": lambda: "delivery is exactly_once",
    "long_lines": lambda: "some lines are longer than max_line",
    "few_open": lambda n: f"{n + 1} files may be open",
    "two_sources": lambda: "each path has a source of its own",
    "deep": lambda: "b.log is in a directory of its own",
    "deny": lambda p, w: f"{FILES[p]}{f' (rotated, number {w})' if w else ''} may not be read",
    "faults": lambda: "the system may fail",
    "exhaust": lambda n: f"no more than {n} files can be opened",
    "relieve": lambda: "files can be opened",
    "break": lambda p, w: f"the device gives errors for {FILES[p]}{f' (rotated, number {w})' if w else ''}",
    "mend": lambda: "the devices give no errors",
    "create": lambda p: f"{FILES[p]} is created, and empty",
    "allow": lambda: "everything may be read",
    "kill_at": lambda n: f"the daemon is killed at its call number {n + 1} from now on",
    "carry_out": lambda: "a commit that was asked for is carried out, and its answer is late",
    "commit_unknown": lambda done: (
        f"nobody is told how the next commit ends: it is {'' if done else 'not '}carried out"
    ),
    "read_ahead": lambda p, n, q, m, late: (
        f"{n + 1} lines are written to {FILES[p]}; their commit hangs, {'and so do they, ' * late}"
        f"and {m + 1} lines are written to {FILES[q]}"
    ),
    "commits_end": lambda: "commits hang no more, and brokers answer at once",
    "outlive": lambda: "a transaction has taken too long: it is aborted, and its client fenced",
    "lose_state": lambda: "if no daemon runs, its state directory is lost",
    "fatal": lambda n, t: f"the client gives up{', and tells of all it had' if t else ''}; {n} of that have arrived",
}


def _of(which: int) -> str:
    return f" of {FILES[which]}" if which < len(FILES) else ""


def tell(act: Act) -> str:
    """Return an act in words."""
    if act[0] == "race":
        return f"at the daemon's call number {act[1]} from now on: {tell(tuple(act[2:]))}"
    return WORDS[str(act[0])](*act[1:])


def as_test(name: str, script: Sequence[Act], why: str) -> str:
    """Return a script as a test for ``test_stories.py``."""
    lines = [f"        {act!r},  # {tell(act)}".replace("'", '"') for act in script]
    return "\n".join([f"def test_{name}() -> None:", f"    # {why}"[:120], "    holds(", *lines, "    )"])
