"""Both spools, held against a list: whatever is done to them, and however often they are opened."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgerow.core.spool import NO_EXTRAS, Extras, FileSpool, MemorySpool, Spool, size_in_queue

SIZE = 262_144

extras = st.one_of(
    st.just(NO_EXTRAS), st.builds(Extras, st.integers(0, 2**50), st.binary(max_size=40))
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 60_000), extras),
        st.tuples(st.sampled_from(["next", "remove", "rewind", "reopen"])),
    ),
    max_size=60,
)


@pytest.mark.spec("H01", "H05")
@settings(max_examples=60, deadline=None)
@given(steps)
@pytest.mark.parametrize("kind", ["memory", "files"])
def test_a_spool_is_a_bounded_list(kind: str, steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool: Spool = MemorySpool(SIZE) if kind == "memory" else FileSpool(Path(folder), SIZE)
        waiting: list[tuple[bytes, Extras]] = []
        handed, dropped = 0, 0
        for number, step in enumerate(steps):
            match step:
                case ("put", int(length), Extras() as more):
                    body = b"%d " % number + b"x" * length
                    spool.put("t", body, more)
                    waiting.append((body, more))
                    while sum(size_in_queue("t", *one) for one in waiting) > SIZE:
                        waiting.pop(0)
                        handed, dropped = max(handed - 1, 0), dropped + 1
                case ("next",):
                    expected = waiting[handed] if handed < len(waiting) else None
                    handed += expected is not None
                    found = spool.next()
                    assert (found and (found.payload, found.extras)) == expected
                case ("remove",):
                    oldest = spool.oldest()
                    assert (oldest and oldest.payload) == (waiting[0][0] if waiting else None)
                    if oldest is not None:
                        spool.remove(oldest.number)
                        waiting.pop(0)
                        handed = max(handed - 1, 0)
                case ("rewind",):
                    spool.rewind()
                    handed = 0
                case ("reopen",) if kind == "files":
                    spool.close()
                    spool = FileSpool(Path(folder), SIZE)
                    handed, dropped = 0, 0
            assert (spool.count, spool.dropped) == (len(waiting), dropped)
            assert spool.size_bytes == sum(size_in_queue("t", *one) for one in waiting)
        spool.close()
