/* What the parser of c-types.ts understands, one of each. Compiles by itself. */
#define LENGTH 3

typedef unsigned long cputime_t;
typedef struct { int counter; } atomic_t;
struct list_head { struct list_head *next, *prev; };
enum era { OLD, LATER = 7, LATEST, FIRST = OLD, BELOW = -1 };
union word { long whole; char bytes[8]; };
typedef enum era era_t;

struct sample {
	unsigned char small;
	atomic_t count;			// padded
	volatile long state;
	const char *name, **names[LENGTH];
	struct list_head list;
	unsigned int flags : 5, level : 3;
	unsigned int far : 31;
	unsigned char tiny : 3;
	union {
		unsigned long long both;
		struct { unsigned int low, high; };
	};
	struct { short first; cputime_t second; } inner;
	int (*compare)(const void *, struct sample *);
	void (*handlers[2])(int (*)(void));
	unsigned short grid[2][LENGTH], at[LATER];
	union word word;
	enum era era;
	_Bool last;
	struct sample * const self;
	char tail[];
};
