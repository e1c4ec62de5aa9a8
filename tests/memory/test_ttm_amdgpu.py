"""What amdgpu asks for: caching modes by flags, pools by what the device reaches, masks, and the pool's parameter."""

from __future__ import annotations

import pytest

from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.ttm_amdgpu import CPU_GTT_USWC, amdgpu_caching, amdgpu_devices, amdgpu_pool, buffer_kinds
from kvmlab.memory.ttm_device import TtmError
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.zone import Zone

LOW = (32 << 30) - 1


def test_uswc_is_write_combined_where_the_platform_can_and_nothing_is_ever_uncached() -> None:
    assert amdgpu_caching(CPU_GTT_USWC) is Caching.WRITE_COMBINED
    assert amdgpu_caching(CPU_GTT_USWC, write_combining=False) is Caching.CACHED
    assert {amdgpu_caching(flags) for flags in range(64)} == {Caching.CACHED, Caching.WRITE_COMBINED}
    kinds = buffer_kinds()
    assert {name for name, kind in kinds.items() if kind.caching is Caching.CACHED} == {"user_gtt"}
    assert all(kind.source and kind.basis in ("read", "documented", "inferred") for kind in kinds.values())


@pytest.mark.parametrize(
    ("settings", "dma_alloc"),
    [
        ({}, False),
        ({"encrypted": True}, True),
        ({"xen_pv": True}, True),
        ({"highest_address": 1 << 44}, False),
        ({"highest_address": (1 << 44) + 1}, True),
        ({"highest_address": 1 << 41, "dma_bits": 40}, True),
    ],
)
def test_pages_come_through_the_dma_api_where_addresses_must_be_bounced(
    settings: dict[str, int], dma_alloc: bool
) -> None:
    (device,) = amdgpu_devices("6.12", **{"highest_address": LOW, **settings})  # type: ignore[arg-type]
    assert device.dma_alloc is dma_alloc


def test_the_beneficial_order_is_named_where_the_kernel_knows_it() -> None:
    assert [amdgpu_devices(r, highest_address=LOW)[0].beneficial_order for r in ("6.1", "6.12", "6.18", "7.3")] == [
        0,
        0,
        0,
        9,
    ]


def test_an_apu_has_a_pool_for_each_partition() -> None:
    zones = [Zone.fresh(4096), Zone.fresh(4096, start=0x200000, nid=1)]
    pool = amdgpu_pool(Buddy(zones, engine="python", ttm_devices=3), partitions=(0, 1))
    assert [d.nid for d in pool.devices] == [-1, 0, 1]
    assert int(pool.alloc(64, "cached", device=2).pfn[0]) >= 0x200000
    with pytest.raises(TtmError, match="2 devices"):
        amdgpu_pool(Buddy.fresh("16MiB", engine="python"), partitions=(0,))
    with pytest.raises(TtmError, match="no such setting"):
        amdgpu_pool(Buddy.fresh("16MiB", engine="python"), colour="red")


def test_masks_of_user_and_kernel_buffers_and_of_the_dma_api() -> None:
    def masks(**options: bool) -> list[str]:
        pool = amdgpu_pool(Buddy.fresh("16MiB", release="6.12", engine="python"), **options)
        return [hex(int(pool.state.gfp[0, order])) for order in (9, 0)]

    assert masks() == ["0x396dc2", "0x104dc2"]
    assert masks(kernel_buffers=True) == ["0x396cc2", "0x104cc2"]
    assert masks(encrypted=True) == ["0x396dc0", "0x104dc0"], "the zone bits are taken out of the mask"
    assert masks(encrypted=True, dma32=True) == ["0x396dc4", "0x104dc4"]


def test_the_limit_can_be_written_while_the_module_runs_until_it_is_kept_by_node() -> None:
    old, new = (TtmPool(Buddy.fresh("64MiB", release=r, engine="python")) for r in ("6.12", "7.3"))
    for pool in (old, new):
        first, second = pool.alloc(600, "wc"), pool.alloc(8, "wc")
        pool.free(first)
        changed = pool.set_page_pool_size(64)
        assert changed is (pool is old)
        assert pool.pooled_pages == 600, "a new limit takes effect at the next free"
        pool.free(second)
        assert (pool.pooled_pages <= 64) is changed
        with pytest.raises(TtmError, match="no number of pages"):
            pool.set_page_pool_size(-1)
    old.set_page_pool_size(0)
    assert old.state.limit.tolist() == [8192]
