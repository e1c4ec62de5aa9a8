"""One emulated machine: QEMU without hardware help, one thread, bounded in time, results read back from two disks."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .initramfs import overlay
from .paths import fresh
from .say import output_of, say

QEMU = "qemu-system-x86_64"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the machine is like and how long it may take."""

    cpus: int = 2
    memory: str = "1G"
    limit: float = 240
    """Seconds of wall time; multiplied by `$KERNEL_LAB_PATIENCE` on a slow machine."""
    append: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `end` is `poweroff`, `died` or `limit`; `flushes` counts how often results were sent back."""

    folder: Path
    end: str
    seconds: float
    flushes: int
    command: tuple[str, ...]

    @property
    def capture(self) -> Path:
        """The folder with what the machine sent back."""
        return self.folder / "cap"


def qemu_version() -> str:
    """Return the emulator's own word for its version."""
    return output_of([QEMU, "--version"], what="the emulator").splitlines()[0]


def command_of(image: str, initrd: str, disks: tuple[str, str], serial: str, shape: Shape) -> list[str]:
    """Return the emulator's command line, the same for all runs of a shape."""
    # the pulse-per-second driver prints its author's mail address at boot: these logs are published, so it stays out
    append = f"console=ttyS0 panic=-1 page_owner=on log_buf_len=4M initcall_blacklist=pps_init {shape.append}".strip()
    command = [QEMU, "-accel", "tcg,thread=single", "-cpu", "max,la57=off", "-smp", str(shape.cpus)]
    command += ["-m", shape.memory, "-display", "none", "-monitor", "none", "-no-reboot", "-nodefaults"]
    command += ["-vga", "none", "-serial", f"file:{serial}", "-kernel", image, "-initrd", initrd, "-append", append]
    for disk in disks:
        command += ["-drive", f"file={disk},if=virtio,format=raw"]
    for device in shape.devices:
        command += ["-device", device]
    return command


def boot(
    image: Path, base: Path, files: Mapping[str, bytes], shape: Shape, folder: Path, *, name: str, quiet: bool = False
) -> Outcome:
    """Boot a kernel with `files` laid over the base archive and read back what its sections left in /cap."""
    if shutil.which(QEMU) is None:
        raise LabError("the lab needs qemu-system-x86_64: apt-get install --no-install-recommends qemu-system-x86")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    initrd, serial = folder / "initrd", folder / "serial.txt"
    initrd.write_bytes(base.read_bytes() + overlay(files))
    disks = (folder / "vda", folder / "vdb")
    for disk in disks:
        with disk.open("wb") as empty:
            empty.truncate(512 << 20)
    command = command_of(str(image), str(initrd), (str(disks[0]), str(disks[1])), str(serial), shape)
    limit = shape.limit * float(os.environ.get("KERNEL_LAB_PATIENCE", "1"))
    start = time.monotonic()
    with (folder / "qemu.txt").open("wb") as out:
        child = subprocess.Popen(
            ["nice", "-n", "10", *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        try:
            in_time = _watch(child, serial, start + limit, name, quiet)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    seconds = time.monotonic() - start
    flushes = max(read_back(disk, folder) for disk in disks)
    text = serial.read_bytes()
    done = re.search(rb"^lab: [0-9.]+ done\r?$", text, re.MULTILINE) is not None
    initrd.unlink()
    for disk in disks:
        disk.unlink()
    if not text:
        raise LabError(f"the machine printed nothing; the emulator said: {(folder / 'qemu.txt').read_text().strip()}")
    plain = command_of(image.name, "initrd", ("vda", "vdb"), "serial.txt", shape)
    return Outcome(folder, ("poweroff" if done else "died") if in_time else "limit", seconds, flushes, tuple(plain))


def _watch(child: subprocess.Popen[bytes], serial: Path, end: float, name: str, quiet: bool) -> bool:
    """Repeat the machine's own progress lines until it ends; return False when the time is up first."""
    shown = 0
    while True:
        finished = child.poll() is not None
        if serial.exists():
            lines = serial.read_bytes().split(b"\n")
            for line in lines[shown:-1]:
                if not quiet and line.startswith(b"lab: "):
                    say(f"  {name}: {line[5:].decode(errors='replace').strip()}")
            shown = max(shown, len(lines) - 1)
        if finished:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.2)


def read_back(disk: Path, folder: Path) -> int:
    """Unpack a disk's archive into the folder if it is whole and newer than what is there; return its number."""
    with disk.open("rb") as raw:
        if not raw.read(512).strip(b"\0"):
            return 0
    try:
        with tarfile.open(disk, "r:") as archive:
            members = [m for m in archive.getmembers() if m.isfile()]
            contents = {m.name: b"" if (f := archive.extractfile(m)) is None else f.read() for m in members}
    except (tarfile.TarError, EOFError, OSError):
        return 0
    number = int(contents.get("cap/.sequence", b"0") or b"0")
    before = folder / "cap" / ".sequence"
    if before.exists() and int(before.read_text()) >= number:
        return number
    if (folder / "cap").exists():
        shutil.rmtree(folder / "cap")
    for name, data in contents.items():
        if name.startswith("cap/") and ".." not in Path(name).parts:
            fresh(folder / name).write_bytes(data)
    return number
