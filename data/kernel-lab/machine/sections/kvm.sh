# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# A guest reads and writes each kind of page behind each kind of mapping, and pages of the TTM pool.
mkdir -p "$C/kvm"
need_kvm
need_klab
need_klttm
for file in /sys/module/kvm/parameters/* /sys/module/kvm_amd/parameters/*; do
    echo "$file $(cat "$file")"
done >"$C/kvm/params.txt" 2>/dev/null
export KL_CPU=1
[ -n "$MMIO_PFN" ] && export KL_MMIO_PFN="$MMIO_PFN"
trace_on kvm kvmmmu
step "the matrix" kvm/matrix.jsonl timeout 240 kl kvm
trace_off kvm/ftrace_kvm.txt
trace_on kvm kvmmmu
step "9 pages, write-combined" kvm/ttm_n9_wc.txt timeout 120 kl kvmttm 9 1
step "512 pages, cached" kvm/ttm_n512_cached.txt timeout 120 kl kvmttm 512 2
step "2025 pages, write-combined" kvm/ttm_n2025_wc.txt timeout 120 kl kvmttm 2025 1
trace_off kvm/ftrace_kvm_ttm.txt
if [ -d "$T/events/page_ref" ]; then
    trace_on page_ref kvm kvmmmu
    # shellcheck disable=SC2016
    step "the matrix with page_ref" kvm/matrix_pageref.jsonl \
        sh -c 'echo $$ >/sys/kernel/tracing/set_event_pid; exec timeout 240 kl kvm'
    trace_off kvm/ftrace_page_ref.txt
    echo >"$T/set_event_pid"
fi
unset KL_CPU KL_MMIO_PFN
flush
