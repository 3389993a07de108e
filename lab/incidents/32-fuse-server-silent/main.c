/*
 * A FUSE server answers what the mount needs, and then nothing: its backend does not come back to it. The first lookup waits
 * for its answer with the directory's i_rwsem (for reading) and the kernel's own lock of lookups held; others queue behind
 * these, and who writes to the directory queues for its i_rwsem. A second server answers all along.
 */
#include "lab.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/futex.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define DEVICE 10

struct server {
	const char *folder;
	int answers;
};

static struct server silent = { NULL, 0 }, healthy = { "/run/healthy", 1 };
static char request[1 << 16];

static void answer(uint64_t unique, int error, const void *body, size_t size)
{
	char reply[512];
	struct fuse_out_header out = { sizeof out + size, error, unique };
	memcpy(reply, &out, sizeof out);
	memcpy(reply + sizeof out, body, size);
	if (write(DEVICE, reply, out.len) < 0 && errno != ENOENT)
		lab_die("answer to the kernel");
}

static void folder_attributes(struct fuse_attr *attr)
{
	attr->ino = FUSE_ROOT_ID;
	attr->mode = S_IFDIR | 0777;
	attr->nlink = 2;
}

/* What the backend of a server that is lost looks like. */
static void backend(void)
{
	static int word;
	int none[2];
	char byte;
	if (strcmp(lab_text("MODE"), "pipe") == 0) {
		if (pipe(none) != 0 || read(none[0], &byte, 1) != 1)
			lab_die("pipe");
	} else if (strcmp(lab_text("MODE"), "futex") == 0) {
		for (;;)
			syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
	} else {
		lab_forever();
	}
}

static void serve(long which)
{
	struct server *server = (struct server *)which;
	char options[100];
	int device = open("/dev/fuse", O_RDWR);
	if (device < 0 || dup2(device, DEVICE) != DEVICE)
		lab_die("/dev/fuse");
	close(device);
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", DEVICE);
	if (mount(lab_text("SERVER"), server->folder, "fuse.lab", 0, options) != 0)
		lab_die("mount %s", server->folder);
	for (;;) {
		struct fuse_in_header *in = (struct fuse_in_header *)request;
		if (read(DEVICE, request, sizeof request) < (ssize_t)sizeof *in)
			lab_die("read of /dev/fuse");
		if (in->opcode == FUSE_INIT) {
			struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096, .max_readahead = 4096 };
			answer(in->unique, 0, &init, sizeof init);
		} else if (in->opcode == FUSE_GETATTR) {
			struct fuse_attr_out got = { .attr_valid = 3600 };
			folder_attributes(&got.attr);
			answer(in->unique, 0, &got, sizeof got);
		} else if (in->opcode == FUSE_LOOKUP && server->answers) {
			answer(in->unique, -ENOENT, NULL, 0);
		} else if (in->opcode == FUSE_LOOKUP || in->opcode == FUSE_STATFS) {
			if (!server->answers)
				backend();
			struct fuse_statfs_out statfs = { .st = { .blocks = 1000, .bsize = 4096 } };
			answer(in->unique, 0, &statfs, sizeof statfs);
		} else if (in->opcode != FUSE_FORGET && in->opcode != FUSE_INTERRUPT) {
			answer(in->unique, -ENOSYS, NULL, 0);
		}
	}
}

static void look(long number)
{
	char path[200];
	struct stat found;
	snprintf(path, sizeof path, "%s/report.%ld", silent.folder, number);
	stat(path, &found);
	lab_die("stat came back");
}

static void add(long number)
{
	char path[200];
	snprintf(path, sizeof path, "%s/new.%ld", silent.folder, number);
	open(path, O_CREAT | O_WRONLY, 0644);
	lab_die("open came back");
}

static void ask(long unused)
{
	struct statfs found;
	(void)unused;
	statfs(silent.folder, &found);
	lab_die("statfs came back");
}

static void innocent(long number)
{
	struct stat found;
	char path[200];
	snprintf(path, sizeof path, "%s/%ld", healthy.folder, number);
	for (;;) {
		stat(path, &found);
		lab_sleep_ms(50);
	}
}

static pid_t start(struct server *server, const char *comm)
{
	char path[100];
	struct stat found;
	snprintf(path, sizeof path, "%s", server->folder);
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		mkdir(path, 0755);
		*at = '/';
	}
	mkdir(path, 0755);
	dev_t before = stat(path, &found) == 0 ? found.st_dev : 0;
	pid_t pid = lab_role(comm, serve, (long)server);
	for (int i = 0; i < 500; i++) {
		if (stat(path, &found) == 0 && found.st_dev != before)
			return pid;
		lab_sleep_ms(20);
	}
	lab_die("%s was never mounted", path);
}

int main(void)
{
	lab_comm("systemd");
	lab_company();
	silent.folder = lab_text("MOUNT");
	truth_decoy("a FUSE server that answers", start(&healthy, "bindfs"));
	truth_decoy("asks a server that answers", lab_role("watcher", innocent, 1));
	pid_t server = start(&silent, lab_text("SERVER"));
	/* struct file.private_data is the struct fuse_dev, which begins with its struct fuse_conn. */
	uint64_t files = probe_read(probe_task(server) + probe_offset("task_struct", "files"));
	uint64_t table = probe_read(files + probe_offset("files_struct", "fdt"));
	uint64_t file = probe_read(probe_read(table + probe_offset("fdtable", "fd")) + 8 * DEVICE);
	uint64_t connection = probe_read(probe_read(file + probe_offset("file", "private_data")));
	pid_t first = lab_role(lab_text("LOOK"), look, 0);
	lab_wait_stack(first, "request_wait_answer");
	for (long i = 1; i < lab_number("LOOKERS"); i++) {
		lab_role(lab_text("LOOK"), look, i);
		lab_sleep_ms(lab_number("PAUSE_MS"));
	}
	for (long i = 0; i < lab_number("STATS"); i++)
		lab_wait_stack(lab_role(lab_text("STAT"), ask, 0), "request_wait_answer");
	int folder = open(silent.folder, O_PATH | O_DIRECTORY);
	uint64_t lock = probe_inode(getpid(), folder) + probe_offset("inode", "i_rwsem");
	pid_t adder = 0;
	for (long i = 0; i < lab_number("ADDERS"); i++)
		adder = lab_role(lab_text("ADD"), add, i);
	lab_wait_waiters("rw_semaphore", lock, lab_number("ADDERS"));
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	truth_task("culprit", server);
	truth_task("waits for an answer with locks held", first);
	truth_task("wants to write to the directory", adder);
	truth_address("resource", "struct fuse_conn", connection, "the connection of the file system");
	truth_address("lock", "struct rw_semaphore", lock, "i_rwsem of the directory, held by those that look up");
	truth_count("requests without an answer", 1 + lab_number("STATS"));
	truth_count("waiters", lab_number("LOOKERS") + lab_number("STATS") + lab_number("ADDERS"));
	truth_text("mount", silent.folder);
	lab_ready();
	lab_forever();
}
