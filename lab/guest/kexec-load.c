/* kexec-load KERNEL INITRD CMDLINE: loads the kernel that takes the dump, with kexec_file_load(2), unsigned. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEXEC_FILE_ON_CRASH 2

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	int kernel = open(argv[1], O_RDONLY), initrd = open(argv[2], O_RDONLY);
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], KEXEC_FILE_ON_CRASH) != 0) {
		printf("kexec_file_load: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
