// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with packets in a slab cache of its own, and no check of how long a text is. Written to /proc/packetdev, 'T' and
 * a text puts it into one of them, 'F' frees that one and forgets to forget it, 'A' gets more, 'U' uses its neighbour, and
 * anything else uses another. Reading tells where they are.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct packet {
	unsigned long number;
	struct peer *peer;
	char text[48];
};

struct peer {
	unsigned long seen;
};

#define PACKETS 64
static struct kmem_cache *cache;
static struct packet *packets[PACKETS];
static struct packet *one, *next;

static noinline void packetdev_set_text(struct packet *packet, const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		WRITE_ONCE(packet->text[i], text[i]);
}

static noinline void packetdev_free(struct packet *packet)
{
	kmem_cache_free(cache, packet);
}

static noinline void packetdev_use(struct packet *packet)
{
	packet->number++;
	WRITE_ONCE(packet->peer->seen, packet->number);
}

static noinline struct packet *packetdev_new(void)
{
	struct packet *packet = kmem_cache_zalloc(cache, GFP_KERNEL);

	if (packet)
		packet->peer = kzalloc(sizeof(struct peer), GFP_KERNEL);
	return packet;
}

static ssize_t packetdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char *word = memdup_user_nul(from, min(size, (size_t)4000));
	int i;

	if (IS_ERR(word))
		return PTR_ERR(word);
	if (*word == 'T') {
		packetdev_set_text(one, word + 1, min(size, (size_t)4000) - 1);
	} else if (*word == 'F') {
		packetdev_free(one);
	} else if (*word == 'A') {
		for (i = 0; i < PACKETS; i++)
			packetdev_new();
	} else if (*word == 'U') {
		packetdev_use(next);
	} else {
		packetdev_use(packets[0]);
	}
	kfree(word);
	return size;
}

static int packetdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px %px\n", one, next, cache);
	return 0;
}

static int packetdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, packetdev_show, NULL);
}

static const struct proc_ops packetdev_ops = {
	.proc_open = packetdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = packetdev_write,
};

static int __init packetdev_init(void)
{
	unsigned long best = ULONG_MAX;
	int i, j;

	/* A cache with a part for user space is merged with no other. */
	cache = kmem_cache_create_usercopy("packetdev", sizeof(struct packet), 0, 0, offsetof(struct packet, text), 48, NULL);
	if (!cache)
		return -ENOMEM;
	for (i = 0; i < PACKETS; i++) {
		packets[i] = packetdev_new();
		if (!packets[i])
			return -ENOMEM;
	}
	/* Two that lie side by side. */
	for (i = 1; i < PACKETS; i++)
		for (j = 1; j < PACKETS; j++)
			if (packets[j] > packets[i] && (unsigned long)packets[j] - (unsigned long)packets[i] < best) {
				best = (unsigned long)packets[j] - (unsigned long)packets[i];
				one = packets[i];
				next = packets[j];
			}
	return proc_create("packetdev", 0600, NULL, &packetdev_ops) ? 0 : -ENOMEM;
}

module_init(packetdev_init);
MODULE_LICENSE("GPL");
