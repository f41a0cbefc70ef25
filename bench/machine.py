"""What a benchmark ran on: facts that change its figures."""

import os
import platform
import shutil
import ssl
import subprocess
from pathlib import Path


def describe() -> str:
    """Return a Markdown list of the machine's facts."""
    facts = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "OpenSSL": ssl.OPENSSL_VERSION,
        "mosquitto": _mosquitto(),
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"


def _memory() -> str:
    kib = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{kib / 1024**2:.0f} GiB"


def _mosquitto() -> str:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        return "not installed"
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    return said.partition("\n")[0].removeprefix("mosquitto version ")
