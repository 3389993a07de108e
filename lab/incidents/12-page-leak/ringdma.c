// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that takes pages for its rings and forgets them: writing a number to /proc/ringdma takes that many blocks,
 * which are on no list and are never given back. Each begins with a descriptor that points to the driver's own tables, as
 * those of rings do.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

static unsigned int order;
module_param(order, uint, 0400);
static unsigned long pages;
module_param(pages, ulong, 0400);

struct ring_descriptor {
	const void *ops;
	u64 length;
	u64 sequence;
};

static const struct ring_ops {
	void (*complete)(struct ring_descriptor *descriptor);
} ring_ops;

static ssize_t ringdma_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	unsigned int wanted;
	int error = kstrtouint_from_user(from, size, 10, &wanted);

	if (error)
		return error;
	while (wanted--) {
		struct page *page = alloc_pages(GFP_KERNEL, order);
		struct ring_descriptor *descriptor;

		if (!page)
			return -ENOMEM;
		descriptor = page_address(page);
		descriptor->ops = &ring_ops;
		descriptor->length = PAGE_SIZE << order;
		descriptor->sequence = pages;
		pages += 1ul << order;
		cond_resched();
	}
	return size;
}

static const struct proc_ops ringdma_proc = { .proc_write = ringdma_write };

static int __init ringdma_init(void)
{
	return proc_create("ringdma", 0600, NULL, &ringdma_proc) ? 0 : -ENOMEM;
}

module_init(ringdma_init);
MODULE_LICENSE("GPL");
