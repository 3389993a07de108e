/*
 * Addresses of kernel objects, from inside: /proc/kallsyms for the start, /sys/kernel/btf/vmlinux for the offsets,
 * /proc/kcore for the memory. Little-endian x86-64 only.
 */
#include "lab.h"
#include <elf.h>
#include <fcntl.h>

struct btf_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len, type_off, type_len, str_off, str_len;
};
struct btf_type {
	uint32_t name, info, size;
};
struct btf_member {
	uint32_t name, type, offset;
};

static char *btf;
static const struct btf_type **types;
static uint32_t type_count;

static const char *string(uint32_t offset)
{
	return btf + ((struct btf_header *)btf)->hdr_len + ((struct btf_header *)btf)->str_off + offset;
}

static void load_btf(void)
{
	if (btf != NULL)
		return;
	size_t size = 16 << 20;
	btf = malloc(size);
	if (btf == NULL || lab_read("/sys/kernel/btf/vmlinux", btf, size) < 24)
		lab_die("no BTF");
	struct btf_header *header = (struct btf_header *)btf;
	char *at = btf + header->hdr_len + header->type_off, *end = at + header->type_len;
	types = calloc(1 << 20, sizeof *types);
	for (type_count = 1; at < end && type_count < 1 << 20; type_count++) {
		const struct btf_type *type = (const struct btf_type *)at;
		uint32_t kind = type->info >> 24 & 31, n = type->info & 0xffff;
		types[type_count] = type;
		at += 12;
		switch (kind) {
		case 1: /* INT */
		case 14: /* VAR */
		case 17: /* DECL_TAG */
			at += 4;
			break;
		case 3: /* ARRAY */
			at += 12;
			break;
		case 4: /* STRUCT */
		case 5: /* UNION */
		case 15: /* DATASEC */
		case 19: /* ENUM64 */
			at += 12 * n;
			break;
		case 6: /* ENUM */
		case 13: /* FUNC_PROTO */
			at += 8 * n;
			break;
		}
	}
}

/* Byte offset of a member, also of one inside anonymous members; -1 when there is none. */
static long member_offset(const struct btf_type *type, const char *name)
{
	const struct btf_member *members = (const struct btf_member *)(type + 1);
	for (uint32_t i = 0; i < (type->info & 0xffff); i++) {
		uint32_t bits = type->info >> 31 ? members[i].offset & 0xffffff : members[i].offset;
		const struct btf_type *inner = types[members[i].type];
		uint32_t kind = inner->info >> 24 & 31;
		if (strcmp(string(members[i].name), name) == 0)
			return bits / 8;
		if (members[i].name == 0 && (kind == 4 || kind == 5)) {
			long found = member_offset(inner, name);
			if (found >= 0)
				return bits / 8 + found;
		}
	}
	return -1;
}

/* Byte offset of a member, or -1. */
static long find_offset(const char *type, const char *member)
{
	load_btf();
	for (uint32_t id = 1; id < type_count; id++) {
		uint32_t kind = types[id]->info >> 24 & 31;
		if ((kind != 4 && kind != 5) || strcmp(string(types[id]->name), type) != 0)
			continue;
		long offset = member_offset(types[id], member);
		if (offset >= 0)
			return offset;
	}
	return -1;
}

long probe_offset(const char *type, const char *member)
{
	long offset = find_offset(type, member);
	if (offset < 0)
		lab_die("no %s.%s in the BTF", type, member);
	return offset;
}

static void read_kernel(uint64_t address, void *to, size_t size)
{
	static int fd = -1;
	static Elf64_Ehdr header;
	static Elf64_Phdr *segments;
	if (fd < 0) {
		fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header)
			lab_die("/proc/kcore");
		segments = calloc(header.e_phnum, sizeof *segments);
		if (pread(fd, segments, header.e_phnum * sizeof *segments, header.e_phoff) < 0)
			lab_die("segments of /proc/kcore");
	}
	for (int i = 0; i < header.e_phnum; i++) {
		uint64_t offset = address - segments[i].p_vaddr;
		if (segments[i].p_type != PT_LOAD || address < segments[i].p_vaddr || offset + size > segments[i].p_memsz)
			continue;
		if (pread(fd, to, size, segments[i].p_offset + offset) == (ssize_t)size)
			return;
	}
	lab_die("/proc/kcore has no 0x%llx", (unsigned long long)address);
}

