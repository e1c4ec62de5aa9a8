// SPDX-License-Identifier: GPL-2.0
/* Pages: allocate, free, look at, take and drop references, read and write one word. */
#include <linux/highmem.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/uaccess.h>
#include "klab.h"

void klab_fill_info(struct klab_info *info)
{
	struct page *page, *head;

	BUILD_BUG_ON(sizeof(struct page) != sizeof(info->raw));
	if (!pfn_valid(info->pfn)) {
		info->bits = KLAB_B_INVALID;
		return;
	}
	page = pfn_to_page(info->pfn);
	head = compound_head(page);
	info->refcount = page_ref_count(page);
	info->head_refcount = page_count(page);
	info->mapcount_raw = atomic_read(&page->_mapcount);
	info->head_pfn = page_to_pfn(head);
	info->private_ = page->private;
	info->bits = (PageCompound(page) ? KLAB_B_COMPOUND : 0) |
		     (PageHead(page) ? KLAB_B_HEAD : 0) |
		     (PageTail(page) ? KLAB_B_TAIL : 0) |
		     (PageReserved(page) ? KLAB_B_RESERVED : 0) |
		     (PageAnon(page) ? KLAB_B_ANON : 0) |
		     (PageLRU(page) ? KLAB_B_LRU : 0) |
		     (PageBuddy(page) ? KLAB_B_BUDDY : 0);
	memcpy(info->raw, page, sizeof(info->raw));
}

static long alloc_block(struct klab_alloc *a)
{
	gfp_t gfp = GFP_USER | __GFP_NOWARN | __GFP_ZERO;
	struct page *page;
	unsigned int i;

	gfp |= (a->flags & KLAB_A_DMA32) ? GFP_DMA32 : __GFP_HIGHMEM;
	if (a->flags & KLAB_A_COMP)
		gfp |= __GFP_COMP;
	page = alloc_pages(gfp, a->order);
	if (!page)
		return -ENOMEM;
	if (a->flags & KLAB_A_SPLIT)
		split_page(page, a->order);
	if (a->flags & KLAB_A_RESERVED)
		for (i = 0; i < (1u << a->order); i++)
			SetPageReserved(page + i);
	a->pfn = page_to_pfn(page);
	return 0;
}

static long free_block(const struct klab_alloc *a)
{
	struct page *page;
	unsigned int i;

	if (!pfn_valid(a->pfn))
		return -EINVAL;
	page = pfn_to_page(a->pfn);
	if (a->flags & KLAB_A_RESERVED)
		for (i = 0; i < (1u << a->order); i++)
			ClearPageReserved(page + i);
	if (a->flags & KLAB_A_SPLIT) {
		for (i = 0; i < (1u << a->order); i++)
			__free_pages(page + i, 0);
		return 0;
	}
	__free_pages(page, a->order);
	return 0;
}

static long word(struct klab_word *w, bool write)
{
	u32 *at;

	if (!pfn_valid(w->pfn) || w->offset > PAGE_SIZE - 4 || w->offset % 4)
		return -EINVAL;
	at = kmap_local_page(pfn_to_page(w->pfn)) + w->offset;
	if (write)
		WRITE_ONCE(*at, w->value);
	else
		w->value = READ_ONCE(*at);
	kunmap_local(at);
	return 0;
}

static long count_ioctl(unsigned int cmd, u64 __user *up)
{
	u64 pfn;

	if (get_user(pfn, up))
		return -EFAULT;
	if (!pfn_valid(pfn))
		return -EINVAL;
	if (cmd == KLAB_IOC_PUT)
		put_page(pfn_to_page(pfn));
	else
		get_page(pfn_to_page(pfn));
	return 0;
}

long klab_pages_ioctl(unsigned int cmd, void __user *up)
{
	union {
		struct klab_alloc alloc;
		struct klab_info info;
		struct klab_word word;
	} u;
	size_t size = _IOC_SIZE(cmd);
	long r = 0;

	switch (cmd) {
	case KLAB_IOC_PUT:
	case KLAB_IOC_GET:
		return count_ioctl(cmd, up);
	case KLAB_IOC_ALLOC:
	case KLAB_IOC_FREE:
	case KLAB_IOC_INFO:
	case KLAB_IOC_PEEK:
	case KLAB_IOC_POKE:
		break;
	default:
		return -ENOTTY;
	}
	if (copy_from_user(&u, up, size))
		return -EFAULT;
	switch (cmd) {
	case KLAB_IOC_ALLOC:
		r = alloc_block(&u.alloc);
		break;
	case KLAB_IOC_FREE:
		r = free_block(&u.alloc);
		break;
	case KLAB_IOC_INFO:
		klab_fill_info(&u.info);
		break;
	default:
		r = word(&u.word, cmd == KLAB_IOC_POKE);
	}
	if (!r && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(up, &u, size))
		return -EFAULT;
	return r;
}
