"""The capture script: clean for the shells, run on a made-up /proc and /sys, off again when interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kvmlab.capture.host_script import GROUPS, ScriptSettings, host_script
from kvmlab.capture.shelf import open_captures
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.captures_free import fragmentation

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
BUDDYINFO = "Node 0, zone    DMA32      1      2      1 \n"
TRACE = "# tracer: nop\n  kl-215   [000] .....     4.336245: mm_page_free: page=0 pfn=0x2d1f order=0\n"

# tracefs makes the files of an instance with its folder and takes them away with it; these two stand in for it.
FAKE_MKDIR = """#!/bin/sh
PATH={path}
mkdir "$@" || exit 1
for made; do :; done
case $made in
*/instances/*)
    echo "mkdir" >>{log}
    mkdir -p "$made/options" "$made/per_cpu/cpu0"
    for event in {events}; do mkdir -p "$made/events/$event"; echo 0 >"$made/events/$event/enable"; done
    echo 0 >"$made/tracing_on"; echo 0 >"$made/buffer_size_kb"; echo 0 >"$made/options/stacktrace"
    cp {trace} "$made/trace"
    echo "entries: 1" >"$made/per_cpu/cpu0/stats" ;;
esac
"""
FAKE_RMDIR = """#!/bin/sh
PATH={path}
case $1 in
*/instances/*)
    [ -d "$1" ] || exit 1
    echo "rmdir on=$(cat "$1"/events/*/*/enable | tr -d '\\n') tracing=$(cat "$1/tracing_on")" >>{log}
    rm -r "$1" ;;
