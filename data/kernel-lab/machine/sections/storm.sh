# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# The guest walks by itself over fresh memory while klab injects, or does not. Parameters come from the run:
# VCPUS PAGES ACCESS MEMORY STALE_LEFT STALE_ZERO STALE_TOUCH LRU_GEN, and PAUSE. The damaged process is kept alive until all is sent back.
mkdir -p "$C/storm"
need_kvm
lru_gen "$LRU_GEN" >"$C/storm/lru_gen.txt"
insmod /lab/klab.ko watch=1 stale_mode=1 stale_zero="$STALE_ZERO" stale_touch="$STALE_TOUCH"
say "klab: status $?"
dmesg -c >"$C/storm/before.dmesg.txt"
[ -d "$T/events/page_ref" ] && trace_on page_ref kvm/kvm_page_fault kvmmmu/kvm_mmu_set_spte
echo "lab: storm begins: $VCPUS vCPUs, $PAGES pages, access $ACCESS, memory $MEMORY, at most $STALE_LEFT puts" >/dev/kmsg
KL_HOLD=900 KL_LEFT="$STALE_LEFT" KL_PAUSE="${PAUSE:-0}" KL_CPU="$VCPUS" kl storm "$VCPUS" "$PAGES" "$ACCESS" "$MEMORY" >"$C/storm/storm.jsonl" 2>"$C/storm/storm.err" &
walker=$!
wait_for_output "$C/storm/storm.jsonl" "$walker" $((60 + ${PAUSE:-0}))
[ -d "$T/events/page_ref" ] && trace_off storm/ftrace_page_ref.txt
dmesg -c >"$C/storm/dmesg.txt"
cat /sys/kernel/debug/klab/log >"$C/storm/log.jsonl"
for parameter in /sys/module/klab/parameters/stale_*; do
    echo "${parameter##*/} $(cat "$parameter")"
done >"$C/storm/counts.txt"
say "storm: $(grep -c 'Bad page state in' "$C/storm/dmesg.txt") shown, $(grep -c '"bad_page"' "$C/storm/log.jsonl") bad pages"
snapshot storm/after
flush
# last: the damaged process ends, and what that prints; it may stop the machine
kill -9 "$walker"
sleep 3
dmesg -c >"$C/storm/exit.dmesg.txt"
tail -n +$(($(wc -l <"$C/storm/log.jsonl") + 1)) /sys/kernel/debug/klab/log >"$C/storm/log_exit.jsonl"
say "storm: $(wc -l <"$C/storm/exit.dmesg.txt") lines after the end of the process"
