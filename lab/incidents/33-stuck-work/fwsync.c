// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that talks to its firmware in a work item on a workqueue of its own, which runs one at a time. Writing "sync"
 * to /proc/fwsync queues the work item, whose answer never comes; "flush" waits for it, "drain" for the whole workqueue,
 * "later" for one that is queued behind it, "apply" for it with state_lock taken, "state" for state_lock. Reading tells
 * where they are and who runs the work item.
 */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(state_lock);
static DECLARE_COMPLETION(answer);
static struct workqueue_struct *fwsync_queue;
static struct task_struct *runner;

static void fwsync_talk(struct work_struct *work)
{
	runner = current;
	wait_for_completion(&answer);
}

static void fwsync_report(struct work_struct *work)
{
}

static DECLARE_WORK(talk_work, fwsync_talk);
static DECLARE_WORK(report_work, fwsync_report);

static noinline void fwsync_apply(void)
{
	mutex_lock(&state_lock);
	flush_work(&talk_work);
	mutex_unlock(&state_lock);
}

static ssize_t fwsync_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[16] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "sync")) {
		queue_work(fwsync_queue, &talk_work);
	} else if (!strcmp(word, "flush")) {
		flush_work(&talk_work);
	} else if (!strcmp(word, "drain")) {
		flush_workqueue(fwsync_queue);
	} else if (!strcmp(word, "later")) {
		queue_work(fwsync_queue, &report_work);
		flush_work(&report_work);
	} else if (!strcmp(word, "apply")) {
		fwsync_apply();
	} else if (!strcmp(word, "state")) {
		mutex_lock(&state_lock);
		mutex_unlock(&state_lock);
	}
	return size;
}

static int fwsync_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px %px %px %d %s\n", &talk_work, &report_work, fwsync_queue, &state_lock,
		   runner ? runner->pid : 0, runner ? runner->comm : "-");
	return 0;
}

static int fwsync_open(struct inode *inode, struct file *file)
{
	return single_open(file, fwsync_show, NULL);
}

static const struct proc_ops fwsync_ops = {
	.proc_open = fwsync_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = fwsync_write,
};

static int __init fwsync_init(void)
{
	fwsync_queue = alloc_ordered_workqueue("fwsync", WQ_MEM_RECLAIM);
	return fwsync_queue && proc_create("fwsync", 0600, NULL, &fwsync_ops) ? 0 : -ENOMEM;
}

static void __exit fwsync_exit(void)
{
	remove_proc_entry("fwsync", NULL);
	destroy_workqueue(fwsync_queue);
}

module_init(fwsync_init);
module_exit(fwsync_exit);
MODULE_LICENSE("GPL");