*) rmdir "$@" ;;
esac
"""


def shell(name: str) -> list[str]:
    if shutil.which(SHELLS[name][0]) is None:
        pytest.skip(f"{name} is not installed")
    return SHELLS[name]


class Host:
    """A made-up /proc and /sys, and the environment that points the script at them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proc, self.sys, self.out = folder / "proc", folder / "sys", folder / "out"
        self.log, self.tools = folder / "tracefs.log", folder / "tools"
        debug = self.sys / "kernel" / "debug"
        for path in (self.proc, debug / "ttm", debug / "dri" / "0", self.sys / "kernel/tracing/instances", self.out):
            path.mkdir(parents=True)
        (self.proc / "buddyinfo").write_text(BUDDYINFO)
        (self.proc / "meminfo").write_text("MemTotal:         972060 kB\n")
        (self.proc / "modules").write_text("kvm 1 2 - Live 0xffffffffc0000000\n")
        (self.proc / "kpageflags").write_bytes((1 << 32).to_bytes(8, "little") * 64)
        (debug / "ttm" / "page_pool").write_text("\t  --- 0--- --- 1---\nwc\t:        3        2\n")
        (debug / "dri" / "0" / "amdgpu_gem_info").write_text(
            "pid        1 command sh:\n\t\t0x00000001:  4096 byte GTT\n"
        )
        # Whoever opens one of these for reading stops there for good.
        for name in ("page_pool_shrink", "tt_shrink"):
            os.mkfifo(debug / "ttm" / name)
        (folder / "trace").write_text(TRACE)
        self.tools.mkdir()
        events = " ".join(GROUPS["kmem"] + GROUPS["kvm"])
        for name, text in (("mkdir", FAKE_MKDIR), ("rmdir", FAKE_RMDIR)):
            tool = self.tools / name
            tool.write_text(text.format(path=os.environ["PATH"], log=self.log, events=events, trace=folder / "trace"))
            tool.chmod(0o755)

    def environment(self) -> dict[str, str]:
        tools = {"KVMLAB_MKDIR": str(self.tools / "mkdir"), "KVMLAB_RMDIR": str(self.tools / "rmdir")}
        return {"PATH": os.environ["PATH"], "KVMLAB_PROC": str(self.proc), "KVMLAB_SYS": str(self.sys)} | tools

    def start(self, command: list[str], settings: ScriptSettings) -> subprocess.Popen[str]:
        script = self.folder / "capture.sh"
        script.write_text(host_script(settings))
        # A shell cannot trap a signal that it was started to ignore, as one behind `&` or in a batch job is.
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        return subprocess.Popen(
            [*command, str(script), str(self.out)], env=self.environment(), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in numbers],
        )  # fmt: skip

    def tracefs(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def instances(self) -> list[Path]:
        return list((self.sys / "kernel/tracing/instances").iterdir())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("name", sorted(SHELLS))
def test_a_whole_recording(host: Host, name: str) -> None:
    process = host.start(shell(name), ScriptSettings(seconds=1))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    bundle = Path(out.strip())
    assert bundle.suffixes[-2:] == [".tar", ".gz"]
    assert [p.name for p in host.out.iterdir()] == [bundle.name]
    assert host.tracefs() == ["mkdir", "rmdir on=" + "0" * 8 + " tracing=0"]
    assert host.instances() == []
    captures = open_captures(bundle)
    assert captures.release == os.uname().release
    assert captures.read("before/buddyinfo.txt").value.rows[0].free_pages == 9
    assert captures.read("trace.txt").value.events == {"mm_page_free": 1}
    assert captures.read("before/ttm_page_pool.txt").value.pages == 7
    assert captures.read("dri0/amdgpu_gem_info.txt").value.buffers[0].placement == "GTT"
    assert len(captures.read("kpageflags.bin").value) == 64
    assert len(fragmentation(captures)) == 3
    manifest = captures.manifest
    assert manifest["schema"] == "kvmlab.host-capture/1"
    assert manifest["status"] == "ok"
    absent = {row["what"] for row in manifest["missing"]}
    assert {"before/pagetypeinfo.txt", "page_owner.txt", "kvmmmu/fast_page_fault"} <= absent
    for row in manifest["files"]:
        source = captures.members[row["path"]]()
        assert isinstance(source, bytes)
        assert (len(source), hashlib.sha256(source).hexdigest()) == (row["bytes"], row["sha256"])
    kernel = captures.members["kernel.txt"]()
    assert kernel == " ".join((os.uname().sysname, os.uname().release, os.uname().machine)).encode() + b"\n"


@pytest.mark.parametrize("name", sorted(SHELLS))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_switches_the_events_off(host: Host, name: str, number: int) -> None:
    process = host.start(shell(name), ScriptSettings(seconds=600))
    deadline = time.monotonic() + 30
    while not any("1" in p.read_text() for p in host.sys.glob("kernel/tracing/instances/*/tracing_on")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    enabled = list(host.sys.glob("kernel/tracing/instances/*/events/kmem/mm_page_alloc/enable"))
    assert enabled[0].read_text() == "1\n"
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert host.tracefs()[-1] == "rmdir on=" + "0" * 8 + " tracing=0"
    assert host.instances() == []
    captures = open_captures(out.strip())
    assert captures.manifest["status"] == "interrupted"
    assert captures.read("trace.txt").value.events == {"mm_page_free": 1}


@pytest.mark.parametrize("name", ["dash", "busybox"])
def test_killed_outright_its_watchdog_switches_the_events_off(host: Host, name: str) -> None:
    process = host.start(shell(name), ScriptSettings(seconds=600))
    deadline = time.monotonic() + 30
    while not any("1" in p.read_text() for p in host.sys.glob("kernel/tracing/instances/*/tracing_on")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait(timeout=10)
    while host.instances():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert host.tracefs()[-1].startswith("rmdir on=" + "0" * 8)


def test_without_a_trace_nothing_is_switched(host: Host) -> None:
    process = host.start(shell("dash"), ScriptSettings(seconds=0, frames=False, page_owner=False))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert host.tracefs() == []
    assert "kpageflags.bin.gz" not in open_captures(out.strip()).members


def test_pagemap_of_gpu_mappings_only(host: Host) -> None:
    (host.proc / "77").mkdir()
    (host.proc / "77" / "maps").write_text(
        "00001000-00003000 rw-s 00000000 00:06 1 /dev/dri/renderD128\n00003000-00004000 rw-p 00000000 00:00 0 [heap]\n"
    )
    words = b"".join((1 << 63 | 0x100 + k).to_bytes(8, "little") for k in range(8))
    (host.proc / "77" / "pagemap").write_bytes(words)
    process = host.start(shell("dash"), ScriptSettings(seconds=0, pid=77))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    captures = open_captures(out.strip())
    found = captures.read("pagemap/00001000.bin").value.df_pagemap()
    assert found["pfn"].tolist() == [0x101, 0x102]
    assert "pagemap/00003000.bin" not in captures


@pytest.mark.parametrize("settings", [ScriptSettings(), ScriptSettings(seconds=0, stacks=True, pid=5, kernel_log=True)])
def test_shells_and_shellcheck_have_nothing_to_say(tmp_path: Path, settings: ScriptSettings) -> None:
    script = tmp_path / "capture.sh"
    script.write_text(host_script(settings))
    for name in ("dash", "busybox", "bash"):
        if shutil.which(SHELLS[name][0]) is not None:
            subprocess.run([*SHELLS[name], "-n", str(script)], check=True)
    if shutil.which("shellcheck") is not None:
        subprocess.run(["shellcheck", "-s", "sh", str(script)], check=True)


def test_the_files_whose_reading_changes_the_system_are_named_in_comments_only() -> None:
    code = [line for line in host_script().splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in code if "shrink" in line]
    assert not [line for line in code if "debug/ttm/*" in line or "/ttm/*" in line]


@pytest.mark.parametrize("word", ["kmem/a;reboot", "$(reboot)", "../x", "kmem", "kvm/kvm_entry", "a b/c", "x/`id`", ""])
def test_no_event_name_reaches_the_shell_unchecked(word: str) -> None:
    if word in ("kmem", "kvm/kvm_entry"):
        assert "kvm_entry" in host_script(ScriptSettings(events=(word,))) or word == "kmem"
        return
    with pytest.raises(UnusableInput, match="is no trace event"):
        host_script(ScriptSettings(events=(word,)))


@pytest.mark.parametrize(
    "settings",
    [ScriptSettings(seconds=-1), ScriptSettings(seconds=99999), ScriptSettings(max_mb=0), ScriptSettings(pid=-4)],
)
def test_settings_have_bounds(settings: ScriptSettings) -> None:
    with pytest.raises(UnusableInput, match="expected"):
        host_script(settings)


def test_the_command_prints_the_script(tmp_path: Path) -> None:
    code = (
        "import argparse, sys; from kvmlab.cli import capture; p = argparse.ArgumentParser();"
        "capture.add_parser(p.add_subparsers(required=True)); a = p.parse_args(sys.argv[1:]); sys.exit(a.run(a))"
    )
    run = [sys.executable, "-c", code, "capture", "--seconds", "3", "--events", "kvm,page_ref"]
    plain = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert plain == host_script(ScriptSettings(seconds=3, events=("kvm", "page_ref")))
    document = json.loads(subprocess.run([*run, "--json"], capture_output=True, text=True, check=True).stdout)
    assert document["schema"] == "kvmlab.capture-script/1"
    assert document["script"] == plain
    assert document["settings"]["seconds"] == 3
