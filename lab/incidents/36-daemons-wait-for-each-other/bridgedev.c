// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with a helper in user space: "ask 5 6" takes its mutex, writes a question to descriptor 5 and reads the answer
 * from descriptor 6 of the caller. "use" takes the mutex for a moment. Reading tells where it is.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(bridge_lock);

static noinline int bridgedev_ask(int to, int from)
{
	struct file *out = fget(to), *in = fget(from);
	char byte = '?';
	int status = -EBADF;

	if (out && in) {
		mutex_lock(&bridge_lock);
		kernel_write(out, &byte, 1, NULL);
		status = kernel_read(in, &byte, 1, NULL);
		mutex_unlock(&bridge_lock);
	}
	if (out)
		fput(out);
	if (in)
		fput(in);
	return status;
}

static ssize_t bridgedev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[40] = "";
	int out, in;

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (sscanf(word, "ask %d %d", &out, &in) == 2)
		return bridgedev_ask(out, in) < 0 ? -EIO : size;
	mutex_lock(&bridge_lock);
	mutex_unlock(&bridge_lock);
	return size;
}

static int bridgedev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", &bridge_lock);
	return 0;
}

static int bridgedev_open(struct inode *inode, struct file *file)
{
	return single_open(file, bridgedev_show, NULL);
}

static const struct proc_ops bridgedev_ops = {
	.proc_open = bridgedev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = bridgedev_write,
};

static int __init bridgedev_init(void)
{
	return proc_create("bridgedev", 0600, NULL, &bridgedev_ops) ? 0 : -ENOMEM;
}

module_init(bridgedev_init);
MODULE_LICENSE("GPL");
