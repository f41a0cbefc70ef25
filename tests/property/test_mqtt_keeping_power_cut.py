"""Power is cut: of every file only what was synced is sure to be there, of the rest any beginning.

The disk is simulated over a real folder: syncs are noted as they are made, and an image is made of
what they promise. Names that were changed since the folder was synced may be the old or the new.
"""

import os
import random
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.support.mqtt_keeping import ModelKeeper, State, state_of
from tests.support.mqtt_keeping_steps import ALWAYS_NEXT, Step, lively, steps

from hedgerow.mqtt.keeping import FileKeeper

_commits = st.lists(st.lists(steps, min_size=1, max_size=4), min_size=1, max_size=12)


class Disk:
    """What is sure to be on the disk of a folder."""

    def __init__(self, folder: Path, contents: Path) -> None:
        self.folder = folder
        self._contents = contents
        """A second name for every file, so that it can be read when it was deleted."""
        self._sizes: dict[int, int] = {}
        self._names: dict[str, int] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take note of what is synced."""
        fdatasync, fsync = os.fdatasync, os.fsync
        syncing = threading.Lock()  # so that no older note is taken last

        def note_file(file: int) -> None:
            with syncing:
                size = os.fstat(file).st_size
                fdatasync(file)
                self._sizes[os.fstat(file).st_ino] = size

        def note_folder(folder: int) -> None:
            with syncing:
                names = self._now()
                fsync(folder)
                if os.fstat(folder).st_ino == watched:
                    self._names = names

        self.folder.mkdir(mode=0o700)
        watched = self.folder.stat().st_ino
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fdatasync", note_file)
            patch.setattr(os, "fsync", note_folder)
            # Filling a segment takes several commits, as it does with much that lives.
            patch.setattr("hedgerow.mqtt.keeping.journal._STEP_BYTES", 1)
            yield

    def image(self, chance: random.Random, target: Path) -> Path:
        """Make a folder of what is there after a power cut at this moment."""
        target.mkdir(mode=0o700)
        before, now = self._names_now()
        there = set(now.values())
        deleted_only = {name: inode for name, inode in before.items() if inode in there}
        for name, inode in chance.choice((before, deleted_only, now)).items():
            content = (self._contents / str(inode)).read_bytes()
            sure = self._sizes.get(inode, 0)
            end = chance.choice((sure, len(content), chance.randint(sure, len(content))))
            (target / name).write_bytes(content[:end])
        return target

    def _names_now(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the names that are sure and those of this moment; a thread may change them."""
        while True:
            sure, now = self._names, self._now()
            if self._names is sure:
                return sure, now

    def _now(self) -> dict[str, int]:
        while True:
            try:
                return {path.name: self._noted(path) for path in self.folder.iterdir()}
            except FileNotFoundError:
                continue  # it was given another name at this moment

    def _noted(self, path: Path) -> int:
        inode = path.stat().st_ino
        if not (self._contents / str(inode)).exists():
            (self._contents / str(inode)).hardlink_to(path)
        return inode


def _keeper(folder: Path, sync: Literal["soon", "always"], segment_bytes: int) -> FileKeeper:
    return FileKeeper(
        folder, seal=None, clock=ManualClock(), sync=sync, segment_bytes=segment_bytes
    )


def _found(image: Path) -> State:
    again = _keeper(image, "soon", 1 << 20)
    again.open()
    state = state_of(again)
    again.close()
    return state


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(
    commits=_commits,
    seed=st.integers(0, 1 << 30),
    segment_bytes=st.sampled_from([ALWAYS_NEXT, 300, 1 << 20]),
)
def test_with_every_commit_synced_a_power_cut_takes_nothing_that_was_committed(
    commits: Sequence[Sequence[Step]], seed: int, segment_bytes: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - where files end
    with tempfile.TemporaryDirectory() as name:
        folder, contents = Path(name) / "kept", Path(name) / "contents"
        contents.mkdir()
        disk, model = Disk(folder, contents), ModelKeeper()
        with disk.watched():
            keeper = _keeper(folder, "always", segment_bytes)
            keeper.open()
            for number, commit in enumerate([[lively], *commits]):
                if chance.random() < 0.2:
                    keeper.close()
                    keeper = _keeper(folder, "always", segment_bytes)
                    keeper.open()
                    image = disk.image(chance, Path(name) / f"start {number}")
                    assert _found(image) == state_of(model)
                for step in commit:
                    step(keeper)
                    step(model)
                keeper.commit()
                assert _found(disk.image(chance, Path(name) / str(number))) == state_of(model)
            keeper.close()


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(
    commits=_commits,
    seed=st.integers(0, 1 << 30),
    segment_bytes=st.sampled_from([ALWAYS_NEXT, 300, 1 << 20]),
)
def test_otherwise_it_leaves_the_state_after_a_commit_not_older_than_the_last_sync(
    commits: Sequence[Sequence[Step]], seed: int, segment_bytes: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - where files end
    with tempfile.TemporaryDirectory() as name:
        folder, contents = Path(name) / "kept", Path(name) / "contents"
        contents.mkdir()
        disk, model = Disk(folder, contents), ModelKeeper()
        with disk.watched():
            keeper = _keeper(folder, "soon", segment_bytes)
            keeper.open()
            states, synced = [state_of(model)], 0
            journal = keeper._journal
            assert journal is not None
            for number, commit in enumerate([[lively], *commits]):
                for step in commit:
                    step(keeper)
                    step(model)
                keeper.commit()
                states.append(state_of(model))
                if chance.random() < 0.3:
                    journal._flush()  # what the thread does when its time has come
                    synced = len(states) - 1
                image = disk.image(chance, Path(name) / str(number))
                assert _found(image) in states[synced:]
            keeper.close()
