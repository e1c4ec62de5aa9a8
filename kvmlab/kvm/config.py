"""What takes part in a run: the configuration that people write, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from kvmlab.errors import KvmlabError
from kvmlab.kvm.policies import Policy

DRIVERS = ("none", "good", "bad")
DRIVER_PAGES = ("tail", "refcounted", "uncounted", "compound")


class BadConfig(KvmlabError):
    """A configuration that the model cannot run; the message names the setting and what is expected."""


@dataclass(frozen=True, slots=True)
class Config:
    """What takes part in a run.

    Args:
        policy: how KVM takes pfns.
        vcpus: number of vCPUs.
        gfns: anonymous guest pages.
        pages: page frames that can be allocated.
        batch: capacity of the CPU's folio batch.
        others: folios in that batch at the start that are not modelled.
        zaps: how often the mm thread zaps a page (munmap or MADV_DONTNEED): gfn 0, 1, ... in turn.
        zap_any: let it choose the gfn freely instead.
        writebacks: how often it writes a page back and cleans it, in the same order.
        reads, writes: what the guest does.
        driver: `none`; `good`: it unmaps its page before it frees it; `bad`: it frees without unmapping.
        driver_page: what it lends through PFNMAP: `tail` of a non-compound block (count 0), a `refcounted` page
            (count 1), one that KVM's heuristic calls `uncounted` (reserved, or without struct page), or a tail of a
            `compound` block: its own count is 0, gets and puts are the head's, whose count is shown.
        nested: whether a mapping outside the notifier exists (kvm_vcpu_map), of the driver's page or else of gfn 0.
        unsafe: the module parameter allow_unsafe_mappings.
        tlb: whether each vCPU caches translations.
        follow_up: whether the run goes on after a bad page, to what its guest meets next.
        async_pf: whether a page that GUP cannot get is left to an asynchronous page fault.
        check_pages: whether freed pages are tested.
        tracked: whether flags, lists, mapping and index are kept; for replays, not for exploration.
        lru_gen: whether MGLRU is on.
        resets_mapcount: whether a report resets `_mapcount` (6.10 and older).
    """

    policy: Policy
    vcpus: int = 1
    gfns: int = 1
    pages: int = 2
    batch: int = 2
    others: int = 0
    zaps: int = 1
    zap_any: bool = False
    writebacks: int = 0
    reads: bool = True
    writes: bool = True
    driver: str = "none"
    driver_page: str = "tail"
    nested: bool = False
    unsafe: bool = False
    tlb: bool = False
    follow_up: bool = False
    async_pf: bool = False
    check_pages: bool = True
    tracked: bool = False
    lru_gen: bool = False
    resets_mapcount: bool = True

    def __post_init__(self) -> None:
        least = {"vcpus": 1, "gfns": int(self.driver == "none"), "pages": int(self.gfns > 0), "batch": 1}
        for name in ("vcpus", "gfns", "pages", "batch", "others", "zaps", "writebacks"):
            value = getattr(self, name)
            if not least.get(name, 0) <= value <= _MOST.get(name, 1 << 10):
                raise BadConfig(
                    f"{name}={value} is out of range: expected {least.get(name, 0)} to {_MOST.get(name, 1 << 10)}"
                )
        for name, value, known in (("driver", self.driver, DRIVERS), ("driver_page", self.driver_page, DRIVER_PAGES)):
            if value not in known:
                raise BadConfig(f"{name}={value!r} is not one of {', '.join(known)}")
        if self.others >= self.batch:
            raise BadConfig(f"others={self.others} does not fit into a batch of {self.batch} that is not yet full")
        if (self.zaps or self.writebacks) and not self.gfns:
            raise BadConfig("zaps and writebacks need an anonymous page: expected gfns=1 or more")
        if not (self.reads or self.writes):
            raise BadConfig("a guest that neither reads nor writes does nothing: expected reads or writes")


_MOST = {"vcpus": 8, "gfns": 1000, "pages": 1000, "batch": 31, "others": 30, "zaps": 7, "writebacks": 3}

NAMED: dict[str, dict[str, int | bool | str]] = {
    "A": {"gfns": 1, "pages": 2, "batch": 2, "zaps": 1},
    "T": {"gfns": 0, "pages": 0, "zaps": 0, "driver": "good"},
    "R": {"gfns": 0, "pages": 0, "zaps": 0, "driver": "good", "driver_page": "refcounted", "vcpus": 2},
    "X": {"gfns": 0, "pages": 0, "zaps": 0, "driver": "bad"},
}  # fmt: skip
"""The four small configurations, one vCPU each but for R."""

CONFIG_WORDS = {
    "A": "anonymous page, one munmap",
    "T": "driver's tail page",
    "T,driver_page=compound": "driver's tail, compound block",
    "R": "driver's counted page, two vCPUs",
    "X": "tail freed without unmapping: the driver's bug",
}
"""What each of `NAMED`, and of some others, is in a few words."""


def parse_config(policy: Policy, text: str) -> Config:
    """A configuration from its name, or from `key=value,...`, or both: `A,vcpus=2`.

    Args:
        policy: the policy.
        text: as on the command line.

    Raises:
        BadConfig: an unknown name, key or value.

    >>> from kvmlab.kvm.policies import find_policy
    >>> parse_config(find_policy("d"), "A,vcpus=2").vcpus
    2
    """
    known = {field.name: field.type for field in fields(Config) if field.name not in ("policy", "tracked", "lru_gen")}
    settings: dict[str, int | bool | str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            if key not in NAMED:
                raise BadConfig(f"there is no configuration {key!r}; there are {', '.join(NAMED)}, or key=value")
            settings.update(NAMED[key])
        elif key not in known:
            raise BadConfig(f"there is no setting {key!r}; there are {', '.join(known)}")
        elif known[key] == "str":
            settings[key] = value
        elif known[key] == "bool":
            if value.lower() not in _BOOLEANS:
                raise BadConfig(f"{key}={value!r} is neither yes nor no")
            settings[key] = _BOOLEANS[value.lower()]
        elif value.isdecimal() and len(value) < 6:
            settings[key] = int(value)
        else:
            raise BadConfig(f"{key}={value!r} is not a number that the model can count")
    return Config(policy, **settings)  # type: ignore[arg-type]


_BOOLEANS = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}


def describe(config: Config) -> dict[str, object]:
    """The settings of a configuration by name, the policy by its id."""
    return {
        field.name: config.policy.id if field.name == "policy" else getattr(config, field.name)
        for field in fields(config)
        if field.name != "tracked" or config.tracked
    }


__all__ = [
    "CONFIG_WORDS",
    "DRIVERS",
    "DRIVER_PAGES",
    "NAMED",
    "BadConfig",
    "Config",
    "describe",
    "parse_config",
    "replace",
]
