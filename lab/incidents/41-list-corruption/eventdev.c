// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with a list of events. "fall" writes over one of them, then removes the next.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct event {
	unsigned long number;
	struct list_head list;
	char text[40];
};

static LIST_HEAD(events);
static struct event *kept[3];

static noinline void eventdev_remove(struct event *event)
{
	list_del(&event->list);
}

static noinline void eventdev_use(void)
{
	struct event *event = kzalloc(sizeof(*event), GFP_KERNEL);

	if (!event)
		return;
	list_add(&event->list, &events);
	eventdev_remove(event);
	kfree(event);
}

static noinline void eventdev_fall(void)
{
	/* Text that is longer than its place, from the member in front of it. */
	memset(&kept[1]->list, 'A', sizeof(struct list_head));
	eventdev_remove(kept[2]);
}

static ssize_t eventdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(size, sizeof(word) - 1)))
		return -EFAULT;
	if (!strcmp(word, "fall"))
		eventdev_fall();
	else
		eventdev_use();
	return size;
}

static int eventdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px\n", &kept[1]->list);
	return 0;
}

static int eventdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, eventdev_show, NULL);
}

static const struct proc_ops eventdev_ops = {
	.proc_open = eventdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = eventdev_write,
};

static int __init eventdev_init(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		kept[i] = kzalloc(sizeof(*kept[i]), GFP_KERNEL);
		list_add_tail(&kept[i]->list, &events);
	}
	return proc_create("eventdev", 0600, NULL, &eventdev_ops) ? 0 : -ENOMEM;
}

module_init(eventdev_init);
MODULE_LICENSE("GPL");
