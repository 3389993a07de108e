/**
 * Who waits for a read-write semaphore, by hand: a list inside a structure at an address, walked with typed objects. The
 * same three steps walk any list of the kernel: the object, its list head, and the structure that each node is part of.
 *
 *     node examples/walk-a-list.ts VMCORE ADDRESS      (of a struct rw_semaphore; blocked-tasks.ts shows some)
 */
import { address, escapeText, FaultError, listNodes, LookupError, openProgram, ValidationError } from 'kwhy';

const [path = 'samples/hung-6.1.vmcore', text = '0xffff88899fd6d080'] = process.argv.slice(2);
const at = address.parseAddress(text);
if (at === undefined) throw new Error(`${text} is no address`);
const program = openProgram(path);

try {
  // Nothing is read yet: an object is a type and a place.
  const lock = program.object('struct rw_semaphore', at);
  console.log(
    `${lock.typeName} at ${address.hex(lock.address)}, ${lock.size} bytes, count ${lock.member('count.counter').value()}`,
  );
  for (const node of listNodes(program, lock.member('wait_list').address)) {
    // container_of(node, struct rwsem_waiter, list)
    const waiter = program.object('struct list_head', node).containerOf('struct rwsem_waiter', 'list');
    const task = waiter.member('task');
    const writes = waiter.member('type').value() === program.enumerator('RWSEM_WAITING_FOR_WRITE');
    console.log(
      `${task.member('pid').number()} ${escapeText(task.member('comm').text())} wants to ${writes ? 'write' : 'read'}`,
    );
  }
} catch (error) {
  // What can be wrong with a dump has a class each, with fields to go by.
  if (error instanceof FaultError)
    console.error(`memory at ${address.hex(error.address)} cannot be read: ${error.reason}`);
  else if (error instanceof LookupError) console.error(`this kernel has no ${error.what} ${error.subject}`);
  else if (error instanceof ValidationError) console.error(`no such list: ${error.structure}: ${error.rule}`);
  else throw error;
  process.exitCode = 1;
}
program.close();
