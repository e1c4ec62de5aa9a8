// SPDX-License-Identifier: GPL-2.0
/*
 * Watching, changing nothing: every call of bad_page() with its stack (the kernel prints at most 60 in a minute), every
 * page that enters the LRU and every batch that is moved there.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/stacktrace.h>
#if __has_include(<linux/folio_batch.h>)
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif
#include "klab.h"

static int watch;
module_param(watch, int, 0444);
MODULE_PARM_DESC(watch, "1: log bad_page(), folio_add_lru() and folio_batch_move_lru()");
static int watch_lru;
module_param(watch_lru, int, 0644);
MODULE_PARM_DESC(watch_lru, "1: log the two LRU functions now");

static int bad_page_entry(struct kprobe *probe, struct pt_regs *regs)
{
	struct klab_record *rec = klab_log("bad_page");

	if (!rec)
		return 0;
	klab_log_page(rec, (struct page *)regs->di);
	strscpy(rec->reason, (const char *)regs->si, sizeof(rec->reason));
	rec->nstack = stack_trace_save(rec->stack, KLAB_STACK, 0);
	return 0;
}

static int add_lru_entry(struct kprobe *probe, struct pt_regs *regs)
{
	if (watch_lru)
		klab_log_page(klab_log("folio_add_lru"), (struct page *)regs->di);
	return 0;
}

static int move_lru_entry(struct kprobe *probe, struct pt_regs *regs)
{
	struct folio_batch *batch = (struct folio_batch *)regs->di;
	struct klab_record *rec = watch_lru ? klab_log("folio_batch_move_lru") : NULL;

	if (rec) {
		rec->nr = folio_batch_count(batch);
		rec->func = regs->si;
	}
	return 0;
}

static struct kprobe probes[] = {
	{ .symbol_name = "bad_page", .pre_handler = bad_page_entry },
	{ .symbol_name = "folio_add_lru", .pre_handler = add_lru_entry },
	{ .symbol_name = "folio_batch_move_lru", .pre_handler = move_lru_entry },
};
static bool watching[ARRAY_SIZE(probes)];

int klab_watch_init(void)
{
	int i, r;

	for (i = 0; watch && i < ARRAY_SIZE(probes); i++) {
		r = register_kprobe(&probes[i]);
		watching[i] = !r;
		if (r)
			pr_warn("klab: %s cannot be watched: %d\n", probes[i].symbol_name, r);
	}
	return 0;
}

void klab_watch_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (watching[i])
			unregister_kprobe(&probes[i]);
}
