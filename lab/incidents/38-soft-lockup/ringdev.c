// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that waits, under its spinlock, until the device says that it is idle. "fall" waits for a device that never does.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

static DEFINE_SPINLOCK(ring_lock);
static int idle_bits = 1;

static noinline void ringdev_wait_idle(int bit)
{
	while (!(READ_ONCE(idle_bits) & bit))
		cpu_relax();
}

static noinline void ringdev_kick(int bit)
{
	spin_lock(&ring_lock);
	ringdev_wait_idle(bit);
	spin_unlock(&ring_lock);
}

static ssize_t ringdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "fall"))
		ringdev_kick(2);
	else
		ringdev_kick(1);
	return size;
}

static int ringdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", ringdev_wait_idle);
	return 0;
}

static int ringdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, ringdev_show, NULL);
}

static const struct proc_ops ringdev_ops = {
	.proc_open = ringdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = ringdev_write,
};

static int __init ringdev_init(void)
{
	return proc_create("ringdev", 0600, NULL, &ringdev_ops) ? 0 : -ENOMEM;
}

module_init(ringdev_init);
MODULE_LICENSE("GPL");
