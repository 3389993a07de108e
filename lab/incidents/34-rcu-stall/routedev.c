// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with a table under RCU. "look" reads it, "spin" reads it and never comes to its end, "sleep" reads it and sleeps in
 * between; "change" waits for the grace period with the mutex of the table held. Reading tells where the function and the
 * mutex are.
 */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(table_lock);
static DECLARE_COMPLETION(never);
static int entries = 100;

static noinline void routedev_walk(const char *how)
{
	int i = 0;

	rcu_read_lock();
	if (!strcmp(how, "sleep"))
		wait_for_completion(&never);
	while (i < READ_ONCE(entries)) {
		/* A list that leads back to itself. */
		if (!strcmp(how, "look"))
			i++;
		cpu_relax();
	}
	rcu_read_unlock();
}

static noinline void routedev_change(void)
{
	mutex_lock(&table_lock);
	synchronize_rcu();
	mutex_unlock(&table_lock);
}

static ssize_t routedev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "change"))
		routedev_change();
	else
		routedev_walk(word);
	return size;
}

static int routedev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px\n", routedev_walk, &table_lock);
	return 0;
}

static int routedev_open(struct inode *inode, struct file *file)
{
	return single_open(file, routedev_show, NULL);
}

static const struct proc_ops routedev_ops = {
	.proc_open = routedev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = routedev_write,
};

static int __init routedev_init(void)
{
	return proc_create("routedev", 0600, NULL, &routedev_ops) ? 0 : -ENOMEM;
}

module_init(routedev_init);
MODULE_LICENSE("GPL");
