"""Makes kernel logs of any size for the benchmarks and tests of the fast scan, and knows what is in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Call paths from the page's last put to the system call; each is varied by offsets and by stale entries.
_TOPS = (
    ("free_unref_page_prepare", "free_unref_folios", "folios_put_refs", "folio_batch_move_lru", "folio_add_lru"),
    ("free_unref_page_prepare", "free_unref_page", "__folio_put", "kvm_release_pfn_clean", "kvm_tdp_page_fault"),
    ("free_pcppages_bulk", "free_unref_page_commit", "free_unref_page", "ttm_pool_free_page", "ttm_pool_free"),
    ("__free_pages_ok", "ttm_pool_free_page", "ttm_pool_shrink", "ttm_pool_shrinker_scan", "do_shrink_slab"),
    ("get_page_from_freelist", "__alloc_pages", "alloc_pages_mpol", "folio_alloc", "__filemap_get_folio"),
)
_MIDDLES = (
    ("do_wp_page", "__handle_mm_fault", "handle_mm_fault", "__get_user_pages", "get_user_pages_unlocked", "hva_to_pfn"),
    ("kvm_faultin_pfn", "kvm_tdp_page_fault", "kvm_mmu_page_fault", "vmx_handle_exit", "kvm_arch_vcpu_ioctl_run"),
    ("amdgpu_vm_bo_update", "amdgpu_gem_va_update_vm", "amdgpu_gem_va_ioctl", "drm_ioctl_kernel", "drm_ioctl"),
    ("i915_gem_object_put_pages", "i915_gem_free_objects", "process_one_work", "worker_thread", "kthread"),
    ("exit_mmap", "__mmput", "do_exit", "do_group_exit", "__x64_sys_exit_group"),
)
_BOTTOMS = (
    ("kvm_vcpu_ioctl", "__x64_sys_ioctl", "do_syscall_64", "entry_SYSCALL_64_after_hwframe"),
    ("amdgpu_drm_ioctl", "__x64_sys_ioctl", "do_syscall_64", "entry_SYSCALL_64_after_hwframe"),
    ("ret_from_fork", "ret_from_fork_asm"),
    ("handle_mm_fault", "do_user_addr_fault", "exc_page_fault", "asm_exc_page_fault"),
)
_STALE = (
    "__mem_cgroup_uncharge_folios",
    "srso_return_thunk",
    "kvm_vcpu_mmap",
    "__seccomp_filter",
    "lock_release",
    "down_read",
)
_MODULE_OF = {"kvm": "kvm", "vmx": "kvm_intel", "amdgpu": "amdgpu", "ttm": "ttm", "drm": "drm", "i915": "i915"}
_COMMS = ("CPU 0/KVM", "CPU 1/KVM", "CPU 2/KVM", "qemu-system-x86", "kworker/u64:3", "Xorg", "gnome-shell")
_REASONS = (
    "nonzero mapcount", "nonzero _refcount", "PAGE_FLAGS_CHECK_AT_FREE flag(s) set", "non-NULL mapping",
    "page still charged to cgroup", "corrupted mapping in tail page",
)  # fmt: skip
_FLAGS = (
    "locked", "writeback", "referenced", "uptodate", "dirty", "lru", "head", "waiters", "active", "workingset", "error",
    "owner_priv_1", "arch_1", "reserved", "private", "private_2", "mappedtodisk", "reclaim", "swapbacked",
)  # fmt: skip
_TAINT = "Tainted: G    B   W         "
_RELEASE = "6.9.12-lab-00008-gfcd4b7efbad0 #17"
_KINDS = ("snd", "nf", "xt", "i2c", "kvm", "drm", "usb", "crypto")
VARIANTS = 240


@dataclass(frozen=True, slots=True)
class Truth:
    """What a made log holds.

    Args:
        reports: how many bad pages.
        pfn_sum: sum of their pfns.
        lines: physical lines.
        size: bytes.
    """

    reports: int
    pfn_sum: int
    lines: int
    size: int


@dataclass(slots=True)
class Maker:
    """Makes lines of a log; the same seed makes the same log.

    Args:
        seed: of the random numbers.
        style: `dmesg`, `caller`, `syslog`, `iso` or `short` (a journal without the kernel's own time).
        share: which part of the bytes is reports.
        kernel: of the random numbers by which the kernel was built (call paths, offsets, modules); None: the seed.
    """

    seed: int
    style: str = "dmesg"
    share: float = 0.95
    kernel: int | None = None
    us: int = 252_080_141_629
    pfn: int = 0xFB1665
    left: int = 0
    reports: int = 0
    pfn_sum: int = 0
    places: dict[str, list[str]] = field(default_factory=dict)
    random: random.Random = field(init=False)
    variants: list[list[str]] = field(init=False)
    modules: list[str] = field(init=False)
    ordinary: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed if self.kernel is None else self.kernel)
        self.variants = [self._trace() for _ in range(VARIANTS)]
        self.modules = self._modules()
        if self.kernel is not None:
            self.random = random.Random(self.seed)
        self.ordinary = [self.random.choice(_ORDINARY)(self.random) for _ in range(20_000)]

    def _entry(self, name: str) -> str:
        # A kernel calls from a few places of each function.
        if name not in self.places:
            size = self.random.randrange(0x40, 0x1400, 0x10)
            module = _MODULE_OF.get(name.split("_")[0])
            behind = f" [{module}]" if module else ""
            self.places[name] = [f"{name}+{self.random.randrange(1, size):#x}/{size:#x}{behind}" for _ in range(6)]
        return self.random.choice(self.places[name])

    def _trace(self) -> list[str]:
        rnd = self.random
        names = ["dump_stack_lvl", "bad_page", *rnd.choice(_TOPS), *rnd.choice(_MIDDLES), *rnd.choice(_MIDDLES)]
        names += rnd.choice(_BOTTOMS)
        lines = []
        for name in names:
            lines.append(" " + self._entry(name))
            while rnd.random() < 0.45:
                lines.append(" ? " + self._entry(rnd.choice(_STALE)))
        lines[-1:] = [lines[-1]] if "? " not in lines[-1] else []
        return lines

    def _modules(self) -> list[str]:
        rnd = self.random
        lines, line = [], "Modules linked in:"
        for i in range(250):
            name = f"{rnd.choice(_KINDS)}_{rnd.choice('abcdefgh')}mod{i}"
            if len(line) + len(name) + 4 > 1024:
                lines.append(line)
                line = ""
            line += " " + name
        return [*lines, line]

    def report(self) -> list[str]:
        """The messages of one report, in the manner of 6.9."""
        rnd = self.random
        if self.left <= 0:
            self.pfn, self.left = rnd.randrange(0x1000, 0x2000000), int(rnd.expovariate(1 / 300)) + 1
        self.left -= 1
        self.pfn += 1
        self.reports += 1
        self.pfn_sum += self.pfn
        comm, low = rnd.choice(_COMMS), rnd.getrandbits(len(_FLAGS))
        flags = 0x17FFFFC0000000 | low
        names = "".join(f"{name}|" for i, name in enumerate(_FLAGS) if low >> i & 1)
        refcount, mapcount = rnd.choice((0, 0, 0, 1, -1, 2)), rnd.randrange(-1, 4)
        mapping = rnd.choice((0, 0, 0, 0xFFFF888100000000 | rnd.getrandbits(32)))
        index = rnd.getrandbits(35)
        counts = (refcount & 0xFFFFFFFF) << 32 | ((mapcount - 1) & 0xFFFFFFFF)
        registers = [rnd.getrandbits(47) for _ in range(3)]
        return [
            f"BUG: Bad page state in process {comm}  pfn:{self.pfn:05x}",
            f"page: refcount:{refcount} mapcount:{mapcount} mapping:{mapping:016x} index:{index:#x} pfn:{self.pfn:#x}",
            f"flags: {flags:#x}({names}node=0|zone=2|lastcpupid=0x1fffff)",
            f"page_type: {(mapcount - 1) & 0xFFFFFFFF:#x}()",
            f"raw: {flags:016x} dead000000000100 dead000000000122 {mapping:016x}",
            f"raw: {index:016x} 0000000000000000 {counts:016x} 0000000000000000",
            f"page dumped because: {rnd.choice(_REASONS)}",
            *self.modules,
            f"CPU: {rnd.randrange(32)} PID: {rnd.randrange(300, 4000000)} Comm: {comm} {_TAINT} {_RELEASE}",
            "Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2 04/01/2014",
            "Call Trace:",
            " <TASK>",
            *(line for line in rnd.choice(self.variants) if not line.startswith(" ?") or rnd.random() > 0.1),
            f"RIP: 0033:{registers[0]:#x}",
            "Code: 00 00 00 48 89 44 24 18 31 c0 48 8d 44 24 60 c7 04 24 10 00 00 00 48 89 44 24 08 48 8d 44 24 20 48"
            " 89 44 24 10 b8 10 00 00 00 0f 05 <89> c2 3d 00 f0 ff ff 77 1c 48 8b 44 24 18 64 48 2b 04 25 28 00 00",
            f"RSP: 002b:{registers[1]:016x} EFLAGS: 00000246 ORIG_RAX: 0000000000000010",
            f"RAX: ffffffffffffffda RBX: {registers[2]:016x} RCX: {registers[0]:016x}",
            "RDX: 0000000000000000 RSI: 000000000000ae80 RDI: 0000000000000017",
            "RBP: 000000000000ae80 R08: 0000000000000000 R09: 0000000000000000",
            "R10: 0000000000000000 R11: 0000000000000246 R12: 0000000000000000",
            "R13: 0000000000000001 R14: 00000000000000b2 R15: 0000000000000002",
            " </TASK>",
        ]

    def lines(self, messages: list[str]) -> Iterator[str]:
        """Messages with their prefixes, as the log's style has them."""
        rnd = self.random
        caller = f"[{f'T{rnd.randrange(1, 99999)}':>6}]" if self.style == "caller" else ""
        clock = self.us // 1_000_000
        day = f"Jul {1 + clock // 86400 % 28:2d} {clock // 3600 % 24:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}"
        iso = f"2024-07-{1 + clock // 86400 % 28:02d}T{clock // 3600 % 24:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}"
        for message in messages:
            self.us += rnd.randrange(3)
            time = f"[{self.us // 1_000_000:5d}.{self.us % 1_000_000:06d}]"
            if self.style == "short":
                yield f"{day} labhost kernel: {message}\n"
            elif self.style == "syslog":
                yield f"{day} labhost kernel: {time} {message}\n"
            elif self.style == "iso":
                yield f"{iso}.{self.us % 1_000_000:06d}+00:00 labhost kernel: {time} {message}\n"
            else:
                yield f"{time}{caller} {message}\n"

    def pieces(self, size: int) -> Iterator[str]:
        """A log of about `size` bytes, piece by piece."""
        made = of_reports = 0
        rnd = self.random
        while made < size:
            if self.share and of_reports <= self.share * made:
                piece = "".join(self.lines(self.report()))
                of_reports += len(piece)
            else:
                piece = "".join(self.lines([rnd.choice(self.ordinary) for _ in range(rnd.randrange(1, 60))]))
                self.us += rnd.randrange(1000, 2_000_000)
            made += len(piece)
            yield piece


_ORDINARY: tuple[Callable[[random.Random], str], ...] = (
    lambda r: (
        f"usb {r.randrange(8)}-{r.randrange(16)}: new high-speed USB device number {r.randrange(128)} using xhci_hcd"
    ),
    lambda r: (
        f"audit: type=1400 audit({r.getrandbits(30)}.{r.randrange(1000):03d}:{r.getrandbits(20)}): "
        f'apparmor="ALLOWED" operation="open" profile="snap.x" name="/proc/{r.getrandbits(16)}/cmdline" fsuid=0'
    ),
    lambda r: (
        f"IN=eth0 OUT= MAC={r.getrandbits(48):012x}:00 SRC=10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)} "
        f"DST=10.0.0.1 LEN=60 TTL=64 ID={r.getrandbits(16)} DF PROTO=TCP SPT={r.getrandbits(16)} DPT=22 RES=0x00 SYN"
    ),
    lambda r: (
        f"EXT4-fs (nvme0n1p{r.randrange(1, 9)}): mounted filesystem {r.getrandbits(32):08x} r/w. Quota mode: none."
    ),
    lambda r: "kvm: SMP vm created on host with unstable TSC; guest TSC will not be reliable",
    lambda r: f"i915 0000:00:02.0: [drm] GT0: GUC: submission enabled ({r.randrange(1000)})",
    lambda r: f"amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 uses VM inv eng {r.randrange(16)} on hub 0",
    lambda r: (
        f"nvme nvme0: I/O tag {r.randrange(1024)} ({r.getrandbits(16):04x}) QID {r.randrange(16)} timeout, polled"
    ),
    lambda r: f"systemd[1]: Started session-{r.randrange(16384)}.scope - Session {r.randrange(16384)} of User root.",
    lambda r: f"docker0: port {r.randrange(16)}(veth{r.getrandbits(28):07x}) entered forwarding state",
    lambda r: f"perf: interrupt took too long ({r.randrange(9999)} > {r.randrange(9999)}), lowering sample rate",
)


def make(
    path: Path, size: int, share: float, *, style: str = "dmesg", seed: int = 1, kernel: int | None = None
) -> Truth:
    """Writes a log and says what is in it.

    Args:
        path: where.
        size: about how many bytes.
        share: which part of them is reports.
        style, kernel: see `Maker`.
        seed: of the random numbers.
    """
    maker = Maker(seed, style, share, kernel)
    written = lines = 0
    with path.open("wb", buffering=1 << 20) as file:
        for piece in maker.pieces(size):
            data = piece.encode()
            file.write(data)
            written += len(data)
            lines += piece.count("\n")
    return Truth(maker.reports, maker.pfn_sum, lines, written)
