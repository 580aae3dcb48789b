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
