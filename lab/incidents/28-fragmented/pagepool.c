// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with a pool of single pages, of which it gives back every other one: what is free then is in pieces, and what
 * lies between cannot be moved. Writing an order to /proc/pagepool asks for so large a piece.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

static LIST_HEAD(pool);

static noinline struct page *pool_grow_ring(unsigned int order)
{
	return alloc_pages(GFP_KERNEL | __GFP_NORETRY, order);
}

static ssize_t pool_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	unsigned int order;
	struct page *page;
	int error = kstrtouint_from_user(from, size, 10, &order);

	if (error)
		return error;
	page = pool_grow_ring(order);
	if (!page)
		return -ENOMEM;
	__free_pages(page, order);
	return size;
}

static const struct proc_ops pool_ops = { .proc_write = pool_write };

static int __init pool_init(void)
{
	struct page *page, *next;
	unsigned int order;

	for (;;) {
		page = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			break;
		list_add(&page->lru, &pool);
		cond_resched();
	}
	/* By its number, so that two neighbours are never free together. */
	list_for_each_entry_safe(page, next, &pool, lru) {
		if (!(page_to_pfn(page) & 1))
			continue;
		list_del(&page->lru);
		__free_page(page);
	}
	/* What is still in one piece goes, too. */
	for (order = 9; order > 2;) {
		page = alloc_pages(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, order);
		if (!page)
			order--;
	}
	return proc_create("pagepool", 0600, NULL, &pool_ops) ? 0 : -ENOMEM;
}

module_init(pool_init);
MODULE_LICENSE("GPL");
