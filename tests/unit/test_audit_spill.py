"""What does not fit into memory comes back as it was, in its order, and leaves nothing on the disk."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import pytest

from shipper.audit import spill
from shipper.audit.spill import Spill
from shipper.errors import StateError


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pairs_come_back_by_bucket_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(spill, "LIMIT", limit)
    kept = Spill(str(tmp_path), 4)
    wanted: defaultdict[int, list[int]] = defaultdict(list)
    for first in range(-50, 50):
        add = kept.adders[first & 3]
        add(first)
        add(first * 2**50)
        kept.added(1)
        wanted[first & 3] += [first, first * 2**50]
    assert {bucket: list(kept.bucket(bucket)) for bucket in range(4)} == wanted
    assert (kept.size > 0) == (limit < 1000)
    kept.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told() -> None:
    kept = Spill(None, 1)
    with open("/dev/full", "wb", buffering=0) as full:
        os.dup2(full.fileno(), kept._file.fileno())
    for number in range(2 * spill.LIMIT):
        kept.adders[0](number)
    with pytest.raises(StateError, match="No space left on device; an audit needs about 50 bytes there for each line"):
        kept.added(spill.LIMIT)
    kept.close()
