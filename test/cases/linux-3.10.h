/*
 * Types of a kernel of the 3.10 era on x86-64, as far as a report reads them: the members in the kernel's order, those
 * in between left out. Known are struct mutex (wait_list at 8, owner at 24, and then spin_mlock, until 3.14), struct
 * mutex_waiter, the counters of memory, and, from a real dump of el7, inode.i_mutex at 160.
 */
#define MAX_NR_ZONES 4
#define MAX_ORDER 11

typedef _Bool bool;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef long long s64;
typedef unsigned long long u64;
typedef int pid_t;
typedef unsigned long cputime_t;
typedef struct { int counter; } atomic_t;
typedef struct { long counter; } atomic_long_t;
typedef struct { unsigned int head_tail; } raw_spinlock_t;
typedef struct { raw_spinlock_t rlock; } spinlock_t;

struct list_head { struct list_head *next, *prev; };
struct hlist_head { struct hlist_node *first; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct timespec { long tv_sec, tv_nsec; };

/* Locks. */

struct mutex {
	atomic_t count;
	spinlock_t wait_lock;
	struct list_head wait_list;
	struct task_struct *owner;
	void *spin_mlock;
};
struct mutex_waiter { struct list_head list; struct task_struct *task; };

struct rw_semaphore { long count; raw_spinlock_t wait_lock; struct list_head wait_list; };
enum rwsem_waiter_type { RWSEM_WAITING_FOR_WRITE, RWSEM_WAITING_FOR_READ };
struct rwsem_waiter { struct list_head list; struct task_struct *task; enum rwsem_waiter_type type; };

struct semaphore { raw_spinlock_t lock; unsigned int count; struct list_head wait_list; };
struct semaphore_waiter { struct list_head list; struct task_struct *task; bool up; };

/* Tasks. */

struct thread_info {
	struct task_struct *task;
	void *exec_domain;
	u32 flags;
	u32 status;
	u32 cpu;
	int preempt_count;
};
union thread_union { struct thread_info thread_info; unsigned long stack[1024]; };

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
	unsigned long long last_arrival, last_queued;
};

enum { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, NR_MM_COUNTERS };
struct task_rss_stat { int events; int count[NR_MM_COUNTERS]; };
struct mm_rss_stat { atomic_long_t count[NR_MM_COUNTERS]; };

enum pid_type { PIDTYPE_PID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };
struct upid { int nr; void *ns; struct hlist_node pid_chain; };
struct pid { atomic_t count; unsigned int level; struct hlist_head tasks[PIDTYPE_MAX]; struct upid numbers[1]; };
struct pid_link { struct hlist_node node; struct pid *pid; };

/* What switch_to() needs: the stack pointer of a task that is not running. */
struct thread_struct { unsigned long sp0, sp, usersp; };

struct task_struct {
	volatile long state;
	void *stack;
	atomic_t usage;
	unsigned int flags;
	int on_cpu;
	struct sched_info sched_info;
	struct list_head tasks;
	struct mm_struct *mm, *active_mm;
	struct task_rss_stat rss_stat;
	int exit_state;
	int exit_code, exit_signal;
	pid_t pid;
	pid_t tgid;
	struct completion *vfork_done;
	struct task_struct *real_parent;
	struct task_struct *parent;
	struct list_head children, sibling;
	struct task_struct *group_leader;
	struct pid_link pids[PIDTYPE_MAX];
	struct list_head thread_group;
	cputime_t utime, stime;
	struct timespec start_time;
	char comm[16];
	struct thread_struct thread;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
};

struct tty_struct { int magic; char name[64]; };
struct signal_struct {
	atomic_t sigcnt;
	int nr_threads;
	struct tty_struct *tty;
	short oom_score_adj;
	short oom_score_adj_min;
};

struct mm_struct {
	struct vm_area_struct *mmap;
	struct vm_area_struct *mmap_cache;
	atomic_long_t nr_ptes;
	struct rw_semaphore mmap_sem;
	struct mm_rss_stat rss_stat;
	unsigned long flags;
};

struct rq {
	raw_spinlock_t lock;
	unsigned int nr_running;
	struct task_struct *curr, *idle;
	u64 clock;
};

struct module { int state; struct list_head list; char name[56]; };

/* Files. */

struct file_system_type { const char *name; };
struct qstr { u32 hash, len; const unsigned char *name; };
struct address_space { struct inode *host; unsigned long nrpages; };

struct super_block {
	struct list_head s_list;
	struct file_system_type *s_type;
	struct rw_semaphore s_umount;
	struct dentry *s_root;
	struct list_head s_inodes;
	struct list_head s_mounts;
	char s_id[32];
	const char *s_subtype;
};

