"""An outage of any length, while files rotate without end: what is held stays bounded, and all that is lost is told."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from tests.unit.rig import PumpRig

KEEP = 4  # rotated files that are kept on the disk
OPEN = 10  # files that may be open
LINE = 10_000  # bytes


def rotate(rig: PumpRig, number: int) -> None:
    """Rotate, as logrotate does, and write a line."""
    path = rig.logs / "app.log"
    (rig.logs / f"app.log.{KEEP}").unlink(missing_ok=True)
    for generation in range(KEEP - 1, 0, -1):
        if (old := rig.logs / f"app.log.{generation}").exists():
            old.rename(rig.logs / f"app.log.{generation + 1}")
    if path.exists():
        path.rename(rig.logs / "app.log.1")
    path.write_text(f"{number} ".ljust(LINE, "x") + "\n")


def test_what_is_open_and_in_flight_is_bounded_and_what_is_lost_is_told(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        shipper = replace(rig.config.shipper, max_open_files=OPEN)
        kafka = replace(rig.config.kafka, max_in_flight=2 * LINE)
        rig.config = replace(rig.config, shipper=shipper, kafka=kafka)
        rotate(rig, 0)
        rig.start(up=False)
        assert rig.pump is not None
        for number in range(1, 150):
            rotate(rig, number)
            rig.pass_time(10)
            assert len(rig.pump._descriptors) <= OPEN
        assert len(rig.sink.queue) <= 4
        rig.sink.up = True
        rig.pass_time(60)
        arrived = [int(line.split()[0]) for line in rig.lines]
        assert arrived == sorted(set(arrived))
        assert arrived[-1] == 149
        lost = sum(fields["bytes"] for _, name, fields in rig.told if name == "file.lost")
        assert lost == (150 - len(arrived)) * (LINE + 1)
        rig.stop()


def delete_unread(rig: PumpRig, number: int) -> None:
    """Write a file that nobody can read to its end, and delete it once it is held open."""
    path = rig.logs / f"{number}.log"
    path.write_text(f"{number} ".ljust(LINE, "x") + "\n")
    rig.pass_time(1)
    path.unlink()
    rig.pass_time(1)


def held(rig: PumpRig) -> int:
    assert rig.pump is not None
    return sum(tailer.size for tailer in rig.pump._descriptors.deleted())


def test_what_is_held_of_deleted_files_is_told_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        rig.config = replace(rig.config, kafka=replace(rig.config.kafka, max_in_flight=1))
        rig.start(up=False)
        for number in range(5):
            delete_unread(rig, number)
        assert held(rig) == 5 * (LINE + 1)
        rig.sink.up = True
        rig.pass_time(60)
        assert len(rig.lines) == 5
        assert held(rig) == 0
        rig.stop()


def test_beyond_the_cap_deleted_files_are_let_go_of_and_told_as_lost(tmp_path: Path) -> None:
    with PumpRig(tmp_path) as rig:
        shipper = replace(rig.config.shipper, deleted_max=3 * (LINE + 1))
        rig.config = replace(rig.config, shipper=shipper, kafka=replace(rig.config.kafka, max_in_flight=1))
        rig.start(up=False)
        for number in range(8):
            delete_unread(rig, number)
            assert held(rig) <= 3 * (LINE + 1)
        rig.sink.up = True
        rig.pass_time(60)
        lost = [fields for _, name, fields in rig.told if name == "file.lost"]
        assert len(rig.lines) + len(lost) == 8
        assert lost
        assert all("deleted_max" in fields["why"] for fields in lost)
        rig.stop()
