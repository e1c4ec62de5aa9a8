// SPDX-License-Identifier: GPL-2.0
/*
 * Fault injection, the reported mechanism: KVM looks a page up, finds that the fault went stale meanwhile, and drops
 * a reference that it does not hold (the never merged series "allow mapping non-refcounted pages", version 11, on a
 * kernel with commit d02c357e5bfa).  Here one put_page() is added when, and only when, KVM finds a fault stale after
 * the look-up.  Whether that ever happens is up to the guest.
 *
 * How "stale after the look-up" is seen, by release:
 *	6.8 to 6.12	kvm_release_pfn_clean() called by kvm_faultin_pfn(): only its second check does that.  Exact, and
 *			call stacks stay as they are.
 *	before 6.8	kvm_release_pfn_clean() called by direct_page_fault() after the VM's invalidation sequence moved
 *			since the look-up.  There the check is made under mmu_lock.
 *	since 6.13	kvm_mmu_faultin_pfn() returns RET_PF_RETRY and __kvm_faultin_pfn() gave it a page in between.  The
 *			release is inlined, so this takes probes on returns, and the two functions' frames are missing from
 *			call stacks.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/swap.h>
#include <linux/version.h>
#include "klab.h"

static int stale_mode;
module_param(stale_mode, int, 0444);
MODULE_PARM_DESC(stale_mode, "1: inject");
static int stale_left;
module_param(stale_left, int, 0644);
MODULE_PARM_DESC(stale_left, "how many more references to drop");
static int stale_zero;
module_param(stale_zero, int, 0644);
MODULE_PARM_DESC(stale_zero, "1: the zero page is not spared");
static int stale_driver;
module_param(stale_driver, int, 0444);
MODULE_PARM_DESC(stale_driver, "1: only drivers' pages, anonymous pages are spared; since 6.13 also those without reference");
static int stale_touch;
module_param(stale_touch, int, 0644);
MODULE_PARM_DESC(stale_touch, "1: mark the page accessed as well, where KVM's own release of a stale page does not");
static int stale_lookups, stale_seen, stale_seen_zero, stale_puts, stale_spared;
module_param(stale_lookups, int, 0444);
module_param(stale_seen, int, 0444);
module_param(stale_seen_zero, int, 0444);
module_param(stale_puts, int, 0444);
module_param(stale_spared, int, 0444);

/* What is known of the fault that a task is in. A vCPU's task keeps its slot until the module goes. */
struct fault_state {
	struct task_struct *task;
	struct kvm_vcpu *vcpu;
	u64 gfn, seq;
	struct page *page;	/* since 6.13: what the look-up returned */
	bool inside;
};
static struct fault_state states[64];

static struct fault_state *state_of(struct task_struct *task, bool claim)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		struct task_struct *owner = READ_ONCE(states[i].task);

		if (owner == task || (claim && !owner && !cmpxchg(&states[i].task, NULL, task)))
			return &states[i];
		if (!owner && !claim)
			break;
	}
	return NULL;
}

/* The page whose counter KVM changes for a pfn: none for reserved pages, except the zero page. */
static struct page *counted_page(kvm_pfn_t pfn)
{
	struct page *page;

	if (is_error_noslot_pfn(pfn) || !pfn_valid(pfn))
		return NULL;
	page = pfn_to_page(pfn);
	return !PageReserved(page) || is_zero_pfn(pfn) ? page : NULL;
}

static struct fault_state *fault_begins(struct pt_regs *regs)
{
	struct fault_state *st = state_of(current, true);

	if (!st)
		return NULL;
	st->vcpu = (struct kvm_vcpu *)regs->di;
	st->gfn = *(u64 *)regs->si >> PAGE_SHIFT;	/* struct kvm_page_fault begins with the address */
	st->seq = st->vcpu->kvm->mmu_invalidate_seq;
	st->page = NULL;
	st->inside = true;
	return st;
}

