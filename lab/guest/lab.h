/*
 * What every incident's program may use: its seeded parameters, the truth it tells the host, roles played by forked
 * processes, innocent company, and addresses of kernel objects read from /proc/kcore.
 *
 * The truth goes to the second serial port, one JSON object a line, so the kernel's log holds no hint of it.
 */
#ifndef LAB_H
#define LAB_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Parameters: the environment, set from incident.json by the seed. */
long lab_number(const char *name);
const char *lab_text(const char *name);

/* Truth. */
void truth_task(const char *role, pid_t pid);
void truth_count(const char *name, long value);
void truth_text(const char *name, const char *value);
void truth_address(const char *role, const char *ctype, uint64_t address, const char *what);
void truth_decoy(const char *what, pid_t pid);

/* Ends the incident as failed: the host makes no dump. */
void lab_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Forks a process of the given name that runs play(argument) and never returns. */
pid_t lab_role(const char *comm, void (*play)(long), long argument);
void lab_comm(const char *comm);
void lab_forever(void) __attribute__((noreturn));
void lab_sleep_ms(long ms);
/* Uses up pids, so that those of the roles differ from seed to seed. */
void lab_burn_pids(long count);
/* Innocent processes, a queue that moves, a big one, old scary lines in the log; tells them as decoys. */
void lab_company(void);
/* Maps, touches and keeps anonymous memory. */
void *lab_memory(size_t bytes);
void lab_write(const char *path, const char *text);
/* Loads a module that the incident brought along, with parameters. */
void lab_insmod(const char *name);
void lab_insmod_with(const char *name, const char *parameters);
/* Appends what a /proc file holds to a buffer; its length, or -1. */
long lab_read(const char *path, char *buffer, size_t size);

/* Waits until the kernel stack of a task has a function whose name contains `function`; dies after 60 s. The kernel
 * leaves its lock and sched functions out of such stacks. */
void lab_wait_stack(pid_t pid, const char *function);
/* Waits until a lock, `mutex` or `rw_semaphore`, has as many waiters; dies after 60 s. */
void lab_wait_waiters(const char *type, uint64_t lock, long count);

/* The oracle does not touch the mmap_lock of these processes. */
void lab_skip_mm(pid_t pid);
/* Everything is set up: lets the host go on; returns when the oracle has been recorded. */
void lab_ready(void);

/* Kernel objects by /proc/kcore and the kernel's own BTF; they die when one cannot be found. */
uint64_t probe_task(pid_t pid);
uint64_t probe_mm(pid_t pid);
uint64_t probe_inode(pid_t pid, int fd);
uint64_t probe_cache(const char *name);
uint64_t probe_symbol(const char *name);
uint64_t probe_read(uint64_t address);
/* Length of the queue of a `mutex` or `rw_semaphore`. */
long probe_waiters(const char *type, uint64_t lock);
long probe_offset(const char *type, const char *member);

#endif
