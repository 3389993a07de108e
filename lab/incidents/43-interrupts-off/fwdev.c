// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that asks firmware with interrupts off. "fall" asks for what is never answered.
 */
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static int answers = 1;

static noinline void fwdev_poll(int bit)
{
	while (!(READ_ONCE(answers) & bit))
		cpu_relax();
}

static noinline void fwdev_ask(int bit)
{
	unsigned long flags;

	local_irq_save(flags);
	fwdev_poll(bit);
	local_irq_restore(flags);
}

static ssize_t fwdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "fall"))
		fwdev_ask(2);
	else
		fwdev_ask(1);
	return size;
}

static int fwdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", fwdev_poll);
	return 0;
}

static int fwdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, fwdev_show, NULL);
}

static const struct proc_ops fwdev_ops = {
	.proc_open = fwdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = fwdev_write,
};

static int __init fwdev_init(void)
{
	return proc_create("fwdev", 0600, NULL, &fwdev_ops) ? 0 : -ENOMEM;
}

module_init(fwdev_init);
MODULE_LICENSE("GPL");
