# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# ttm_pool_alloc() on memory that was broken up: order-0 pages kept at every 2^STRIDE-th frame. Before each allocation
# all that decides it is recorded: the free lists in list order (taken by the module just before the call), kpageflags,
# buddyinfo, pagetypeinfo, zoneinfo; the pool is emptied by loading klttm anew for each stride.
mkdir -p "$C/frag"
need_klab
# khugepaged raises this to some 45 MB: that reserve would stay in whole order-10 blocks
echo 1024 >/proc/sys/vm/min_free_kbytes
cat >/tmp/one_stride.sh <<'END'
. /lab/library.sh
for case in 1000:2 8100:2 8100:1; do
    npages=${case%:*}
    caching=${case#*:}
    to=frag/stride$1/n${npages}_caching$caching
    snapshot "$to"
    rm -f "$C/$to/iomem.txt" "$C/$to/vmstat.txt"
    gzip -c </proc/kpageflags >"$C/$to/kpageflags.bin.gz"
    TRACE_KB=16384 trace_on kmem/mm_page_alloc kmem/mm_page_alloc_extfrag kmem/mm_page_pcpu_drain
    echo 0 >"$T/tracing_on"
    KL_TRACE=1 KL_CPU=1 kl ttmblocks "$npages" "$caching" 1 >"$C/$to/blocks.txt" 2>&1
    trace_off "$to/ftrace_kmem.txt"
    cat /sys/kernel/debug/klab/free_lists >"$C/$to/free_lists.txt"
    cat /proc/buddyinfo >"$C/$to/buddyinfo_after.txt"
    cat /sys/kernel/debug/ttm/page_pool >"$C/$to/page_pool_after.txt"
done
END
for stride in $STRIDES; do
    need_klttm
    if [ "$stride" = none ]; then
        sh /tmp/one_stride.sh none >"$C/frag/stride_none.txt" 2>&1
    else
        free_pages=$(awk '/MemFree/{print int($2/4)}' /proc/meminfo)
        kl frag "$free_pages" "$stride" sh /tmp/one_stride.sh "$stride" >"$C/frag/stride_$stride.txt" 2>&1
    fi
    say "stride $stride: status $?, $(head -n 1 "$C/frag/stride_$stride.txt")"
    rmmod klttm
done
flush
