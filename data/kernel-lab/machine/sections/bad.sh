# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# The plain injections: one put too many at the first release of each page for KVM (or, with ONCE=0, at every one), or
# on pages of a process that no guest ever saw. Parameters come from the run: COMMAND ONCE LRU_GEN.
mkdir -p "$C/bad"
need_kvm
symbol=kvm_release_pfn_clean
is_page=0
if ! grep -q " $symbol" /proc/kallsyms; then
    symbol=kvm_release_page_dirty
    is_page=1
fi
insmod /lab/klab.ko watch=1 put_symbol="$symbol" put_is_page="$is_page" put_once="$ONCE"
say "klab with a probe at $symbol: status $?"
lru_gen "$LRU_GEN" >"$C/bad/lru_gen.txt"
dmesg -c >"$C/bad/before.dmesg.txt"
echo "lab: bad begins: $COMMAND, probe at $symbol, once $ONCE" >/dev/kmsg
# shellcheck disable=SC2086
KL_HOLD=900 KL_CPU=1 kl $COMMAND >"$C/bad/bad.jsonl" 2>"$C/bad/bad.err" &
damaged=$!
wait_for_output "$C/bad/bad.jsonl" "$damaged"
cat /sys/module/klab/parameters/put_done >"$C/bad/extra_puts.txt"
dmesg -c >"$C/bad/dmesg.txt"
cat /sys/kernel/debug/klab/log >"$C/bad/log.jsonl"
say "bad: $(grep -c 'Bad page state in' "$C/bad/dmesg.txt") shown"
snapshot bad/after
flush
# last: the damaged process ends; it may stop the machine
kill -9 "$damaged"
sleep 3
dmesg -c >"$C/bad/exit.dmesg.txt"
