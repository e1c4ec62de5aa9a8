"""The recipe itself, without booting: its table of runs, its archives, its sources, its manifests."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest


def test_every_run_names_kernels_and_sections_that_exist(lab_folder: Path) -> None:
    from lab.kernels import KERNELS
    from lab.plan import read_runs

    runs = read_runs()
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        assert any(run.on(kernel) for kernel in KERNELS), run.name
        assert run.injected, run.name
        assert run.question.endswith((".", "?")), run.name
        for section in run.sections:
            assert (lab_folder / "machine" / "sections" / f"{section}.sh").is_file()


def test_a_run_that_is_like_another_keeps_what_it_does_not_change() -> None:
    from lab.plan import read_runs

    runs = {run.name: run for run in read_runs()}
    one, two = dict(runs["storm-1vcpu"].parameters), dict(runs["storm-2vcpu"].parameters)
    assert {key for key in one if one[key] != two[key]} == {"VCPUS", "PAGES"}
    assert runs["storm-2vcpu"].injected == runs["storm-1vcpu"].injected
    assert runs["storm-2vcpu"].shape.cpus == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('sections = ["nowhere"]', "names the section nowhere"),
        ('surprise = "x"', "unknown keys: surprise"),
        ("parameters = { PAGES = \"1'; reboot; '\" }", "cannot take"),
    ],
)
def test_a_broken_row_is_refused_with_a_sentence(tmp_path: Path, change: str, words: str) -> None:
    from lab.errors import LabError
    from lab.plan import read_runs

    fields = {
        "sections": 'sections = ["base"]',
        "parameters": "parameters = {}",
        "rest": 'kernels = ["*"]\ncpus = 1\nmemory = "1G"\nlimit = 1\nquestion = "Q?"\ninjected = "nothing"',
    }
    fields[change.split(" ", 1)[0]] = change
    table = tmp_path / "runs.toml"
    table.write_text('[[run]]\nname = "one"\n' + "\n".join(fields.values()) + "\n")
    with pytest.raises(LabError, match=words):
        read_runs(table)


def unpack_newc(data: bytes) -> dict[str, tuple[int, bytes]]:
    """A reader of the `newc` format by its description in the kernel's buffer-format document."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        mode, size, length = (int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in (1, 6, 11))
        name = data[at + 110 : at + 110 + length - 1].decode()
        body = (at + 110 + length + 3) & ~3
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, data[body : body + size])
        at = (body + size + 3) & ~3


def test_the_overlay_is_an_archive_as_the_kernel_reads_it() -> None:
    from lab.initramfs import overlay

    files = {"init": b"#!/bin/sh\n", "lab/deep/odd": b"12345", "lab/empty": b"", "bin/kl": b"\x7fELFxx"}
    packed = overlay(files)
    assert packed == overlay(dict(reversed(files.items())))
    found = unpack_newc(gzip.decompress(packed))
    assert {name: data for name, (mode, data) in found.items() if mode & 0o170000 == 0o100000} == files
    assert {name for name, (mode, _) in found.items() if mode == 0o040755} == {"lab", "lab/deep", "bin"}
    assert {name for name, (mode, _) in found.items() if mode == 0o100755} == {"init", "bin/kl"}
    order = list(found)
    assert order.index("lab") < order.index("lab/deep") < order.index("lab/deep/odd")


