// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with two mutexes. Writing "ab" to /proc/pairdev takes a, waits a while, takes b; "ba" the other way round;
 * "a" and "b" take one; "c" takes a third one for a while, which is innocent. Reading tells where the mutexes are.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(config_lock);
static DEFINE_MUTEX(queue_lock);
static DEFINE_MUTEX(stats_lock);

static noinline void with_both(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	msleep(400);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

static noinline void with_one(struct mutex *lock, unsigned int ms)
{
	mutex_lock(lock);
	if (ms)
		msleep(ms);
	mutex_unlock(lock);
}

static ssize_t pairdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[4] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "ab"))
		with_both(&config_lock, &queue_lock);
	else if (!strcmp(word, "ba"))
		with_both(&queue_lock, &config_lock);
	else if (!strcmp(word, "a"))
		with_one(&config_lock, 0);
	else if (!strcmp(word, "b"))
		with_one(&queue_lock, 0);
	else
		with_one(&stats_lock, 120);
	return size;
}

static int pairdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px\n", &config_lock, &queue_lock);
	return 0;
}

static int pairdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, pairdev_show, NULL);
}

static const struct proc_ops pairdev_ops = {
	.proc_open = pairdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = pairdev_write,
};

static int __init pairdev_init(void)
{
	return proc_create("pairdev", 0600, NULL, &pairdev_ops) ? 0 : -ENOMEM;
}

static void __exit pairdev_exit(void)
{
	remove_proc_entry("pairdev", NULL);
}

module_init(pairdev_init);
module_exit(pairdev_exit);
MODULE_LICENSE("GPL");
