// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that takes snapshots: writing "s" to /proc/snapdev takes the mutex and copies into freshly allocated pages,
 * more than there are. It allocates with GFP_NOFS, as code below a filesystem must, so the OOM killer is not asked and
 * the allocator tries for ever. Writing "l" takes the mutex for a moment. Reading tells where it is.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(snap_lock);
static LIST_HEAD(snap_pages);

static noinline void snapdev_copy(void)
{
	unsigned long left = 1 << 20;

	while (left--) {
		struct page *page = alloc_page(GFP_NOFS);

		if (!page)
			break;
		list_add(&page->lru, &snap_pages);
	}
}

static ssize_t snapdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word;

	if (get_user(word, from))
		return -EFAULT;
	mutex_lock(&snap_lock);
	if (word == 's')
		snapdev_copy();
	mutex_unlock(&snap_lock);
	return size;
}

static int snapdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", &snap_lock);
	return 0;
}

static int snapdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, snapdev_show, NULL);
}

static const struct proc_ops snapdev_ops = {
	.proc_open = snapdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = snapdev_write,
};

static int __init snapdev_init(void)
{
	return proc_create("snapdev", 0600, NULL, &snapdev_ops) ? 0 : -ENOMEM;
}

module_init(snapdev_init);
MODULE_LICENSE("GPL");
