// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with one thing of each kind to wait for. Writing a letter to /proc/waitdev waits for one: "e" a wait queue, "b" a
 * bit, "c" a completion, "s" a simple wait queue, "v" a variable, "y" a grace period of SRCU, which "S" keeps from ending,
 * "k" the end of a kernel thread that does not end, "B" a buffer head, "P" a page. Reading tells where they are.
 */
#include <linux/buffer_head.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/srcu.h>
#include <linux/swait.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>

static DECLARE_WAIT_QUEUE_HEAD(results_ready);
static DECLARE_COMPLETION(reset_done);
static DECLARE_SWAIT_QUEUE_HEAD(tick_queue);
DEFINE_STATIC_SRCU(table_srcu);
static unsigned long busy_bits = 1 << 3;
static int users_left = 1;
static bool never;
static struct task_struct *poller;
static struct buffer_head *block;
static struct page *firmware_page;

static int poll_for_ever(void *unused)
{
	for (;;)
		msleep(1000000);
	return 0;
}

static noinline void read_table(void)
{
	int index = srcu_read_lock(&table_srcu);

	for (;;)
		msleep(1000000);
	srcu_read_unlock(&table_srcu, index);
}

static noinline void wait_for_letter(char which)
{
	switch (which) {
	case 'e':
		wait_event(results_ready, READ_ONCE(never));
		break;
	case 'b':
		wait_on_bit(&busy_bits, 3, TASK_UNINTERRUPTIBLE);
		break;
	case 'c':
		wait_for_completion(&reset_done);
		break;
	case 's':
		swait_event_idle_exclusive(tick_queue, READ_ONCE(never));
		break;
	case 'v':
		wait_var_event(&users_left, READ_ONCE(users_left) == 0);
		break;
	case 'S':
		read_table();
		break;
	case 'y':
		synchronize_srcu(&table_srcu);
		break;
	case 'k':
		kthread_stop(poller);
		break;
	case 'B':
		wait_on_buffer(block);
		break;
	case 'P':
		lock_page(firmware_page);
		break;
	}
}

static ssize_t waitdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word;

	if (get_user(word, from))
		return -EFAULT;
	wait_for_letter(word);
	return size;
}

static int waitdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px %px %px %px %px %px %px %d\n", &results_ready, &busy_bits, &reset_done, &tick_queue,
		   &users_left, &table_srcu, block, firmware_page, poller->pid);
	return 0;
}

static int waitdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, waitdev_show, NULL);
}

static const struct proc_ops waitdev_ops = {
	.proc_open = waitdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = waitdev_write,
};

static int __init waitdev_init(void)
{
	block = alloc_buffer_head(GFP_KERNEL);
	firmware_page = alloc_page(GFP_KERNEL);
	poller = kthread_run(poll_for_ever, NULL, "waitdev-poll");
	if (!block || !firmware_page || IS_ERR(poller))
		return -ENOMEM;
	set_buffer_locked(block);
	block->b_blocknr = 4711;
	lock_page(firmware_page);
	return proc_create("waitdev", 0600, NULL, &waitdev_ops) ? 0 : -ENOMEM;
}

module_init(waitdev_init);
MODULE_LICENSE("GPL");
