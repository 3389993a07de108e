// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with slots. Writing a number to /proc/telemetry reads that slot; one slot was never filled and is NULL.
 * Reading tells where its functions are.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct telemetry_slot {
	char pad[24];
	unsigned long samples;
};

static struct telemetry_slot *slots[8];
static int empty = 5;
module_param(empty, int, 0400);

static noinline unsigned long telemetry_sample(struct telemetry_slot *slot)
{
	return ++slot->samples;
}

static ssize_t telemetry_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	unsigned int number;
	int error = kstrtouint_from_user(from, size, 10, &number);

	if (error)
		return error;
	if (telemetry_sample(READ_ONCE(slots[number & 7])) == 0)
		return -EINVAL;
	return size;
}

static int telemetry_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", telemetry_sample);
	return 0;
}

static int telemetry_open(struct inode *inode, struct file *file)
{
	return single_open(file, telemetry_show, NULL);
}

static const struct proc_ops telemetry_ops = {
	.proc_open = telemetry_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = telemetry_write,
};

static int __init telemetry_init(void)
{
	int i;

	for (i = 0; i < 8; i++)
		slots[i] = i == (empty & 7) ? NULL : kzalloc(sizeof(*slots[i]), GFP_KERNEL);
	return proc_create("telemetry", 0600, NULL, &telemetry_ops) ? 0 : -ENOMEM;
}

module_init(telemetry_init);
MODULE_LICENSE("GPL");
