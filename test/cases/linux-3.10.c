/*
 * The types of linux-3.10.h and variables of such a kernel, to be compiled into a vmlinux of which a type pack is made:
 * see tools/pack-case-types.ts. Nothing of it runs.
 */
#include "linux-3.10.h"

const char linux_banner[] = BANNER "\n";
void _stext(void) {}
void _start(void) {}

struct task_struct init_task;
struct rq runqueues;
struct list_head super_blocks;
struct list_head modules;
struct pglist_data *node_data[1];
atomic_long_t vm_stat[NR_VM_ZONE_STAT_ITEMS];
struct percpu_counter vm_committed_as;
u64 jiffies_64;
