// SPDX-License-Identifier: GPL-2.0
/*
 * A network card that refills its receive ring in softirq: writing a number to /proc/vnic makes it ask for that many pages
 * at once, as a burst of frames does. They are given back when the frames have been delivered.
 */
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/timer.h>
#include <linux/uaccess.h>

static LIST_HEAD(ring);
static unsigned int wanted;
static unsigned long failed;
module_param(failed, ulong, 0400);

static noinline void vnic_rx_refill(void)
{
	while (wanted--) {
		struct page *page = alloc_page(GFP_ATOMIC);

		if (!page) {
			failed++;
			break;
		}
		list_add(&page->lru, &ring);
	}
}

static void vnic_poll(struct timer_list *timer)
{
	struct page *page, *next;

	vnic_rx_refill();
	list_for_each_entry_safe(page, next, &ring, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static DEFINE_TIMER(vnic_timer, vnic_poll);

static ssize_t vnic_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	int error = kstrtouint_from_user(from, size, 10, &wanted);

	if (error)
		return error;
	mod_timer(&vnic_timer, jiffies + 1);
	return size;
}

static const struct proc_ops vnic_ops = { .proc_write = vnic_write };

static int __init vnic_init(void)
{
	return proc_create("vnic", 0600, NULL, &vnic_ops) ? 0 : -ENOMEM;
}

module_init(vnic_init);
MODULE_LICENSE("GPL");
