// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that asks a server with its mutex held. "fall" asks for what is never answered.
 */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(store_lock);
static DECLARE_COMPLETION(answer);

static noinline void storedev_ask(struct completion *done)
{
	mutex_lock(&store_lock);
	if (done)
		wait_for_completion_interruptible(done);
	mutex_unlock(&store_lock);
}

static ssize_t storedev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "fall"))
		storedev_ask(&answer);
	else
		storedev_ask(NULL);
	return size;
}

static int storedev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", &store_lock);
	return 0;
}

static int storedev_open(struct inode *inode, struct file *file)
{
	return single_open(file, storedev_show, NULL);
}

static const struct proc_ops storedev_ops = {
	.proc_open = storedev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = storedev_write,
};

static int __init storedev_init(void)
{
	return proc_create("storedev", 0600, NULL, &storedev_ops) ? 0 : -ENOMEM;
}

module_init(storedev_init);
MODULE_LICENSE("GPL");
