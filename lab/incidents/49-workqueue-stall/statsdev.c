// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that collects statistics in a work item on the system's workqueue. Writing "loop" to /proc/statsdev queues one on
 * CPU 1 that never comes to its end, though it gives the CPU away again and again; "wait" queues another one there and waits
 * for it. Reading tells where the first is, and who runs it.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static struct task_struct *runner;
static int ring_end = 1;

static void statsdev_collect(struct work_struct *work)
{
	runner = current;
	/* The end of the ring is behind it. */
	while (READ_ONCE(ring_end))
		cond_resched();
}

static void statsdev_report(struct work_struct *work)
{
}

static DECLARE_WORK(collect_work, statsdev_collect);

static noinline void statsdev_wait(void)
{
	struct work_struct work;

	INIT_WORK_ONSTACK(&work, statsdev_report);
	queue_work_on(1, system_wq, &work);
	flush_work(&work);
	destroy_work_on_stack(&work);
}

static ssize_t statsdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "loop"))
		queue_work_on(1, system_wq, &collect_work);
	else
		statsdev_wait();
	return size;
}

static int statsdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %d %s\n", &collect_work, runner ? runner->pid : 0, runner ? runner->comm : "-");
	return 0;
}

static int statsdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, statsdev_show, NULL);
}

static const struct proc_ops statsdev_ops = {
	.proc_open = statsdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = statsdev_write,
};

static int __init statsdev_init(void)
{
	return proc_create("statsdev", 0600, NULL, &statsdev_ops) ? 0 : -ENOMEM;
}

static void __exit statsdev_exit(void)
{
	remove_proc_entry("statsdev", NULL);
}

module_init(statsdev_init);
module_exit(statsdev_exit);
MODULE_LICENSE("GPL");