static void found_stale(struct fault_state *st, struct page *page)
{
	bool zero = is_zero_pfn(page_to_pfn(page));
	bool put = stale_left > 0 && (stale_driver ? !zero && !PageAnon(page) : !zero || stale_zero);
	/* with stale_driver the anonymous pages of the other vCPU are only counted */
	struct klab_record *rec = put || !stale_driver ? klab_log(put ? "stale_put" : "stale_spared") : NULL;

	stale_seen++;
	stale_seen_zero += zero;
	klab_log_page(rec, page);
	if (rec) {
		rec->vcpu = st->vcpu->vcpu_id;
		rec->gfn = st->gfn;
		rec->seq_before = st->seq;
		rec->seq_after = st->vcpu->kvm->mmu_invalidate_seq;
	}
	if (!put) {
		stale_spared++;
		return;
	}
	stale_left--;
	stale_puts++;
	if (stale_touch)
		mark_page_accessed(page);
	put_page(page);
	if (rec)
		rec->ref_after = rec->ref_before - 1;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define OUTER "kvm_faultin_pfn"
#else
#define OUTER "direct_page_fault"
#endif

static int outer_entry(struct kprobe *probe, struct pt_regs *regs)
{
	fault_begins(regs);
	return 0;
}

static int lookup_entry(struct kprobe *probe, struct pt_regs *regs)
{
	struct fault_state *st = state_of(current, false);

	stale_lookups += st && st->inside;
	return 0;
}

static bool called_by_outer(struct pt_regs *regs)
{
	char name[KSYM_SYMBOL_LEN];
	size_t n = strlen(OUTER);

	sprint_symbol_no_offset(name, *(unsigned long *)regs->sp);
	return !strncmp(name, OUTER, n) && (name[n] == ' ' || name[n] == '.' || !name[n]);
}

static int release_entry(struct kprobe *probe, struct pt_regs *regs)
{
	struct fault_state *st = state_of(current, false);
	struct page *page = counted_page(regs->di);

	if (!st || !st->inside)
		return 0;
	st->inside = false;
	if (page && called_by_outer(regs) &&
	    (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0) || st->vcpu->kvm->mmu_invalidate_seq != st->seq))
		found_stale(st, page);
	return 0;
}

static struct kprobe outer = { .symbol_name = OUTER, .pre_handler = outer_entry };
static struct kprobe lookup = { .symbol_name = "__gfn_to_pfn_memslot", .pre_handler = lookup_entry };
static struct kprobe release = { .symbol_name = "kvm_release_pfn_clean", .pre_handler = release_entry };
static struct kprobe *const probes[] = { &outer, &lookup, &release };
#define add_probes register_kprobes
#define remove_probes unregister_kprobes

#else
#define FAULT_RETRY 1	/* RET_PF_RETRY, private to KVM */

static int outer_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return !fault_begins(regs);
}

static int outer_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct fault_state *st = state_of(current, false);

	if (!st || !st->inside)
		return 0;
	st->inside = false;
	if (st->page && (int)regs_return_value(regs) == FAULT_RETRY)
		found_stale(st, st->page);
	return 0;
}

static int lookup_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct fault_state *st = state_of(current, false);

	*(unsigned long *)ri->data = regs->r8;	/* where the page will be stored */
	return !st || !st->inside;
}

static int lookup_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct fault_state *st = state_of(current, false);

	stale_lookups++;
	st->page = counted_page(regs_return_value(regs));
	/* KVM has no reference on what came from a PFNMAP mapping; a release by pfn drops one all the same */
	if (st->page && !stale_driver)
		st->page = **(struct page ***)ri->data;
	return 0;
}

static struct kretprobe outer = {
	.kp.symbol_name = "kvm_mmu_faultin_pfn",
	.entry_handler = outer_entry,
	.handler = outer_return,
	.maxactive = 64,
};
static struct kretprobe lookup = {
	.kp.symbol_name = "__kvm_faultin_pfn",
	.entry_handler = lookup_entry,
	.handler = lookup_return,
	.data_size = sizeof(unsigned long),
	.maxactive = 64,
};
static struct kretprobe *const probes[] = { &outer, &lookup };
#define add_probes register_kretprobes
#define remove_probes unregister_kretprobes
#endif

int klab_stale_init(void)
{
	int r;

	if (!stale_mode)
		return 0;
	r = add_probes((void *)probes, ARRAY_SIZE(probes));
	if (r)
		pr_err("klab: KVM's functions cannot be probed (is kvm loaded?): %d\n", r);
	return r;
}

void klab_stale_exit(void)
{
	if (stale_mode)
		remove_probes((void *)probes, ARRAY_SIZE(probes));
}
