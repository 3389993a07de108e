// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that keeps a table for each session and forgets those that have ended: writing a number to /proc/sessdrv takes
 * that many tables with vmalloc().
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

static unsigned int pages = 16;
module_param(pages, uint, 0400);
static unsigned long areas;
module_param(areas, ulong, 0400);

static noinline void *session_open(void)
{
	u64 *table = vmalloc((unsigned long)pages << PAGE_SHIFT);

	if (table)
		table[0] = areas++;
	return table;
}

static ssize_t sessdrv_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	unsigned int wanted;
	int error = kstrtouint_from_user(from, size, 10, &wanted);

	if (error)
		return error;
	while (wanted--) {
		if (!session_open())
			return -ENOMEM;
		cond_resched();
	}
	return size;
}

static const struct proc_ops sessdrv_ops = { .proc_write = sessdrv_write };

static int __init sessdrv_init(void)
{
	return proc_create("sessdrv", 0600, NULL, &sessdrv_ops) ? 0 : -ENOMEM;
}

module_init(sessdrv_init);
MODULE_LICENSE("GPL");
