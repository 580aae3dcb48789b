"""A journal with exactly_once against a real broker: whatever is killed, each entry comes once and in order."""

from __future__ import annotations

import random

from tests.harness.journal import JournalFiles, needed
from tests.harness.rig import Rig
from tests.harness.wait import let_pass


def test_killed_again_and_again_each_entry_comes_once(rig: Rig) -> None:
    needed()
    dice = random.Random(6)
    files = JournalFiles(rig.root / "journal")
    rig.shipper["instance"] = rig.topic[-100:]
    rig.kafka |= {"delivery": "exactly_once", "checkpoint_topic": f"c-{rig.topic}"[-200:]}
    rig.source = {"type": "journald", "directory": str(files.directory), "topic": rig.topic, "key": "journal"}
    lines = files.write(3000)
    for n in range(4):
        rig.launch()
        let_pass(dice.uniform(0.5, 2.0))
        lines += files.write(dice.randrange(1, 400))
        if n == 2:
            files.rotate("system@1")
        if n == 3:
            rig.reader.read_count(3000)  # however slow the machine is: something is committed before the last kill
        let_pass(dice.uniform(0.0, 1.0))
        rig.daemon.kill()
    (rig.state / "checkpoints.sqlite3").unlink()  # the topic has the cursor, too
    rig.launch()
    lines += files.write(10)
    assert not rig.reader.read_until(line.encode() for line in lines)
    rig.daemon.stop()
    rig.reader.read_to_end()
    assert [record.value.decode() for record in sorted(rig.reader.records)] == lines
