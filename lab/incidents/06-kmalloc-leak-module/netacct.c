// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that accounts and forgets: writing a number to /proc/netacct allocates that many records, which stay on no
 * list and are never freed.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

static unsigned int bytes = 256;
module_param(bytes, uint, 0400);
static unsigned long records;
module_param(records, ulong, 0400);

static ssize_t netacct_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	unsigned int wanted;
	int error = kstrtouint_from_user(from, size, 10, &wanted);

	if (error)
		return error;
	while (wanted--) {
		unsigned int *record = kmalloc(bytes, GFP_KERNEL);

		if (!record)
			return -ENOMEM;
		*record = 0x0a000001 + records++;
		if (!(records & 1023))
			cond_resched();
	}
	return size;
}

static const struct proc_ops netacct_ops = { .proc_write = netacct_write };

static int __init netacct_init(void)
{
	return proc_create("netacct", 0600, NULL, &netacct_ops) ? 0 : -ENOMEM;
}

module_init(netacct_init);
MODULE_LICENSE("GPL");
