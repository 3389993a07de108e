/*
 * One task in each kind of wait. Each is told to the host with what kind it is, which object it waits for and who could end
 * it, as the programs themselves know; `npm run lab -- waits` compares that with what kwhy says.
 */
#include "waits.h"
#include "files.h"
#include "sockets.h"
#include "tasks.h"

int main(void)
{
	lab_comm("systemd");
	lab_company();
	slots = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(slots != MAP_FAILED, "mmap");
	mkdir("/dev/pts", 0755);
	if (mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666") != 0)
		lab_die("devpts");
	wait_for_files();
	wait_for_terminals();
	wait_for_tcp();
	wait_for_unix();
	wait_for_words();
	wait_for_ipc();
	wait_for_tasks();
	wait_for_driver();
	lab_sleep_ms(lab_number("WAIT_S") * 1000);
	lab_ready();
	lab_forever();
}
