// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with one lock of each kind that sleeps. Writing "H" to /proc/lockdev takes them all and sleeps for ever; "m",
 * "s", "r", "x" take the mutex, the semaphore, the rt_mutex and the ww_mutex, "w" and "p" the per-CPU rw_semaphore for
 * writing and for reading. On PREEMPT_RT, where spinlocks sleep, "S" takes the spinlock and the rwlock and spins with
 * them, "l" takes the spinlock, "k" and "q" the rwlock for writing and for reading. Reading tells where they are.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu-rwsem.h>
#include <linux/proc_fs.h>
#include <linux/rtmutex.h>
#include <linux/semaphore.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/ww_mutex.h>

static DEFINE_WD_CLASS(lock_class);
static DEFINE_MUTEX(flash_lock);
static struct semaphore slots;
static struct rt_mutex bus_lock;
static struct ww_mutex buffer_lock;
DEFINE_STATIC_PERCPU_RWSEM(config_rwsem);
static DEFINE_SPINLOCK(queue_lock);
static DEFINE_RWLOCK(table_lock);

static noinline void hold_all(void)
{
	mutex_lock(&flash_lock);
	down(&slots);
	rt_mutex_lock(&bus_lock);
	ww_mutex_lock(&buffer_lock, NULL);
	percpu_down_read(&config_rwsem);
	for (;;)
		msleep(1000000);
}

static noinline void spin_with_locks(void)
{
	spin_lock(&queue_lock);
	write_lock(&table_lock);
	for (;;)
		cpu_relax();
}

static noinline void take(char which)
{
	switch (which) {
	case 'm':
		mutex_lock(&flash_lock);
		mutex_unlock(&flash_lock);
		break;
	case 's':
		down(&slots);
		up(&slots);
		break;
	case 'r':
		rt_mutex_lock(&bus_lock);
		rt_mutex_unlock(&bus_lock);
		break;
	case 'x':
		ww_mutex_lock(&buffer_lock, NULL);
		ww_mutex_unlock(&buffer_lock);
		break;
	case 'w':
		percpu_down_write(&config_rwsem);
		percpu_up_write(&config_rwsem);
		break;
	case 'p':
		percpu_down_read(&config_rwsem);
		percpu_up_read(&config_rwsem);
		break;
	case 'l':
		spin_lock(&queue_lock);
		spin_unlock(&queue_lock);
		break;
	case 'k':
		write_lock(&table_lock);
		write_unlock(&table_lock);
		break;
	case 'q':
		read_lock(&table_lock);
		read_unlock(&table_lock);
		break;
	}
}

static ssize_t lockdev_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char word;

	if (get_user(word, from))
		return -EFAULT;
	if (word == 'H')
		hold_all();
	else if (word == 'S')
		spin_with_locks();
	else
		take(word);
	return size;
}

static int lockdev_show(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%px %px %px %px %px %px %px %d\n", &flash_lock, &slots, &bus_lock, &buffer_lock, &config_rwsem,
		   &queue_lock, &table_lock, IS_ENABLED(CONFIG_PREEMPT_RT));
	return 0;
}

static int lockdev_open(struct inode *inode, struct file *file)
{
	return single_open(file, lockdev_show, NULL);
}

static const struct proc_ops lockdev_ops = {
	.proc_open = lockdev_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = lockdev_write,
};

static int __init lockdev_init(void)
{
	sema_init(&slots, 1);
	rt_mutex_init(&bus_lock);
	ww_mutex_init(&buffer_lock, &lock_class);
	return proc_create("lockdev", 0600, NULL, &lockdev_ops) ? 0 : -ENOMEM;
}

module_init(lockdev_init);
MODULE_LICENSE("GPL");
