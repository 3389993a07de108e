// SPDX-License-Identifier: GPL-2.0
/*
 * A frame grabber whose mmap waits, without an end, until the device has stopped: the device never says so. The kernel
 * calls mmap with the mmap_lock held for writing.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>

static DECLARE_COMPLETION(stopped);

static noinline void framegrab_stop(void)
{
	wait_for_completion(&stopped);
}

static int framegrab_mmap(struct file *file, struct vm_area_struct *vma)
{
	framegrab_stop();
	return 0;
}

static const struct file_operations framegrab_ops = { .owner = THIS_MODULE, .mmap = framegrab_mmap };
static struct miscdevice framegrab = { .minor = MISC_DYNAMIC_MINOR, .name = "framegrab", .fops = &framegrab_ops };

module_misc_device(framegrab);
MODULE_LICENSE("GPL");
