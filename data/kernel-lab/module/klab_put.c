// SPDX-License-Identifier: GPL-2.0
/*
 * Fault injection, the plain form: one put_page() too many on anonymous pages at the entry of a function that releases
 * a page for KVM.  Says nothing about why; see klab_stale.c for the reported mechanism.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include "klab.h"

static char *put_symbol = "";
module_param(put_symbol, charp, 0444);
MODULE_PARM_DESC(put_symbol, "function whose entry drops one extra reference");
static int put_is_page;
module_param(put_is_page, int, 0444);
MODULE_PARM_DESC(put_is_page, "0: its first argument is a pfn, 1: a struct page");
static int put_left;
module_param(put_left, int, 0644);
MODULE_PARM_DESC(put_left, "how many more references to drop");
static int put_done;
module_param(put_done, int, 0444);
static int put_once = 1;
module_param(put_once, int, 0644);
MODULE_PARM_DESC(put_once, "1: at most once in a row for the same page");

static struct page *put_last;

static int put_entry(struct kprobe *probe, struct pt_regs *regs)
{
	struct klab_record *rec;
	struct page *page;

	if (put_left <= 0)
		return 0;
	if (put_is_page)
		page = (struct page *)regs->di;
	else
		page = pfn_valid(regs->di) ? pfn_to_page(regs->di) : NULL;
	/* the zero page and drivers' pages are left alone */
	if (!page || PageReserved(page) || !PageAnon(page) || (put_once && page == put_last))
		return 0;
	put_last = page;
	put_left--;
	put_done++;
	rec = klab_log("extra_put");
	klab_log_page(rec, page);
	put_page(page);
	if (rec)
		rec->ref_after--;
	return 0;
}

static struct kprobe put_probe = { .pre_handler = put_entry };

int klab_put_init(void)
{
	int r;

	if (!put_symbol[0])
		return 0;
	put_probe.symbol_name = put_symbol;
	r = register_kprobe(&put_probe);
	if (r)
		pr_err("klab: no probe at %s: %d\n", put_symbol, r);
	else
		pr_info("klab: extra put at %s\n", put_symbol);
	return r;
}

void klab_put_exit(void)
{
	if (put_symbol[0])
		unregister_kprobe(&put_probe);
}
