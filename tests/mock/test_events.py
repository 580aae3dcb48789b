"""Records of several lines, from files in another encoding: by the daemon as its user has it."""

from __future__ import annotations

import pytest

from tests.harness.rig import Rig


@pytest.mark.parametrize("encoding", ["bytes", "utf-16"])
def test_a_stack_trace_is_sent_whole_although_the_daemon_is_killed_in_the_middle_of_it(encoding: str, rig: Rig) -> None:
    rig.source |= {"multiline": {"start": r"^\S+ \d+", "timeout": "6s"}, "encoding": encoding}
    codec = "utf-16-le" if encoding == "utf-16" else "utf-8"
    log = rig.log()
    rest = ""
    for number in range(0, 40, 10):
        events = [f"app.log {n} broke\n\tat work\n\tat main" for n in range(number, number + 10)]
        for event in events[:-1]:
            log.made(event.encode())
        first, _, last = events[-1].rpartition("\n")
        log.write_raw((rest + "\n".join([*events[:-1], first]) + "\n").encode(codec))
        rest = last + "\n"
        rig.start()
        rig.delivered()
        rig.daemon.kill()
        log.made(events[-1].encode())
    log.write_raw(rest.encode(codec))
    rig.start()
    if encoding == "bytes":
        rig.verify(repeats=True)
    else:
        rig.delivered()
        known = rig.truth.wanted()
        assert [record.value for record in rig.reader.records if record.value not in known] == []
