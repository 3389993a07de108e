// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that walks a tree by calling itself. "fall" has a tree without end.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static noinline int treedev_descend(int depth, const char *above)
{
	char path[96];

	snprintf(path, sizeof(path), "%.60s/%d", above, depth);
	if (depth == 0)
		return path[0];
	return treedev_descend(depth - 1, path) + path[1];
}

static ssize_t treedev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "fall"))
		treedev_descend(1 << 20, "");
	else
		treedev_descend(3, "");
	return size;
}

static int treedev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", treedev_descend);
	return 0;
}

static int treedev_open(struct inode *inode, struct file *file)
{
	return single_open(file, treedev_show, NULL);
}

static const struct proc_ops treedev_ops = {
	.proc_open = treedev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = treedev_write,
};

static int __init treedev_init(void)
{
	return proc_create("treedev", 0600, NULL, &treedev_ops) ? 0 : -ENOMEM;
}

module_init(treedev_init);
MODULE_LICENSE("GPL");
