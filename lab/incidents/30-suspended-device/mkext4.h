/*
 * Writes an empty ext4 with a journal on a block device: one group, blocks of 4 KiB, 128 inodes, a journal of 1024 blocks,
 * which is the smallest. The formats are those of fs/ext4/ext4.h and include/linux/jbd2.h.
 */
#ifndef MKEXT4_H
#define MKEXT4_H

#include "lab.h"
#include <arpa/inet.h>
#include <fcntl.h>

enum {
	MKEXT4_BLOCK = 4096,
	MKEXT4_INODES = 128,
	MKEXT4_INODE_SIZE = 256,
	MKEXT4_INODE_TABLE = 4,
	MKEXT4_ROOT = 12,
	MKEXT4_JOURNAL = 13,
	MKEXT4_JOURNAL_BLOCKS = 1024,
	MKEXT4_USED = MKEXT4_JOURNAL + MKEXT4_JOURNAL_BLOCKS,
};

static void mkext4_put(int fd, long block, const void *data)
{
	if (pwrite(fd, data, MKEXT4_BLOCK, block * MKEXT4_BLOCK) != MKEXT4_BLOCK)
		lab_die("mkext4");
}

static void mkext4_16(char *at, uint16_t value) { memcpy(at, &value, 2); }
static void mkext4_32(char *at, uint32_t value) { memcpy(at, &value, 4); }

/* An inode whose blocks are one extent. */
static void mkext4_inode(char *table, int number, int mode, int links, int blocks, int first)
{
	char *at = table + (number - 1) * MKEXT4_INODE_SIZE;
	mkext4_16(at, mode);
	mkext4_32(at + 4, blocks * MKEXT4_BLOCK);
	mkext4_16(at + 26, links);
	mkext4_32(at + 28, blocks * 8);
	mkext4_32(at + 32, 0x80000);
	mkext4_16(at + 40, 0xf30a);
	mkext4_16(at + 42, 1);
	mkext4_16(at + 44, 4);
	mkext4_16(at + 40 + 12 + 4, blocks);
	mkext4_32(at + 40 + 12 + 8, first);
	mkext4_16(at + 128, 32);
}

static void mkext4_bits(char *map, int from, int to)
{
	for (int bit = from; bit < to; bit++)
		map[bit / 8] |= 1 << bit % 8;
}

static void mkext4(const char *device, int blocks)
{
	static char zero[MKEXT4_BLOCK], block[MKEXT4_BLOCK], table[8 * MKEXT4_BLOCK];
	int fd = open(device, O_WRONLY);
	if (fd < 0)
		lab_die("%s", device);
	for (int i = 0; i < MKEXT4_USED; i++)
		mkext4_put(fd, i, zero);

	char *super = block + 1024;
	mkext4_32(super, MKEXT4_INODES);
	mkext4_32(super + 4, blocks);
	mkext4_32(super + 12, blocks - MKEXT4_USED);
	mkext4_32(super + 16, MKEXT4_INODES - 10);
	mkext4_32(super + 24, 2);
	mkext4_32(super + 28, 2);
	mkext4_32(super + 32, 32768);
	mkext4_32(super + 36, 32768);
	mkext4_32(super + 40, MKEXT4_INODES);
	mkext4_16(super + 54, 0xffff);
	mkext4_16(super + 56, 0xef53);
	mkext4_16(super + 58, 1);
	mkext4_16(super + 60, 1);
	mkext4_32(super + 76, 1);
	mkext4_32(super + 84, 11);
	mkext4_16(super + 88, MKEXT4_INODE_SIZE);
	/* has_journal; filetype, extents; sparse_super, large_file. */
	mkext4_32(super + 92, 0x4);
	mkext4_32(super + 96, 0x42);
	mkext4_32(super + 100, 0x3);
	memcpy(super + 104, "lab's own ext4 .", 16);
	mkext4_32(super + 224, 8);
	mkext4_16(super + 348, 32);
	mkext4_16(super + 350, 32);
	mkext4_put(fd, 0, block);

	memset(block, 0, sizeof block);
	mkext4_32(block, 2);
	mkext4_32(block + 4, 3);
	mkext4_32(block + 8, MKEXT4_INODE_TABLE);
	mkext4_16(block + 12, blocks - MKEXT4_USED);
	mkext4_16(block + 14, MKEXT4_INODES - 10);
	mkext4_16(block + 16, 1);
	mkext4_put(fd, 1, block);

	memset(block, 0, sizeof block);
	mkext4_bits(block, 0, MKEXT4_USED);
	mkext4_bits(block, blocks, 32768);
	mkext4_put(fd, 2, block);
	memset(block, 0, sizeof block);
	mkext4_bits(block, 0, 10);
	mkext4_bits(block, MKEXT4_INODES, 32768);
	mkext4_put(fd, 3, block);

	mkext4_inode(table, 2, 0040755, 2, 1, MKEXT4_ROOT);
	mkext4_inode(table, 8, 0100600, 1, MKEXT4_JOURNAL_BLOCKS, MKEXT4_JOURNAL);
	for (int i = 0; i < 8; i++)
		mkext4_put(fd, MKEXT4_INODE_TABLE + i, table + i * MKEXT4_BLOCK);

	memset(block, 0, sizeof block);
	mkext4_32(block, 2);
	mkext4_16(block + 4, 12);
	memcpy(block + 6, "\1\2.", 3);
	mkext4_32(block + 12, 2);
	mkext4_16(block + 16, MKEXT4_BLOCK - 12);
	memcpy(block + 18, "\2\2..", 4);
	mkext4_put(fd, MKEXT4_ROOT, block);

	/* journal_superblock_t, big endian. */
	static const uint32_t journal[] = { 0xc03b3998, 4, 0, MKEXT4_BLOCK, MKEXT4_JOURNAL_BLOCKS, 1, 1, 0 };
	memset(block, 0, sizeof block);
	for (size_t i = 0; i < sizeof journal / sizeof *journal; i++)
		mkext4_32(block + 4 * i, htonl(journal[i]));
	mkext4_32(block + 64, htonl(1));
	mkext4_put(fd, MKEXT4_JOURNAL, block);
	if (fsync(fd) != 0)
		lab_die("fsync %s", device);
	close(fd);
}

#endif
