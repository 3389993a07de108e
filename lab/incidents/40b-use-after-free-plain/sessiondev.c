// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with sessions. "fall" frees one and goes on using it.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct session {
	unsigned long uses;
	unsigned long flags;
	unsigned long pad[2];
	struct peer *peer;
	unsigned long more[3];
};

struct peer {
	unsigned long seen;
};

static struct session *sessions[2];

static noinline void sessiond_touch(struct session *session)
{
	session->uses++;
	WRITE_ONCE(session->peer->seen, session->uses);
}

static noinline void sessiond_fall(void)
{
	/* Forgets to clear the pointer. */
	kfree(sessions[1]);
	sessiond_touch(READ_ONCE(sessions[1]));
}

static ssize_t sessiondev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "fall"))
		sessiond_fall();
	else
		sessiond_touch(sessions[0]);
	return size;
}

static int sessiondev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", sessions[1]);
	return 0;
}

static int sessiondev_open(struct inode *inode, struct file *file)
{
	return single_open(file, sessiondev_show, NULL);
}

static const struct proc_ops sessiondev_ops = {
	.proc_open = sessiondev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = sessiondev_write,
};

static int __init sessiondev_init(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		sessions[i] = kzalloc(sizeof(**sessions), GFP_KERNEL);
		sessions[i]->peer = kzalloc(sizeof(struct peer), GFP_KERNEL);
	}
	return proc_create("sessiondev", 0600, NULL, &sessiondev_ops) ? 0 : -ENOMEM;
}

module_init(sessiondev_init);
MODULE_LICENSE("GPL");