struct inode {
	unsigned short i_mode;
	unsigned short i_opflags;
	unsigned int i_uid, i_gid;
	unsigned int i_flags;
	void *i_acl, *i_default_acl;
	void *i_op;
	struct super_block *i_sb;
	struct address_space *i_mapping;
	void *i_security;
	unsigned long i_ino;
	union { const unsigned int i_nlink; unsigned int __i_nlink; };
	unsigned int i_rdev;
	long long i_size;
	struct timespec i_atime, i_mtime, i_ctime;
	spinlock_t i_lock;
	char i_bytes_to_i_blocks[12];
	unsigned long i_state;
	struct mutex i_mutex;
	struct list_head i_sb_list;
	struct hlist_head i_dentry;
	struct address_space i_data;
};

struct dentry_operations { void *d_hash; void *d_dname; };
struct hlist_bl_node { struct hlist_bl_node *next, **pprev; };
struct dentry {
	unsigned int d_flags;
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	const struct dentry_operations *d_op;
	struct super_block *d_sb;
	struct hlist_node d_alias;
};

struct vfsmount { struct dentry *mnt_root; struct super_block *mnt_sb; int mnt_flags; };
struct mount {
	struct list_head mnt_hash;
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct list_head mnt_instance;
	const char *mnt_devname;
	struct list_head mnt_list;
	struct mnt_namespace *mnt_ns;
};
struct mnt_namespace { atomic_t count; unsigned int proc_inum; struct mount *root; struct list_head list; };
struct nsproxy { atomic_t count; struct mnt_namespace *mnt_ns; };
struct path { struct vfsmount *mnt; struct dentry *dentry; };

/* Memory. */

enum zone_stat_item {
	NR_FREE_PAGES,
	NR_LRU_BASE,
	NR_INACTIVE_ANON = NR_LRU_BASE,
	NR_ACTIVE_ANON,
	NR_INACTIVE_FILE,
	NR_ACTIVE_FILE,
	NR_UNEVICTABLE,
	NR_MLOCK,
	NR_ANON_PAGES,
	NR_FILE_MAPPED,
	NR_FILE_PAGES,
	NR_FILE_DIRTY,
	NR_WRITEBACK,
	NR_SLAB_RECLAIMABLE,
	NR_SLAB_UNRECLAIMABLE,
	NR_PAGETABLE,
	NR_KERNEL_STACK,
	NR_UNSTABLE_NFS,
	NR_BOUNCE,
	NR_VMSCAN_WRITE,
	NR_VMSCAN_IMMEDIATE,
	NR_WRITEBACK_TEMP,
	NR_ISOLATED_ANON,
	NR_ISOLATED_FILE,
	NR_SHMEM,
	NR_DIRTIED,
	NR_WRITTEN,
	NUMA_HIT,
	NUMA_MISS,
	NUMA_FOREIGN,
	NUMA_INTERLEAVE_HIT,
	NUMA_LOCAL,
	NUMA_OTHER,
	NR_ANON_TRANSPARENT_HUGEPAGES,
	NR_FREE_CMA_PAGES,
	NR_VM_ZONE_STAT_ITEMS
};
enum zone_watermarks { WMARK_MIN, WMARK_LOW, WMARK_HIGH, NR_WMARK };

struct free_area { struct list_head free_list[5]; unsigned long nr_free; };
struct per_cpu_pages { int count, high, batch; struct list_head lists[3]; };
struct per_cpu_pageset {
	struct per_cpu_pages pcp;
	signed char expire, stat_threshold;
	signed char vm_stat_diff[NR_VM_ZONE_STAT_ITEMS];
};
struct zone {
	unsigned long watermark[NR_WMARK];
	unsigned long percpu_drift_mark;
	unsigned long lowmem_reserve[MAX_NR_ZONES];
	struct per_cpu_pageset *pageset;
	struct free_area free_area[MAX_ORDER];
	atomic_long_t vm_stat[NR_VM_ZONE_STAT_ITEMS];
	unsigned long zone_start_pfn, spanned_pages, present_pages, managed_pages;
	const char *name;
};
struct pglist_data { struct zone node_zones[MAX_NR_ZONES]; int nr_zones; int node_id; };
struct percpu_counter { raw_spinlock_t lock; s64 count; struct list_head list; int *counters; };

/* The log. */

struct log {
	u64 ts_nsec;
	u16 len, text_len, dict_len;
	u8 facility;
	u8 flags : 5, level : 3;
};