uint64_t probe_read(uint64_t address)
{
	uint64_t word;
	read_kernel(address, &word, sizeof word);
	return word;
}

uint64_t probe_symbol(const char *name)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[512], symbol[300];
	unsigned long long address;
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "%llx %*c %299s", &address, symbol) == 2 && strcmp(symbol, name) == 0) {
			fclose(file);
			return address;
		}
	lab_die("no symbol %s", name);
}

uint64_t probe_task(pid_t pid)
{
	long tasks = probe_offset("task_struct", "tasks"), number = probe_offset("task_struct", "pid");
	uint64_t first = probe_symbol("init_task"), task = first;
	for (int i = 0; i < 100000; i++) {
		int32_t found;
		task = probe_read(task + tasks) - tasks;
		read_kernel(task + number, &found, sizeof found);
		if (found == pid)
			return task;
		if (task == first)
			break;
	}
	lab_die("no task_struct of %d", pid);
}

uint64_t probe_mm(pid_t pid)
{
	return probe_read(probe_task(pid) + probe_offset("task_struct", "mm"));
}

uint64_t probe_inode(pid_t pid, int fd)
{
	uint64_t files = probe_read(probe_task(pid) + probe_offset("task_struct", "files"));
	uint64_t table = probe_read(files + probe_offset("files_struct", "fdt"));
	uint64_t array = probe_read(table + probe_offset("fdtable", "fd"));
	return probe_read(probe_read(array + 8 * fd) + probe_offset("file", "f_inode"));
}

/* Nodes of a red-black tree: {parent and colour, right, left}. */
static long tree_nodes(uint64_t node, int depth)
{
	if (node == 0)
		return 0;
	if (depth > 64)
		lab_die("a tree too deep");
	return 1 + tree_nodes(probe_read(node + 8), depth + 1) + tree_nodes(probe_read(node + 16), depth + 1);
}

/* PREEMPT_RT: the lock has an rt_mutex_base inside, whose waiters are a tree. */
static long realtime_waiters(const char *type, uint64_t lock)
{
	if (strcmp(type, "mutex") == 0) {
		uint64_t inside = lock + probe_offset(type, "rtmutex");
		return tree_nodes(probe_read(inside + probe_offset("rt_mutex_base", "waiters")), 0);
	}
	uint64_t base = lock + probe_offset(type, "rwbase");
	uint64_t inside = base + probe_offset("rwbase_rt", "rtmutex");
	uint32_t readers = probe_read(base + probe_offset("rwbase_rt", "readers"));
	uint64_t owner = probe_read(inside + probe_offset("rt_mutex_base", "owner"));
	long count = tree_nodes(probe_read(inside + probe_offset("rt_mutex_base", "waiters")), 0);
	/* A writer that owns the rt_mutex and waits until the readers have left: neither READER_BIAS nor WRITER_BIAS. */
	return owner > 1 && readers >> 30 == 0 && readers != 0 ? count + 1 : count;
}

long probe_waiters(const char *type, uint64_t lock)
{
	if (find_offset(type, "rtmutex") >= 0 || find_offset(type, "rwbase") >= 0)
		return realtime_waiters(type, lock);
	/* Since 7.1 the waiters form a ring without a head, and the lock points to the first. */
	long ring = find_offset(type, "first_waiter");
	uint64_t first = ring < 0 ? lock + probe_offset(type, "wait_list") : probe_read(lock + ring);
	long count = ring < 0 || first == 0 ? 0 : 1;
	if (first == 0)
		return 0;
	for (uint64_t node = probe_read(first); node != first && count < 100000; node = probe_read(node))
		count++;
	return count;
}

uint64_t probe_cache(const char *name)
{
	char found[64] __attribute__((aligned(8)));
	uint64_t head = probe_symbol("slab_caches");
	long list = probe_offset("kmem_cache", "list"), text = probe_offset("kmem_cache", "name");
	for (uint64_t node = probe_read(head); node != head; node = probe_read(node)) {
		uint64_t from = probe_read(node - list + text);
		for (int i = 0; i < 64; i += 8)
			((uint64_t *)found)[i / 8] = probe_read(from + i);
		found[63] = 0;
		if (strcmp(found, name) == 0)
			return node - list;
	}
	lab_die("no slab cache %s", name);
}
