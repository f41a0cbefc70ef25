"""The host's own counters in the documented units."""

from pathlib import Path

from hedgerow.core.telemetry import DropMeter, HostMeter


def proc(folder: Path, *, busy: int = 0, idle: int = 0) -> Path:
    """Write what Linux shows of a host."""
    (folder / "sys/fs").mkdir(parents=True, exist_ok=True)
    (folder / "meminfo").write_text(
        "MemTotal:  2000000 kB\nMemFree: 5 kB\nMemAvailable: 976000 kB\n"
    )
    (folder / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 999 999\ncpu0 1 2 3\n")
    (folder / "sys/fs/file-nr").write_text("416\t0\t9223372036854775807\n")
    return folder


def test_memory_processor_and_descriptors(tmp_path: Path) -> None:
    meter = HostMeter(proc(tmp_path, busy=100, idle=900))
    proc(tmp_path, busy=125, idle=975)
    measured = {one.name: (one.value, one.unit) for one in meter.measure()}
    assert measured == {
        "SystemMemUsage": (1024000 * 1024 / 1e6, "Megabytes"),
        "CpuUsage": (25.0, "Percent"),
        "TotalNumberOfFDs": (416.0, "Count"),
    }
    assert {one.namespace for one in meter.measure()} == {"SystemMetrics"}
    assert meter.measure()[1].value == 0.0  # no tick has passed


def test_this_host_can_be_measured() -> None:
    memory, processor, descriptors = HostMeter().measure()
    assert memory.value > 1
    assert 0 <= processor.value <= 100
    assert descriptors.value >= 1


def test_dropped_messages_are_counted_once() -> None:
    dropped = 4
    meter = DropMeter(lambda: dropped)
    assert meter.measure()[0].value == 4
    dropped = 6
    (one,) = meter.measure()
    assert (one.namespace, one.name, one.unit, one.value) == (
        "CloudSpooler",
        "DroppedMessageCount",
        "Count",
        2,
    )
