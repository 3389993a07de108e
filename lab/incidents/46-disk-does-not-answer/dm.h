/* A linear device of device mapper, /dev/dm-0, over the first sectors of another device: what LVM makes of a volume. */
#ifndef DM_H
#define DM_H

#include "lab.h"
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stddef.h>
#include <sys/ioctl.h>

static void dm_ask(unsigned long command, const char *name, long sectors, const char *table)
{
	static struct {
		struct dm_ioctl head;
		struct dm_target_spec target;
		char text[200];
	} request;
	memset(&request, 0, sizeof request);
	request.head.version[0] = DM_VERSION_MAJOR;
	request.head.data_size = sizeof request;
	request.head.data_start = offsetof(typeof(request), target);
	strcpy(request.head.name, name);
	if (table != NULL) {
		request.head.target_count = 1;
		request.target.length = sectors;
		strcpy(request.target.target_type, "linear");
		strcpy(request.text, table);
	}
	int fd = open("/dev/mapper/control", O_RDWR);
	if (fd < 0 || ioctl(fd, command, &request) != 0)
		lab_die("device mapper");
	close(fd);
}

static void dm_linear(const char *name, const char *device, long sectors)
{
	char table[80];
	snprintf(table, sizeof table, "%s 0", device);
	dm_ask(DM_DEV_CREATE, name, 0, NULL);
	dm_ask(DM_TABLE_LOAD, name, sectors, table);
	dm_ask(DM_DEV_SUSPEND, name, 0, NULL);
	for (int i = 0; i < 500 && access("/dev/dm-0", F_OK) != 0; i++)
		lab_sleep_ms(20);
}

#endif
