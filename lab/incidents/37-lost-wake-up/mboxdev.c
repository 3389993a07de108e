// SPDX-License-Identifier: GPL-2.0
/*
 * A mailbox driver. "mutex", "completion" and "rwsem" wait for its lock or its answer; "lock mutex" takes the lock, and "lose
 * mutex" gives it back by writing the lock's words, without waking anybody. "use" takes another mutex for a while, "tick"
 * waits for a completion that a timer completes. Reading tells where the first three are.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/rwsem.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(mbox_lock);
static DECLARE_COMPLETION(mbox_answer);
static DECLARE_RWSEM(mbox_rwsem);
static DEFINE_MUTEX(stats_lock);

struct tick {
	struct delayed_work work;
	struct completion done;
};

static void tick_work(struct work_struct *work)
{
	complete(&container_of(to_delayed_work(work), struct tick, work)->done);
}

static noinline void mboxdev_tick(void)
{
	struct tick tick;

	init_completion(&tick.done);
	INIT_DELAYED_WORK_ONSTACK(&tick.work, tick_work);
	schedule_delayed_work(&tick.work, HZ / 10);
	wait_for_completion(&tick.done);
	destroy_delayed_work_on_stack(&tick.work);
}

/*
 * As code does that mistakes a lock for a flag. RWSEM_FLAG_WAITERS is bit 1 of the count, MUTEX_FLAG_WAITERS bit 0 of the owner;
 * on PREEMPT_RT both are rt_mutexes inside, and bit 0 of their owner is RT_MUTEX_HAS_WAITERS.
 */
#ifdef CONFIG_PREEMPT_RT
static void lose_mutex(void)
{
	WRITE_ONCE(mbox_lock.rtmutex.owner, (struct task_struct *)1);
}

static void lose_rwsem(void)
{
	WRITE_ONCE(mbox_rwsem.rwbase.rtmutex.owner, (struct task_struct *)1);
	atomic_set(&mbox_rwsem.rwbase.readers, READER_BIAS);
}
#else
static void lose_mutex(void)
{
	atomic_long_set(&mbox_lock.owner, 1);
}

static void lose_rwsem(void)
{
	atomic_long_set(&mbox_rwsem.owner, 0);
	atomic_long_set(&mbox_rwsem.count, 2);
}
#endif

static noinline void mboxdev_lose(const char *which)
{
	if (!strcmp(which, "mutex"))
		lose_mutex();
	else if (!strcmp(which, "completion"))
		mbox_answer.done = 1;
	else
		lose_rwsem();
}

static ssize_t mboxdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[24] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "lock mutex"))
		mutex_lock(&mbox_lock);
	else if (!strcmp(word, "lock rwsem"))
		down_write(&mbox_rwsem);
	else if (!strncmp(word, "lose ", 5))
		mboxdev_lose(word + 5);
	else if (!strcmp(word, "mutex")) {
		mutex_lock(&mbox_lock);
		mutex_unlock(&mbox_lock);
	} else if (!strcmp(word, "rwsem")) {
		down_write(&mbox_rwsem);
		up_write(&mbox_rwsem);
	} else if (!strcmp(word, "completion"))
		wait_for_completion(&mbox_answer);
	else if (!strcmp(word, "tick"))
		mboxdev_tick();
	else if (!strcmp(word, "use")) {
		mutex_lock(&stats_lock);
		msleep(60);
		mutex_unlock(&stats_lock);
	}
	return size;
}

static int mboxdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px %px\n", &mbox_lock, &mbox_answer, &mbox_rwsem);
	return 0;
}

static int mboxdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, mboxdev_show, NULL);
}

static const struct proc_ops mboxdev_ops = {
	.proc_open = mboxdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = mboxdev_write,
};

static int __init mboxdev_init(void)
{
	return proc_create("mboxdev", 0600, NULL, &mboxdev_ops) ? 0 : -ENOMEM;
}

module_init(mboxdev_init);
MODULE_LICENSE("GPL");
