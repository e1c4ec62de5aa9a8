// SPDX-License-Identifier: GPL-2.0
/* klttm - calls the kernel's own ttm_pool_alloc() and ttm_pool_free() and reports struct page's counters. */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/page_ref.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <drm/drm_vma_manager.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#include <drm/ttm/ttm_bo.h>
#else
#include <drm/ttm/ttm_bo_api.h>
#endif
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_pool.h>
#include <drm/ttm/ttm_tt.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#include <drm/ttm/ttm_allocation.h>
#endif
#include "klab.h"

#define NHANDLES 64
static struct platform_device *pdev;
static struct drm_vma_offset_manager vman;
static struct ttm_device bdev;
static struct ttm_device_funcs funcs;
static struct ttm_tt *tts[NHANDLES];
static struct ttm_tt *prepared;
static DEFINE_MUTEX(lock);
static int dma_alloc;
module_param(dma_alloc, int, 0444);
static int dma32;
module_param(dma32, int, 0444);

static void fill(struct klab_info *info, struct page *page)
{
	memset(info, 0, sizeof(*info));
	info->pfn = page_to_pfn(page);
	info->refcount = page_ref_count(page);
	info->head_refcount = page_count(page);
	info->mapcount_raw = atomic_read(&page->_mapcount);
	info->head_pfn = page_to_pfn(compound_head(page));
	info->private_ = page->private;
	info->bits = (PageCompound(page) ? KLAB_B_COMPOUND : 0) |
		     (PageReserved(page) ? KLAB_B_RESERVED : 0) |
		     (PageLRU(page) ? KLAB_B_LRU : 0);
	memcpy(info->raw, page, sizeof(info->raw));
}

static void forget(struct ttm_tt *tt)
{
	kvfree(tt->dma_address);
	kvfree(tt->pages);
	kfree(tt);
}

static struct ttm_tt *make(const struct klttm_alloc *a)
{
	struct ttm_tt *tt = kzalloc(sizeof(*tt), GFP_KERNEL);

	if (!tt)
		return NULL;
	tt->pages = kvcalloc(a->npages, sizeof(*tt->pages), GFP_KERNEL);
	if (dma_alloc)
		tt->dma_address = kvcalloc(a->npages, sizeof(dma_addr_t), GFP_KERNEL);
	if (!tt->pages || (dma_alloc && !tt->dma_address)) {
		forget(tt);
		return NULL;
	}
	tt->num_pages = a->npages;
	tt->caching = a->caching;
	tt->page_flags = a->page_flags;
	return tt;
}

static long report(const struct ttm_tt *tt, u64 recs)
{
	struct klab_info info;
	u32 i;

	for (i = 0; i < tt->num_pages; i++) {
		fill(&info, tt->pages[i]);
		if (copy_to_user(u64_to_user_ptr(recs + i * sizeof(info)), &info, sizeof(info)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

static void drop_prepared(void)
{
	if (prepared)
		forget(prepared);
	prepared = NULL;
}

static long do_prepare(const struct klttm_alloc *a)
{
	if (!a->npages || a->npages > 262144 || a->caching > 2)
		return -EINVAL;
	drop_prepared();
	prepared = make(a);
	return prepared ? 0 : -ENOMEM;
}

/* What was prepared, if it is of the size and mode that are asked for, or else a new one. */
static struct ttm_tt *take(const struct klttm_alloc *a)
{
	struct ttm_tt *tt = prepared;

	if (!tt || tt->num_pages != a->npages || tt->caching != a->caching || tt->page_flags != a->page_flags)
		return make(a);
	prepared = NULL;
	return tt;
}

static long do_alloc(struct klttm_alloc *a)
{
	struct ttm_operation_ctx ctx = { };
	struct ttm_tt *tt;
	u32 handle;

	if (!a->npages || a->npages > 262144 || a->caching > 2)
		return -EINVAL;
	for (handle = 0; handle < NHANDLES && tts[handle]; handle++)
		;
	if (handle == NHANDLES)
		return -EMFILE;
	tt = take(a);
	if (!tt)
		return -ENOMEM;
	if (a->take_lists)
		klab_lists_take();
	a->ret = ttm_pool_alloc(&bdev.pool, tt, &ctx);
	if (a->ret) {
		forget(tt);
		return 0;
	}
	tts[handle] = tt;
	a->handle = handle;
	return a->recs ? report(tt, a->recs) : 0;
}

static long do_free(u32 handle)
{
	if (handle >= NHANDLES || !tts[handle])
		return -EINVAL;
	ttm_pool_free(&bdev.pool, tts[handle]);
	forget(tts[handle]);
	tts[handle] = NULL;
	return 0;
}

static long klttm_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	void __user *up = (void __user *)arg;
	struct klttm_alloc a;
	u32 handle;
	long r;

	switch (cmd) {
	case KLTTM_IOC_ALLOC:
	case KLTTM_IOC_PREPARE:
		if (copy_from_user(&a, up, sizeof(a)))
			return -EFAULT;
		mutex_lock(&lock);
		r = cmd == KLTTM_IOC_ALLOC ? do_alloc(&a) : do_prepare(&a);
		mutex_unlock(&lock);
		if (!r && cmd == KLTTM_IOC_ALLOC && copy_to_user(up, &a, sizeof(a)))
			return -EFAULT;
		return r;
	case KLTTM_IOC_FREE:
		if (get_user(handle, (u32 __user *)up))
			return -EFAULT;
		mutex_lock(&lock);
		r = do_free(handle);
		mutex_unlock(&lock);
		return r;
	}
	return -ENOTTY;
}

static const struct file_operations klttm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = klttm_ioctl,
};

static struct miscdevice klttm_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "klttm",
	.fops = &klttm_fops,
	.mode = 0600,
};

static int start_ttm(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	return ttm_device_init(&bdev, &funcs, &pdev->dev, NULL, &vman,
			       (dma_alloc ? TTM_ALLOCATION_POOL_USE_DMA_ALLOC : 0) |
			       (dma32 ? TTM_ALLOCATION_POOL_USE_DMA32 : 0));
#else
	return ttm_device_init(&bdev, &funcs, &pdev->dev, NULL, &vman, dma_alloc, dma32);
#endif
}

static int __init klttm_init(void)
{
	int r;

	pdev = platform_device_register_simple("klttm", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	r = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(dma32 ? 32 : 64));
	if (r)
		goto out_dev;
	drm_vma_offset_manager_init(&vman, DRM_FILE_PAGE_OFFSET_START, DRM_FILE_PAGE_OFFSET_SIZE);
	r = start_ttm();
	if (r)
		goto out_vma;
	r = misc_register(&klttm_misc);
	if (r)
		goto out_ttm;
	return 0;
out_ttm:
	ttm_device_fini(&bdev);
out_vma:
	drm_vma_offset_manager_destroy(&vman);
out_dev:
	platform_device_unregister(pdev);
	return r;
}

static void __exit klttm_exit(void)
{
	u32 handle;

	misc_deregister(&klttm_misc);
	for (handle = 0; handle < NHANDLES; handle++)
		do_free(handle);
	drop_prepared();
	ttm_device_fini(&bdev);
	drm_vma_offset_manager_destroy(&vman);
	platform_device_unregister(pdev);
}

module_init(klttm_init);
module_exit(klttm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("drives the kernel's TTM page pool from user space");
