/** The values are crash 9.0.2's, with debuginfo, on the full dump that the sample was made of (without its `$1 = `). */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import p from './p.ts';

const { run, json } = commandRunner([p]);
const TASK = '((struct task_struct *)0xffff88899fc4a0c0)';

test.each([
  ['jiffies', 'jiffies = 4294895137'],
  ['-x jiffies', 'jiffies = 0xfffee621'],
  ['init_task.pid', '0'],
  ['&init_task', '(struct task_struct *) 0xffffffff9b21aa40 <init_task>'],
  ['init_task.comm', '"swapper/0\\000\\000\\000\\000\\000\\000"'],
  ['init_task.sched_class', '(const struct sched_class *) 0xffffffff9ab983a0 <idle_sched_class>'],
  [`${TASK}->mm->total_vm * 4`, '1060'],
  [`${TASK}->state`, '1'],
  ['sizeof(struct page)', '64'],
  ['sizeof(init_task)', '9728'],
  ['(char)65', "65 'A'"],
  ["'a'", "97 'a'"],
  ['5+6*2', '17'],
  ['(5+6)*2', '22'],
  ['~0', '-1'],
  ['0xffffffffffffffff', '18446744073709551615'],
  ['1<<3', '8'],
  ['(8 >> 1)', '4'],
  ['10/3', '3'],
  ['-10 % 3', '-1'],
  ['07', '7'],
  ['1 ? 2 : 3', '2'],
  ['!5 || 3 == 3', '1'],
  ['3000000000', '3000000000'],
  ['&((struct task_struct *)0)->pid', '(pid_t *) 0x970'],
  ['(long)&((struct task_struct *)0)->pid', '2416'],
  ['offsetof(struct task_struct, se.exec_start)', '192'],
  ['(enum zone_stat_item)3', 'NR_ZONE_INACTIVE_FILE'],
  ['(int *)0', '(int *) 0x0'],
  ['*panic', '{void (const char *, ...)} 0xffffffff9a1ccf31 <panic>'],
  ['per_cpu(runqueues, 0).nr_running', '1'],
  ['(int)nr_threads', '161'],
  ['nr_threads', 'nr_threads = 161'],
  ['(int)rcu_state', '0'],
  ['&shmem_file_operations', '(const struct file_operations *) 0xffffffff9a8397c0 <shmem_file_operations>'],
  ['system_wq', 'system_wq = (struct workqueue_struct *) 0xffff88898104ee00'],
  ['{unsigned int} &nr_threads', '161'],
  [
    'container_of(&init_task.tasks, struct task_struct, tasks)',
    '(struct task_struct *) 0xffffffff9b21aa40 <init_task>',
  ],
  ['init_task.comm[0]', "115 's'"],
  ['*init_task.comm@3', '"swa"'],
  ['&init_task.comm[1] - &init_task.comm[0]', '1'],
])('p %s', (expression, value) => {
  expect(run(`p ${expression}`)).toEqual({ text: `${value}\n`, lines: [value], problems: [], failures: [] });
});

test('functions and arrays begin a new line behind their names, as in crash', () => {
  expect(run('p panic').lines).toEqual(
    ['panic = ', ' {void (const char *, ...)} 0xffffffff9a1ccf31 <panic>'].map((line) => line.trimEnd()),
  );
});

test('per-CPU variables: where they are, and their values', () => {
  expect(run('p cpu_number').lines).toEqual([
    'PER-CPU DATA TYPE:',
    '  int cpu_number;',
    'PER-CPU ADDRESSES:',
    '  [0]: ffff88899e819160',
    '  [1]: ffff88899e919160',
  ]);
  expect(run('p cpu_number:a').lines).toEqual(['per_cpu(cpu_number, 0) = 0', 'per_cpu(cpu_number, 1) = 1']);
  expect(run('p current_task:0').lines).toEqual([
    'per_cpu(current_task, 0) = (struct task_struct *) 0xffff8889811ea0c0',
  ]);
});

test.each([
  ['rcu_state', 'the type of rcu_state is not known'],
  ['init_task.piid', "struct task_struct has no member 'piid'; did you mean pid?"],
  ['jiffiess', "no symbol or enumerator 'jiffiess'; did you mean jiffies?"],
  ['(struct tsk *)0', "no type 'struct tsk' in this kernel"],
  ['1 +', "expression '1 +': it ends where a value was expected"],
  ['1 2', "'2' stands where the end was expected"],
  ['5 / 0', 'division by zero'],
  ['*(void *)0xffffffff9b21aa40', 'a void * must be cast'],
  ['printk("x")', 'does not belong into an expression'],
  ['panic(1)', 'a dump cannot be made to run functions'],
  ['init_task + 1', 'no arithmetic with a value of type struct task_struct'],
  ['*(int *)8', 'cannot read virtual memory'],
  [`${'('.repeat(300)}1`, 'nested deeper than'],
  ['', 'which expression?'],
])('p %s is refused', (expression, message) => {
  const { text, problems, failures } = run(`p ${expression}`);
  expect([...problems, ...failures].join()).toContain(message);
  expect(text === '' || text.includes('<cannot be read')).toBe(true);
});

test('JSON', () => {
  expect(json('p init_task.tasks')).toMatchObject({
    data: { type: 'struct list_head', value: { next: '0xffff8889811ea950' } },
  });
});

test('arrays whose length an enumerator tells are whole', () => {
  const counters = [48361, 17698, 4512, 0, 0, 0, 0, 0, 0, 0, 0].map((counter) => ({ counter }));
  expect(json('p vm_zone_stat')).toMatchObject({ data: { value: counters } });
  expect(run('p vm_zone_stat').lines.filter((line) => line.includes('counter'))).toHaveLength(11);
});
