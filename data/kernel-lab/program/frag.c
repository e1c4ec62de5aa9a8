// SPDX-License-Identifier: GPL-2.0
/* Fragment memory, run a command, undo. */
#include "kl.h"
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

int cmd_frag(uint64_t npages, unsigned int stride, char **command)
{
	struct klab_frag f = { .npages = npages, .stride_order = stride };
	int status = 0;

	if (ioctl(fd_klab, KLAB_IOC_FRAG, &f)) {
		perror("kl: frag");
		return 1;
	}
	printf("# fragmented: stride_order=%u kept=%llu\n", f.stride_order, (unsigned long long)f.npages);
	fflush(stdout);
	if (!fork()) {
		execvp(command[0], command);
		_exit(127);
	}
	wait(&status);
	ioctl(fd_klab, KLAB_IOC_UNFRAG);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
