// SPDX-License-Identifier: GPL-2.0
/*
 * klab - page lab for throw-away virtual machines.  Allocates pages in the ways drivers do, maps them to user space in
 * the ways drivers do, shows the counters of struct page and the free lists, and can drop references that are not its
 * own.  Never load it on a machine that you want to keep.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "klab.h"

static struct dentry *klab_dir;

static int klab_open(struct inode *inode, struct file *filp)
{
	struct klab_file *kf = kzalloc(sizeof(*kf), GFP_KERNEL);

	if (!kf)
		return -ENOMEM;
	mutex_init(&kf->lock);
	kf->filp = filp;
	filp->private_data = kf;
	return 0;
}

static int klab_release(struct inode *inode, struct file *filp)
{
	struct klab_file *kf = filp->private_data;

	vfree(kf->pfns);
	kfree(kf);
	return 0;
}

static long klab_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	void __user *up = (void __user *)arg;

	switch (cmd) {
	case KLAB_IOC_MAP:
	case KLAB_IOC_ZAP:
		return klab_map_ioctl(filp->private_data, cmd, up);
	case KLAB_IOC_FRAG:
	case KLAB_IOC_UNFRAG:
		return klab_frag_ioctl(cmd, up);
	case KLAB_IOC_LISTS:
		return klab_lists_take();
	case KLAB_IOC_DRAIN:
		return klab_lists_drain();
	default:
		return klab_pages_ioctl(cmd, up);
	}
}

static const struct file_operations klab_fops = {
	.owner = THIS_MODULE,
	.open = klab_open,
	.release = klab_release,
	.unlocked_ioctl = klab_ioctl,
	.mmap = klab_mmap,
};

static struct miscdevice klab_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "klab",
	.fops = &klab_fops,
	.mode = 0600,
};

static int __init klab_init(void)
{
	int r;

	klab_dir = debugfs_create_dir("klab", NULL);
	r = klab_log_init(klab_dir);
	if (r)
		goto out_dir;
	r = klab_lists_init(klab_dir);
	if (r)
		goto out_log;
	r = klab_put_init();
	if (r)
		goto out_lists;
	r = klab_stale_init();
	if (r)
		goto out_put;
	r = klab_watch_init();
	if (r)
		goto out_stale;
	r = misc_register(&klab_misc);
	if (r)
		goto out_watch;
	return 0;
out_watch:
	klab_watch_exit();
out_stale:
	klab_stale_exit();
out_put:
	klab_put_exit();
out_lists:
	klab_lists_exit();
out_log:
	klab_log_exit();
out_dir:
	debugfs_remove(klab_dir);
	return r;
}

static void __exit klab_exit(void)
{
	misc_deregister(&klab_misc);
	klab_watch_exit();
	klab_stale_exit();
	klab_put_exit();
	klab_frag_undo();
	debugfs_remove(klab_dir);
	klab_lists_exit();
	klab_log_exit();
}

module_init(klab_init);
module_exit(klab_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("page lab for throw-away virtual machines");
