// SPDX-License-Identifier: GPL-2.0
/*
 * A mirror driver whose rescan runs as a work item. Writing "configure" to /proc/mirrordev takes config_lock, waits a
 * while, and reads the layout; "remap" takes the layout for writing, queues the rescan and flushes it; the rescan takes
 * config_lock. "show", "read" and "wait" want one of the three each. Reading tells where they are and who rescans.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(config_lock);
static DECLARE_RWSEM(layout_sem);
static struct workqueue_struct *rescan_queue;
static struct task_struct *rescanner;

static void mirrordev_rescan(struct work_struct *work)
{
	rescanner = current;
	mutex_lock(&config_lock);
	mutex_unlock(&config_lock);
}

static DECLARE_WORK(rescan_work, mirrordev_rescan);

static noinline void mirrordev_configure(void)
{
	mutex_lock(&config_lock);
	msleep(600);
	down_read(&layout_sem);
	up_read(&layout_sem);
	mutex_unlock(&config_lock);
}

static noinline void mirrordev_remap(void)
{
	down_write(&layout_sem);
	msleep(200);
	queue_work(rescan_queue, &rescan_work);
	flush_work(&rescan_work);
	up_write(&layout_sem);
}

static ssize_t mirrordev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[16] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "configure")) {
		mirrordev_configure();
	} else if (!strcmp(word, "remap")) {
		mirrordev_remap();
	} else if (!strcmp(word, "show")) {
		mutex_lock(&config_lock);
		mutex_unlock(&config_lock);
	} else if (!strcmp(word, "read")) {
		down_read(&layout_sem);
		up_read(&layout_sem);
	} else if (!strcmp(word, "wait")) {
		flush_work(&rescan_work);
	}
	return size;
}

static int mirrordev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px %px %d %s\n", &config_lock, &layout_sem, &rescan_work, rescanner ? rescanner->pid : 0,
		   rescanner ? rescanner->comm : "-");
	return 0;
}

static int mirrordev_open(struct inode *inode, struct file *file)
{
	return single_open(file, mirrordev_show, NULL);
}

static const struct proc_ops mirrordev_ops = {
	.proc_open = mirrordev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = mirrordev_write,
};

static int __init mirrordev_init(void)
{
	rescan_queue = alloc_workqueue("mirror_rescan", 0, 0);
	return rescan_queue && proc_create("mirrordev", 0600, NULL, &mirrordev_ops) ? 0 : -ENOMEM;
}

static void __exit mirrordev_exit(void)
{
	remove_proc_entry("mirrordev", NULL);
	destroy_workqueue(rescan_queue);
}

module_init(mirrordev_init);
module_exit(mirrordev_exit);
MODULE_LICENSE("GPL");
