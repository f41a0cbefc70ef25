"""Whatever a power cut or a full disk leaves of what the core has written, the core comes up."""

from pathlib import Path

import pytest
from tests.support.cloud_documents import GroupDouble
from tests.support.core import running_core, until
from tests.support.core_offline import deploy_offline, offline_root
from tests.support.failing_disk import failing_disk

from hedgerow.contract import CLOUD, FunctionMember
from hedgerow.core.app import CoreApp
from hedgerow.core.spool import SPOOLER_ARN
from hedgerow.kernel import ConfigurationError, SystemClock

QUEUE = FunctionMember(
    id="spooler", function_arn=SPOOLER_ARN, environment={"GG_CONFIG_STORAGE_TYPE": "FileSystem"}
)


@pytest.fixture
async def root(tmp_path: Path) -> Path:
    """Return a root whose core has run with every kind of file that it keeps."""
    double = GroupDouble()
    a = double.keys.device("A")
    double.devices, double.rows = [a], [(a.arn, "t/up", CLOUD)]
    double.functions = [QUEUE]
    root = offline_root(tmp_path / "root", double)
    path = root / "config/config.json"
    options = '"hedgerow": {"localSessions": 600, "localRetained": true, "localQos": 1},'
    path.write_text(path.read_text().replace("{", "{" + options, 1))
    double.new_deployment("22222222-bbbb-4000-8000-000000000002")
    deploy_offline(root, double)
    async with running_core(root) as core:
        core.queue.put("t/up", b"waits")
        core.shadows.update("A", "", b'{"state": {"reported": {"on": true}}}')
        await until(lambda: core.agent.state.mode == "running")
    return root


def kept(root: Path) -> list[Path]:
    """Return every file that a core keeps, without the ones of people."""
    return sorted(p for p in (root / "ggc").rglob("*") if p.is_file() and not p.is_symlink())


def damaged(data: bytes, how: str) -> bytes:
    return {
        "empty": b"",
        "half": data[: len(data) // 2],
        "zeroed": bytes(len(data)),
        "noise": bytes((i * 131 + 7) % 251 for i in range(max(len(data), 64))),
    }[how]


async def test_the_core_comes_up_whatever_is_left_of_any_one_file(root: Path) -> None:
    files = kept(root)
    assert len(files) >= 15, files
    for number, path in enumerate(files):
        if not path.exists():  # a journal gives way to the next one at every start
            continue
        whole = path.read_bytes()
        for how in (("empty", "noise"), ("half", "zeroed"))[number % 2]:
            path.write_bytes(damaged(whole, how))
            try:
                async with running_core(root) as core:
                    assert core.agent.state.mode in {"running", "trial", "previous"}, (path, how)
            except BaseException as error:
                error.add_note(f"{path.relative_to(root)}, {how}")
                raise
            path.write_bytes(whole)


@pytest.mark.parametrize("how", ["empty", "half", "zeroed", "noise"])
async def test_the_core_comes_up_whatever_is_left_of_all_files_together(
    root: Path, how: str
) -> None:
    for path in kept(root):
        path.write_bytes(damaged(path.read_bytes(), how))
    async with running_core(root) as core:
        assert core.agent.state.mode == ("none" if how == "empty" else "rescue")
        assert core.daemon_port


@pytest.mark.parametrize("first", [1, 2, 3, 5, 8])
async def test_the_core_comes_up_on_a_full_disk(root: Path, first: int) -> None:
    with failing_disk(root, "full", first):
        async with running_core(root) as core:
            assert core.agent.state.mode in {"running", "trial"}
            assert core.server.is_open


async def test_a_first_start_on_a_full_disk_says_what_is_wrong(tmp_path: Path) -> None:
    root = offline_root(tmp_path / "root", GroupDouble())
    core = CoreApp(root, clock=SystemClock(), insecure_skip_link_protection=True)
    with failing_disk(root, "full", 1), pytest.raises(ConfigurationError, match="No space left"):
        await core.start()
    await core.stop()