def test_an_interrupted_send_leaves_the_copy_before(tmp_path: Path) -> None:
    import io
    import tarfile

    from lab.machine import read_back

    def disk(name: str, number: int, text: bytes, cut: int | None = None) -> Path:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:") as archive:
            for path, data in (("cap/.sequence", b"%d\n" % number), ("cap/a/b.txt", text), ("../evil", b"x")):
                member = tarfile.TarInfo(path)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        path = tmp_path / name
        path.write_bytes(out.getvalue()[:cut] + bytes(4096))
        return path

    folder = tmp_path / "run"
    folder.mkdir()
    older, torn = disk("vda", 1, b"old"), disk("vdb", 2, b"n" * 9000, cut=3000)
    assert [read_back(older, folder), read_back(torn, folder)] == [1, 0]
    assert (folder / "cap/a/b.txt").read_bytes() == b"old"
    assert read_back(disk("vdb", 2, b"new"), folder) == 2
    assert (folder / "cap/a/b.txt").read_bytes() == b"new"
    assert read_back(older, folder) == 1
    assert (folder / "cap/a/b.txt").read_bytes() == b"new"
    assert not (tmp_path / "evil").exists()
    (tmp_path / "empty").write_bytes(bytes(8192))
    assert read_back(tmp_path / "empty", folder) == 0


def test_what_decides_a_run_decides_its_digest(tmp_path: Path) -> None:
    from dataclasses import replace

    from lab.apt import Package
    from lab.kernels import Stock
    from lab.plan import read_runs
    from lab.ready import Ready
    from lab.store import recipe_digest
    from lab.tree import Tree

    run = next(run for run in read_runs() if run.name == "storm-1vcpu")
    package = Package("linux-image-1", "1", tmp_path, "00")
    stock = Stock("x", "1.0", "gcc-1", tmp_path, (package,))
    ready = Ready("x", "1.0", tmp_path, tmp_path, tmp_path, tmp_path, "", stock, Tree(tmp_path, ()))
    files = {"init": b"a", "lab/sections/storm.sh": b"b", "lab/sections/frag.sh": b"c", "lab/klab.ko": b"d"}
    first = recipe_digest(run, files, ready)
    assert recipe_digest(run, files | {"lab/sections/frag.sh": b"other"}, ready) == first
    other_package = replace(ready, stock=replace(stock, packages=(replace(package, sha256="11"),)))
    changed = [
        recipe_digest(run, files | {"lab/sections/storm.sh": b"other"}, ready),
        recipe_digest(run, files | {"lab/klab.ko": b"other"}, ready),
        recipe_digest(replace(run, parameters=()), files, ready),
        recipe_digest(replace(run, shape=replace(run.shape, cpus=7)), files, ready),
        recipe_digest(run, files, other_package),
    ]
    assert len({first, *changed}) == 6


def test_module_and_program_sources_carry_their_licence(lab_folder: Path) -> None:
    sources = [
        p for folder in ("module", "program", "machine") for p in (lab_folder / folder).rglob("*") if p.is_file()
    ]
    assert len(sources) > 25
    for path in sources:
        head = path.read_text().splitlines()[:2]
        assert any("SPDX-License-Identifier: GPL-2.0" in line for line in head), path


def test_scripts_of_the_machine_pass_shellcheck(lab_folder: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    machine = lab_folder / "machine"
    scripts = [machine / "init", machine / "library.sh", *sorted((machine / "sections").glob("*.sh"))]
    done = subprocess.run(["shellcheck", "-x", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def lab_manifests(root: Path) -> list[Path]:
    return sorted((root / "data" / "captures").glob("*/*/manifest.toml"))


def test_shipped_runs_of_the_lab_hold_exactly_the_files_of_their_manifests(root: Path) -> None:
    manifests = lab_manifests(root)
    if not manifests:
        pytest.skip("no runs of the lab are shipped")
    for path in manifests:
        manifest = tomllib.loads(path.read_text())
        assert manifest["injected"], path
        found = {p.relative_to(path.parent).as_posix(): p for p in path.parent.rglob("*") if p.is_file() and p != path}
        assert set(found) == {row["path"] for row in manifest["file"]}, path
        for row in manifest["file"]:
            data = found[row["path"]].read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (row["bytes"], row["sha256"]), found[row["path"]]


def test_shipped_runs_name_no_path_or_host_of_the_machine_that_made_them(root: Path) -> None:
    for path in lab_manifests(root):
        text = path.read_text()
        assert not any(word in text for word in ("://", "/root/", "/home/", "/tmp/", "/work/", ".cache")), path
