// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with a mutex. "fall" meets a BUG() under it, a while later.
 */
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(volume_lock);
static int volumes = 3;

static noinline void volumedev_change(int by)
{
	mutex_lock(&volume_lock);
	if (by)
		msleep(300);
	BUG_ON(volumes + by < 0);
	mutex_unlock(&volume_lock);
}

static ssize_t volumedev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "fall"))
		volumedev_change(-7);
	else
		volumedev_change(0);
	return size;
}

static int volumedev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", &volume_lock);
	return 0;
}

static int volumedev_open(struct inode *inode, struct file *file)
{
	return single_open(file, volumedev_show, NULL);
}

static const struct proc_ops volumedev_ops = {
	.proc_open = volumedev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = volumedev_write,
};

static int __init volumedev_init(void)
{
	return proc_create("volumedev", 0600, NULL, &volumedev_ops) ? 0 : -ENOMEM;
}

module_init(volumedev_init);
MODULE_LICENSE("GPL");
