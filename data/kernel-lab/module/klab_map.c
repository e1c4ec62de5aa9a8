// SPDX-License-Identifier: GPL-2.0
/* Mappings: chosen pages shown to user space in the three ways that drivers use. */
#include <linux/pagemap.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include "klab.h"

long klab_map_ioctl(struct klab_file *kf, unsigned int cmd, void __user *up)
{
	struct klab_map m;
	u64 *pfns;

	if (cmd == KLAB_IOC_ZAP) {
		/* what a driver has to do before it frees: mappings and, through the MMU notifier, SPTEs go */
		unmap_mapping_range(kf->filp->f_mapping, 0, 0, 1);
		return 0;
	}
	if (copy_from_user(&m, up, sizeof(m)))
		return -EFAULT;
	if (!m.npages || m.npages > 65536)
		return -EINVAL;
	pfns = vmalloc(array_size(m.npages, sizeof(u64)));
	if (!pfns)
		return -ENOMEM;
	if (copy_from_user(pfns, u64_to_user_ptr(m.pfns), m.npages * sizeof(u64))) {
		vfree(pfns);
		return -EFAULT;
	}
	mutex_lock(&kf->lock);
	swap(kf->pfns, pfns);
	kf->npages = m.npages;
	kf->kind = m.kind;
	mutex_unlock(&kf->lock);
	vfree(pfns);
	return 0;
}

static vm_fault_t klab_fault(struct vm_fault *vmf)
{
	struct klab_file *kf = vmf->vma->vm_file->private_data;
	vm_fault_t r = VM_FAULT_SIGBUS;

	mutex_lock(&kf->lock);
	if (vmf->pgoff < kf->npages)
		r = vmf_insert_pfn(vmf->vma, vmf->address & PAGE_MASK, kf->pfns[vmf->pgoff]);
	mutex_unlock(&kf->lock);
	return r;
}

static const struct vm_operations_struct klab_vmops_fault = { .fault = klab_fault };
static const struct vm_operations_struct klab_vmops_none = { };

static void set_pfnmap(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
#else
	vma->vm_flags |= VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP;
#endif
}

int klab_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct klab_file *kf = filp->private_data;
	unsigned long n = vma_pages(vma), i, at;
	int r = 0;

	if (!kf->pfns || vma->vm_pgoff || n > kf->npages)
		return -EINVAL;
	vma->vm_ops = &klab_vmops_none;
	switch (kf->kind) {
	case KLAB_M_REMAP:
		for (i = 0, at = vma->vm_start; i < n && !r; i++, at += PAGE_SIZE)
			r = remap_pfn_range(vma, at, kf->pfns[i], PAGE_SIZE, vma->vm_page_prot);
		break;
	case KLAB_M_INSERT:
		for (i = 0, at = vma->vm_start; i < n && !r; i++, at += PAGE_SIZE)
			r = pfn_valid(kf->pfns[i]) ? vm_insert_page(vma, at, pfn_to_page(kf->pfns[i])) : -EINVAL;
		break;
	case KLAB_M_FAULT:
		set_pfnmap(vma);
		vma->vm_ops = &klab_vmops_fault;
		break;
	default:
		r = -EINVAL;
	}
	return r;
}
