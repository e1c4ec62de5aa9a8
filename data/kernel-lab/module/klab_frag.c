// SPDX-License-Identifier: GPL-2.0
/* Fragmentation: take nearly all memory page by page, give back all but every 2^n-th frame. */
#include <linux/gfp.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "klab.h"

static DEFINE_MUTEX(frag_lock);
static struct page **frag_pages;
static unsigned long frag_n;

void klab_frag_undo(void)
{
	unsigned long i;

	mutex_lock(&frag_lock);
	for (i = 0; i < frag_n; i++)
		if (frag_pages[i])
			__free_pages(frag_pages[i], 0);
	vfree(frag_pages);
	frag_pages = NULL;
	frag_n = 0;
	mutex_unlock(&frag_lock);
}

static long frag(struct klab_frag *f)
{
	unsigned long i, kept = 0;

	if (frag_pages)
		return -EBUSY;
	if (f->stride_order > 20)
		return -EINVAL;
	frag_pages = vzalloc(array_size(f->npages, sizeof(*frag_pages)));
	if (!frag_pages)
		return -ENOMEM;
	for (frag_n = 0; frag_n < f->npages; frag_n++) {
		frag_pages[frag_n] = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!frag_pages[frag_n])
			break;
		cond_resched();
	}
	for (i = 0; i < frag_n; i++) {
		if (page_to_pfn(frag_pages[i]) & ((1ul << f->stride_order) - 1)) {
			__free_pages(frag_pages[i], 0);
			frag_pages[i] = NULL;
		} else {
			kept++;
		}
		cond_resched();
	}
	f->npages = kept;
	return 0;
}

long klab_frag_ioctl(unsigned int cmd, void __user *up)
{
	struct klab_frag f;
	long r;

	if (cmd == KLAB_IOC_UNFRAG) {
		klab_frag_undo();
		return 0;
	}
	if (copy_from_user(&f, up, sizeof(f)))
		return -EFAULT;
	mutex_lock(&frag_lock);
	r = frag(&f);
	mutex_unlock(&frag_lock);
	if (!r && copy_to_user(up, &f, sizeof(f)))
		return -EFAULT;
	return r;
}
