/** `locks`: every sleeping lock that somebody waits for, most waiters first; with an address, one lock in full. */
import { UsageError } from '../base/errors.ts';
import { clockFact } from '../diagnosis/facts/clock.ts';
import { lockNamesFact } from '../diagnosis/facts/lock-names.ts';
import { waitGraphFact, type WaitTarget } from '../diagnosis/facts/wait-graph.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Growth } from '../model/growth.ts';
import type { Shape } from '../model/shape.ts';
import { address, count, duration, name, type Prose, prose, symbol } from '../model/value.ts';
import { addressArgument } from '../shell/expression.ts';
import { crowdData, crowdLines, ownersText, targetData, targetText } from '../shell/wait-views.ts';

export default defineCommand({
  name: 'locks',
  summary: 'sleeping locks that somebody waits for, and who has them',
  description: [
    'Locks for which nobody waits are not found: nothing lists them. waiters ADDRESS has the queue of one.',
  ],
  options: [],
  arguments: [{ name: 'address', kinds: ['address', 'symbol'], optional: true }],
  examples: [
    { line: 'locks', what: 'all of them, most waiters first' },
    { line: 'locks rtnl_mutex', what: 'one: its words, its owner, what it belongs to' },
  ],
  run(context, args) {
    const [text, extra] = args.positionals;
    if (extra !== undefined) throw new UsageError(`'${extra}': locks takes one address`);
    const targets = context.use(waitGraphFact).targets.filter(({ lock }) => lock !== undefined);
    if (text === undefined) return table(context, targets);
    const at = addressArgument(context.program, text);
    const target = targets.find((each) => each.address === at);
    if (target === undefined)
      throw new UsageError(`${text}: nobody waits for a lock there; locks has those that are waited for`);
    return detail(context, target);
  },
});

function table(context: CommandContext, targets: readonly WaitTarget[]): Shape {
  const clock = context.use(clockFact);
  const rows = targets.map(({ address: at, ctype, waiters, owners, ownerless, lock }) => {
    const longest = waiters.map((task) => clock.offCpu(task) ?? -1n).reduce((a, b) => (a > b ? a : b), -1n);
    for (const problem of lock?.problems ?? []) context.problem(`0x${at.toString(16)}: ${problem}`);
    const [owner] = owners;
    const readers = lock?.rwsem?.readers;
    const who =
      owner === undefined
        ? `(${ownerless === 'obstacle' ? 'no task' : (ownerless ?? '?')})`
        : `${owner.task.comm} (pid ${owner.task.pid}), ${owner.certainty}`;
    const what = lock === undefined ? [] : context.use(lockNamesFact).of(at, lock.kind).text;
    return [
      count(waiters.length),
      longest < 0n ? undefined : duration(longest),
      address(at),
      ctype.replace('struct ', ''),
      readers === undefined || readers === 0 ? undefined : count(readers),
      name(who),
      name(plainText(what)),
    ];
  });
  if (rows.length === 0) return { shape: 'text', lines: [['Nobody waits for a sleeping lock.']], data: () => [] };
  return {
    shape: 'table',
    columns: [
      { key: 'waiters', label: 'WAITERS', align: 'right' },
      { key: 'longest', label: 'LONGEST', align: 'right' },
      { key: 'address', label: 'ADDRESS', align: 'left' },
      { key: 'type', label: 'TYPE', align: 'left' },
      { key: 'readers', label: 'READERS', align: 'right' },
      { key: 'owner', label: 'OWNER', align: 'left' },
      { key: 'what', label: 'WHAT', align: 'left' },
    ],
    rows,
  };
}

/** A name as one word of a table: its values without marks. */
function plainText(text: Prose): string {
  return text
    .map((part) => {
      if (typeof part === 'string') return part;
      if (part.kind === 'task') return `${part.comm} (pid ${part.pid})`;
      return part.kind === 'name' || part.kind === 'symbol' ? part.value : '';
    })
    .join('');
}

function detail(context: CommandContext, target: WaitTarget): Shape {
  const { lock } = target;
  const lines: (Prose | Growth)[] = [prose`Tasks wait ${targetText(target)}`, prose`   ${ownersText(target)}`];
  if (lock !== undefined) {
    for (const problem of lock.problems) context.problem(problem);
    if (lock.unread !== undefined) context.problem(`its words cannot be read: ${lock.unread}`);
    const { mutex, rwsem } = lock;
    if (mutex !== undefined) lines.push(prose`   owner and flags: ${symbol(`0x${mutex.raw.toString(16)}`)}`);
    if (rwsem !== undefined) {
      const held = rwsem.readers === undefined ? rwsem.heldBy : `${rwsem.heldBy}, ${rwsem.readers} of them`;
      lines.push(prose`   count: ${symbol(`0x${BigInt.asUintN(64, rwsem.count).toString(16)}`)}; held by ${held}`);
    }
    for (const witness of context.use(lockNamesFact).of(lock.address, lock.kind).witnesses)
      lines.push([`   what it is: ${witness}`]);
    lines.push(prose`   ${count(target.waiters.length)} in its queue${lock.whole ? '' : ', which breaks off'}`);
  }
  lines.push(...crowdLines(context, target.waiters));
  return { shape: 'text', lines, data: () => targetData(target, crowdData(context, target.waiters)) };
}
