# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# The kernel's own ttm_pool_alloc() on memory as it is after boot: every page of a series of sizes and caching modes.
mkdir -p "$C/ttm"
need_klab
need_klttm
lsmod >"$C/ttm/lsmod.txt"
cat /sys/module/ttm/parameters/* >"$C/ttm/params.txt" 2>&1
# never page_pool_shrink or tt_shrink: reading them changes the pool
ls /sys/kernel/debug/ttm >"$C/ttm/debugfs_ls.txt" 2>&1
trace_on kmem/mm_page_alloc kmem/mm_page_free
step "9 pages, write-combined" ttm/n9_wc.txt kl ttm 9 1
step "100 pages, cached" ttm/n100_cached.txt kl ttm 100 2
trace_off ttm/ftrace_kmem_n9wc_n100cached.txt
step "the series" ttm/fresh.txt kl ttmseq
cat /sys/kernel/debug/ttm/page_pool >"$C/ttm/page_pool_end.txt"
flush
