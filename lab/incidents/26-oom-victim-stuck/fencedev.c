// SPDX-License-Identifier: GPL-2.0
/*
 * A driver whose reader waits for a fence of the hardware, uninterruptibly. The hardware does not answer.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/completion.h>

static DECLARE_COMPLETION(fence_signalled);

static noinline ssize_t fence_read(struct file *file, char __user *to, size_t size, loff_t *offset)
{
	wait_for_completion(&fence_signalled);
	return 0;
}

static const struct proc_ops fence_ops = { .proc_read = fence_read };

static int __init fence_init(void)
{
	return proc_create("fence", 0600, NULL, &fence_ops) ? 0 : -ENOMEM;
}

module_init(fence_init);
MODULE_LICENSE("GPL");
