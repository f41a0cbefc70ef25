"""Whatever is told, and wherever the files end: what is found is the state after some commit."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.support.mqtt_keeping import (
    ModelKeeper,
    State,
    TestSealer,
    state_of,
)
from tests.support.mqtt_keeping_steps import ALWAYS_NEXT, SHARED, Step, begun, queued, steps

from hedgerow.mqtt.keeping import FileKeeper, Sealer

_commits = st.lists(st.lists(steps, max_size=6), max_size=14)
_sizes = st.sampled_from([ALWAYS_NEXT, 300, 1 << 20])
_seals = st.sampled_from([None, TestSealer()])
_settings = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], database=None
)


def _open(folder: Path, seal: Sealer | None, segment_bytes: int = 1 << 20) -> FileKeeper:
    keeper = FileKeeper(folder, seal=seal, clock=ManualClock(), segment_bytes=segment_bytes)
    keeper.open()
    return keeper


def _tell(keeper: FileKeeper, model: ModelKeeper, commits: Sequence[Sequence[Step]]) -> list[State]:
    """Tell both the same; return what the model held after each commit, the beginning first."""
    states = [state_of(model)]
    for commit in commits:
        for step in commit:
            step(keeper)
            step(model)
        keeper.commit()
        states.append(state_of(model))
        assert state_of(keeper) == states[-1]
    return states


def _copy_as_if_killed(folder: Path, other: Path) -> None:
    """Copy the files as they are at one moment: none of them is given another name meanwhile."""
    while True:
        shutil.rmtree(other, ignore_errors=True)
        try:
            shutil.copytree(folder, other)
        except (shutil.Error, FileNotFoundError):
            continue
        return


@_settings
@given(lives=st.lists(_commits, min_size=1, max_size=3), seal=_seals, segment_bytes=_sizes)
def test_a_keeper_that_is_killed_any_number_of_times_holds_what_its_model_holds(
    lives: list[list[list[Step]]], seal: Sealer | None, segment_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        model = ModelKeeper()
        folder = Path(name) / "0"
        for life, commits in enumerate(lives):
            keeper = _open(folder, seal, segment_bytes)
            try:
                assert keeper.findings == ()
                assert state_of(keeper) == state_of(model)
                _tell(keeper, model, commits)
                following = Path(name) / str(life + 1)
                _copy_as_if_killed(folder, following)
            finally:
                keeper.close()
            folder = following
        again = _open(folder, seal)
        assert again.findings == ()
        assert state_of(again) == state_of(model)
        again.close()


@_settings
@given(commits=_commits, seal=_seals, data=st.data())
def test_a_file_that_ends_anywhere_is_the_state_after_one_of_the_commits(
    commits: list[list[Step]], seal: Sealer | None, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, cut = Path(name) / "whole", Path(name) / "cut"
        keeper = _open(folder, seal)
        states = _tell(keeper, ModelKeeper(), commits)
        keeper.close()
        (path,) = folder.iterdir()
        size = path.stat().st_size
        reached = 0
        ends = data.draw(st.lists(st.integers(0, size), max_size=6, unique=True), label="ends")
        for end in [*sorted(ends), size]:
            _copy_as_if_killed(folder, cut)
            with (cut / path.name).open("rb+") as file:
                file.truncate(end)
            again = _open(cut, seal)
            found = state_of(again)
            assert again.findings == ()
            again.close()
            # Never less than a shorter file came to.
            reached += states[reached:].index(found)
        assert states[reached] == states[-1]


@_settings
@given(commits=_commits, seal=_seals, data=st.data())
def test_a_start_that_is_cut_anywhere_leaves_what_was_there(
    commits: list[list[Step]], seal: Sealer | None, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        before, after, cut = Path(name) / "before", Path(name) / "after", Path(name) / "cut"
        keeper = _open(before, seal)
        states = _tell(keeper, ModelKeeper(), commits)
        keeper.close()
        _copy_as_if_killed(before, after)
        _open(after, seal).close()
        (path,) = after.iterdir()
        content = path.read_bytes()
        for end in data.draw(st.lists(st.integers(0, len(content)), max_size=4), label="ends"):
            _copy_as_if_killed(before, cut)
            (cut / path.with_suffix(".filling").name).write_bytes(content[:end])
            again = _open(cut, seal)
            assert again.findings == ()
            assert state_of(again) == states[-1]
            again.close()


def test_a_file_cut_at_every_byte_is_the_state_after_one_of_the_commits(tmp_path: Path) -> None:
    steps: list[list[Step]] = [
        [begun("one", 1, None), queued("one", 1, 1, 1, 0)],
        [begun("two", 1, None), queued("two", 1, 1, 2, 0), queued("one", 2, 3, 1, 0)],
        [lambda keeper: keeper.settled("one", 1), lambda keeper: keeper.retain(SHARED[1])],
        [lambda keeper: keeper.forget("two")],
    ]
    keeper = _open(tmp_path / "whole", None)
    states = _tell(keeper, ModelKeeper(), steps)
    keeper.close()
    (path,) = (tmp_path / "whole").iterdir()
    content = path.read_bytes()
    reached = 0
    for end in range(len(content) + 1):
        folder = tmp_path / str(end)
        folder.mkdir()
        (folder / path.name).write_bytes(content[:end])
        again = _open(folder, None)
        assert again.findings == ()
        reached += states[reached:].index(state_of(again))
        again.close()
    assert reached == len(steps)


@_settings
@given(commits=_commits, seal=_seals, data=st.data())
def test_a_file_with_any_byte_changed_still_starts_with_the_state_after_one_of_the_commits(
    commits: list[list[Step]], seal: Sealer | None, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keeper = _open(folder, seal)
        states = _tell(keeper, ModelKeeper(), commits)
        keeper.close()
        (path,) = folder.iterdir()
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1), label="at")
        content[at] ^= data.draw(st.integers(1, 255), label="by")
        path.write_bytes(content)
        again = _open(folder, seal)
        assert len(again.findings) == 1
        assert state_of(again) in states
        again.close()
