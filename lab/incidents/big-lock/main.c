/* The first incident with thousands of waiters, each started by a process of its own. */
#include "../01-userfault-getdents/main.c"
