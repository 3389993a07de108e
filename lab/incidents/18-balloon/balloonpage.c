// SPDX-License-Identifier: GPL-2.0
/* Tells whose the first page in a balloon is. It changes nothing. */
#include <linux/mm.h>
#include <linux/module.h>

static unsigned long device;
module_param(device, ulong, 0400);

static int __init balloonpage_init(void)
{
	unsigned long frame;

	for (frame = 1; frame < (1ul << 20) && !device; frame++) {
		struct page *page = pfn_valid(frame) ? pfn_to_page(frame) : NULL;

		if (page && PageOffline(page))
			device = page_private(page);
	}
	return device ? 0 : -ENOENT;
}

module_init(balloonpage_init);
MODULE_LICENSE("GPL");
