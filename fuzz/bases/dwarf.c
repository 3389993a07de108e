/*
 * What the bases of the fuzz target 'dwarf' are made of. 2 and 3 have .debug_frame, 4 and 5 .eh_frame.
 *   c="gcc -O2 -ffreestanding -nostdlib -static -fno-pie -no-pie -mcmodel=kernel -Wl,-n,-e,start,-Ttext=0xffffffff81000000,--build-id=none"
 *   for v in 2 3; do $c -gdwarf-$v -fno-asynchronous-unwind-tables -fdebug-prefix-map=$PWD=/build dwarf.c -o dwarf-$v.elf; done
 *   for v in 4 5; do $c -gdwarf-$v -fdebug-prefix-map=$PWD=/build dwarf.c -o dwarf-$v.elf; done
 *   objcopy --compress-debug-sections=zlib dwarf-5.elf dwarf-5-zlib.elf
 *   objcopy --compress-debug-sections=zlib-gnu dwarf-4.elf dwarf-4-zdebug.elf
 *   gcc -O2 -ffreestanding -fno-pie -mcmodel=kernel -gdwarf-5 -fno-asynchronous-unwind-tables \
 *     -fdebug-prefix-map=$PWD=/build -c dwarf.c -o dwarf-5-module.o
 */
typedef unsigned long ulong_t;
typedef const volatile struct node *node_ref;
enum state { RUNNING, SLEEPING = 5, DEAD = -1 };
enum wide { WIDE = 0x123456789abcdefL };
struct list { struct list *next, *prev; };
union bits { unsigned raw; struct { unsigned low : 3, : 2, high : 11; int sign : 5; }; };
struct node {
  struct list list;
  enum state state;
  union bits bits;
  union { long number; void *pointer; };
  char name[16];
  int grid[3][4];
  int (*call)(struct node *, ulong_t, ...);
  _Bool on;
  double weight;
  struct hidden *unknown;
  unsigned long long flags : 40;
  unsigned char tail[];
};
struct empty {};
struct node *first;
static enum wide wide = WIDE;
volatile int sink;
int table[] = { 1, 2, 3 };
__attribute__((noinline)) static int slow(int x) { sink += x; return sink; }
static inline int twice(int x) { sink = x; if (x > 3) { int y = x * 2; sink = y; return y; } return x + 1; }
static inline int outer(int x) { return twice(x) + twice(x + sink); }
int work(struct node *node, node_ref other, ulong_t count)
{
  int sum = 0;
  for (ulong_t i = 0; i < count; i++) { sum += outer(node->grid[i % 3][i & 3]); if (sum < 0) sum = slow(sum); }
  return sum + (other ? (int)other->state : (int)wide);
}
void start(void) { sink = work(first, first, table[0]); for (;;) ; }
