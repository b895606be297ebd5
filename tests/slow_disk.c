/* Preloaded into a server: fsync and fdatasync hang for as long as the file of SLOW_DISK is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int held(int fd, const char *name) {
    const char *flag = getenv("SLOW_DISK");
    while (flag != NULL && access(flag, F_OK) == 0)
        usleep(10000);
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fsync(int fd) { return held(fd, "fsync"); }
int fdatasync(int fd) { return held(fd, "fdatasync"); }
