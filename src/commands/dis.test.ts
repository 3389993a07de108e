import { describe, expect, it } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import dis from './dis.ts';

const { run, json } = commandRunner([dis]);

describe('dis', () => {
  // The lines of crash 9.0.2 on the full dump; a tab there leads as far as the blanks here. Which places ftrace may patch
  // is in pages that the sample leaves out: crash takes the form of the no-op at the start for it.
  it('shows a whole function for its name', () => {
    expect(run('dis mutex_lock').lines).toEqual([
      '0xffffffff9a213850 <mutex_lock>:        nopl   0x0(%rax,%rax,1)',
      '0xffffffff9a213855 <mutex_lock+5>:      push   %rbx',
      '0xffffffff9a213856 <mutex_lock+6>:      mov    %rdi,%rbx',
      '0xffffffff9a213859 <mutex_lock+9>:      call   0xffffffff9a2116a0 <__cond_resched>',
      '0xffffffff9a21385e <mutex_lock+14>:     xor    %eax,%eax',
      '0xffffffff9a213860 <mutex_lock+16>:     mov    %gs:0x1fb80,%rdx',
      '0xffffffff9a213869 <mutex_lock+25>:     lock cmpxchg %rdx,(%rbx)',
      '0xffffffff9a21386e <mutex_lock+30>:     jne    0xffffffff9a213876 <mutex_lock+38>',
      '0xffffffff9a213870 <mutex_lock+32>:     pop    %rbx',
      '0xffffffff9a213871 <mutex_lock+33>:     ret',
      '0xffffffff9a213872 <mutex_lock+34>:     int3',
      '0xffffffff9a213873 <mutex_lock+35>:     int3',
      '0xffffffff9a213874 <mutex_lock+36>:     int3',
      '0xffffffff9a213875 <mutex_lock+37>:     int3',
      '0xffffffff9a213876 <mutex_lock+38>:     mov    %rbx,%rdi',
      '0xffffffff9a213879 <mutex_lock+41>:     pop    %rbx',
      '0xffffffff9a21387a <mutex_lock+42>:     jmp    0xffffffff9a213840 <__mutex_lock_slowpath>',
      '0xffffffff9a21387c <mutex_lock+44>:     nopl   0x0(%rax)',
    ]);
  });

  it('shows one instruction for an address, so many for a count', () => {
    expect(run('dis ffffffff9a213870').lines).toEqual(['0xffffffff9a213870 <mutex_lock+32>:     pop    %rbx']);
    expect(run('dis mutex_lock+32 2').lines).toHaveLength(2);
    expect(run('dis (mutex_lock+32)').lines).toEqual(run('dis ffffffff9a213870').lines);
  });

  it('-r leads to the address, -f from there to the end; a count keeps the nearest', () => {
    const all = run('dis mutex_lock').lines;
    expect(run('dis -r mutex_lock+32').lines).toEqual(all.slice(0, 9));
    expect(run('dis -r mutex_lock+32 3').lines).toEqual(all.slice(6, 9));
    expect(run('dis -f mutex_lock+32').lines).toEqual(all.slice(8));
    expect(run('dis -f mutex_lock+32 3').lines).toEqual(all.slice(8, 11));
    expect(run('dis -rf mutex_lock+32').failures).toEqual(['dis: -r and -f: one of them']);
  });

  it('-x has offsets in hex', () => {
    expect(run('dis -x mutex_lock+30').lines).toEqual([
      '0xffffffff9a21386e <mutex_lock+0x1e>:   jne    0xffffffff9a213876 <mutex_lock+0x26>',
    ]);
  });

  it('names the static keys whose place it is', () => {
    expect(run('dis schedule 3').lines.join('\n')).not.toContain('STATIC KEY');
    expect(run('dis __schedule+145').lines).toEqual([
      '0xffffffff9a210b81 <__schedule+145>:    nopl   0x0(%rax,%rax,1) [STATIC KEY sched_schedstats]',
    ]);
  });

  it('says what is missing: the table of ftrace, source lines, an unknown symbol', () => {
    expect(run('dis schedule 1').problems).toEqual([
      "places where the kernel patches itself: at least 5980 read: functions that can be traced: the kernel's table cannot be read",
    ]);
    expect(run('dis -l schedule 1').problems).toContain(
      'source lines are not known: a vmlinux with debug information was not given',
    );
    expect(run('dis -s schedule').failures).toEqual([
      'dis: source lines are not known: a vmlinux with debug information was not given',
    ]);
    expect(run('dis nosuchsymbol').failures).toHaveLength(1);
    expect(run('dis').failures[0]).toContain('usage: dis');
    expect(run('dis schedule 0').failures[0]).toContain("count '0'");
  });

  it('-b skips what lies behind ud2', () => {
    expect(run('dis -b').lines).toEqual(['encoded bytes being skipped after ud2a: 0']);
    const plain = run('dis schedule').lines;
    const at = plain.findIndex((line) => line.endsWith('ud2'));
    const skipped = run('dis -b 2 schedule').lines;
    expect(skipped.slice(0, at + 1)).toEqual(plain.slice(0, at + 1));
    expect(skipped[at + 1]).toMatch(/^0xffffffff9a2115b4 /);
  });

  it('gives the same as data', () => {
    expect(json('dis mutex_lock+9')).toMatchObject({
      data: [
        {
          instruction: {
            address: '0xffffffff9a213859',
            symbol: 'mutex_lock+9',
            bytes: 'e842deffff',
            text: 'call   0xffffffff9a2116a0',
            target: { kind: 'call', address: '0xffffffff9a2116a0', symbol: '__cond_resched' },
          },
        },
      ],
    });
  });
});
