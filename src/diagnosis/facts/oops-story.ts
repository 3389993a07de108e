/** What is told alike of every crash of the kernel itself: where, for whom, when, and the evidence of it. */
import type { Evidence, Finding, StoryLine } from '../../model/finding.ts';
import { hex, virt } from '../../base/address.ts';
import {
  address,
  command,
  type Data,
  duration,
  name,
  prose,
  type Prose,
  symbol,
  task as taskValue,
} from '../../model/value.ts';
import type { OopsPlace } from '../../kernel/oops.ts';
import type { CrashInstruction } from './crash-instruction.ts';
import type { FatalOops } from './oopses.ts';

/** 'foo+0x12 of module bar'. */
export function placeText(at: OopsPlace | undefined): Prose {
  if (at === undefined) return ['a function that the log does not name'];
  const module = at.module === undefined ? '' : prose` of module ${name(at.module)}`;
  return prose`${symbol(`${at.func}+0x${at.offset.toString(16)}`)}${module}`;
}

/** For whom it ran; undefined when nothing says so. */
export function whoText({ oops, task }: FatalOops): Prose | undefined {
  if (task !== undefined) return prose`${taskValue(task)}`;
  return oops.comm === undefined ? undefined : prose`${name(oops.comm)}`;
}

/** Lines of the instruction, what proves it, for whom it ran, when, and that it does not clear. */
export function aroundLines(fatal: FatalOops): StoryLine[] {
  const { oops } = fatal;
  const instruction = instructionText(fatal);
  const proof = proofText(fatal);
  const who = ranText(fatal);
  return [
    ...(instruction === undefined ? [] : [{ topic: 'why' as const, text: instruction }]),
    ...(proof === undefined ? [] : [{ topic: 'proof' as const, text: proof }]),
    ...(who === undefined ? [] : [{ topic: 'task' as const, text: who }]),
    // The trigger has the time, and what stopped the kernel.
    ...(oops.timeNs === undefined
      ? []
      : [{ topic: 'since' as const, text: prose`${duration(oops.timeNs)} after boot.`, detail: true }]),
    { topic: 'clears', text: ['No: the kernel stopped.'], detail: true },
  ];
}

/** 'The instruction mov 0x18(%rdi),%eax touched 0x18(%rdi), with rdi 0x0000000000000000.' */
function instructionText({ oops, instruction }: FatalOops): Prose | undefined {
  const { text, operand } = instruction ?? {};
  // What a BUG() compiles to says nothing.
  if (text === undefined || text === 'ud2') return undefined;
  const plain = command(text.replace(/ +/g, ' '));
  if (operand === undefined || operand.registers.length === 0) return prose`The instruction is ${plain}.`;
  const registers = operand.registers.map(([register, value], i): Prose => {
    const and = i === 0 ? '' : ' and ';
    return prose`${and}${register} is ${address(virt(value))}`;
  });
  const leads =
    oops.address !== undefined && operand.address === oops.address
      ? prose`, which makes the address ${address(oops.address)}`
      : '';
  return prose`The instruction is ${plain}; ${registers.flat()}${leads}.`;
}

/** What of the log memory confirms. */
function proofText({ task, onStack, instruction }: FatalOops): Prose | undefined {
  const parts: Prose[] = [];
  if (instruction?.sameAsLog === true) parts.push(['in memory the instruction has the bytes that the log shows']);
  if (onStack && task !== undefined)
    parts.push(prose`the stack of ${taskValue(task)} was interrupted there by the exception`);
  if (parts.length === 0) return undefined;
  const shows = [
    'log',
    ...(onStack && task !== undefined ? [`bt ${task.pid}`] : []),
    ...(instruction?.sameAsLog === true ? [`dis ${hex(instruction.address)} 1`] : []),
  ].flatMap((show, i): Prose => [i === 0 ? '' : ', ', command(show)]);
  return prose`By the log; ${parts.flatMap((part, i): Prose => (i === 0 ? part : [', and ', ...part]))}; by hand: ${shows}.`;
}

/** Callers that are told, and CPUs beside the one that crashed. */
const MAX_CALLERS = 4;
const MAX_CPUS = 3;

/** 'node_exporter (pid 156) on CPU 0; callers of foo, the nearest first: vfs_read, ksys_read. CPU 1 was idle.' */
function ranText(fatal: FatalOops): Prose | undefined {
  const who = whoText(fatal);
  if (who === undefined) return undefined;
  const { oops, others } = fatal;
  const cpu = oops.cpu === undefined ? '' : ` on CPU ${oops.cpu}`;
  const callers = [...new Set(oops.trace.map(({ func }) => func))]
    .filter((func) => func !== oops.at?.func && !MACHINERY.test(func))
    .slice(0, MAX_CALLERS);
  const through =
    callers.length === 0
      ? ''
      : prose`; ${oops.at === undefined ? 'its callers' : prose`callers of ${symbol(oops.at.func.replace(/\.cold$/, ''))}`}, the nearest first: ${callers.flatMap((func, i): Prose => (i === 0 ? [symbol(func)] : [', ', symbol(func)]))}`;
  const beside = (others ?? []).slice(0, MAX_CPUS).map(({ cpu: other, task, func }): Prose => {
    if (task === undefined) return prose` CPU ${String(other)} was idle.`;
    return prose` CPU ${String(other)} ran ${taskValue(task)}${func === undefined ? '' : prose` in ${symbol(func)}`}.`;
  });
  return prose`${who}${cpu}${through}.${beside.flat()}`;
}

/** Functions of a trace that the exception itself, or the way into any system call, put there. */
const MACHINERY =
  /^(asm_|exc_|do_syscall_64|entry_SYSCALL|x64_sys_call|__x64_sys_|die|__die|show_|dump_stack|page_fault|do_trap|do_error_trap|do_user_addr_fault|bad_area|no_context|__bad_area|handle_bug|report_bug|ret_from_fork|kthread$|error_entry|general_protection|invalid_op|async_page_fault)/;

/** The log, and the stack of the task. */
export function oopsEvidence({ oops, func, task, onStack, instruction }: FatalOops): Evidence[] {
  const out: Evidence[] = [
    {
      claim: prose`The log says: ${name(oops.headline)}`,
      address: func,
      ctype: func === undefined ? undefined : 'function',
      confidence: 'certain',
      show: 'log',
    },
  ];
  if (task !== undefined && oops.at !== undefined) {
    const stands = onStack ? 'was interrupted' : 'does not stand any more';
    out.push({
      claim: prose`The stack of ${taskValue(task)} ${stands} at this instruction${onStack ? ', by the exception' : ''}.`,
      address: task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: `bt ${task.pid}`,
    });
  }
  if (instruction !== undefined) out.push(instructionEvidence(instruction));
  return out;
}

function instructionEvidence({ address: at, text, bytes, sameAsLog }: CrashInstruction): Evidence {
  const hexBytes = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const what = text === undefined ? '' : prose`, ${command(text.replace(/ +/g, ' '))}`;
  const same =
    sameAsLog === undefined
      ? ''
      : sameAsLog
        ? ': the bytes that the log shows'
        : ': not the bytes that the log shows, so the code was changed since';
  return {
    claim: prose`In memory the instruction is ${hexBytes}${what}${same}.`,
    address: at,
    ctype: 'instruction',
    confidence: 'certain',
    show: `dis ${at.toString(16)} 1`,
  };
}

/** Members of `details` that all crashes have. */
export function oopsDetails({ oops, func, task, onStack, instruction }: FatalOops): Finding['details'] {
  const { at } = oops;
  const where: Data =
    at === undefined
      ? undefined
      : {
          name: at.func,
          offset: at.offset,
          module: at.module,
          address: func === undefined ? undefined : address(func),
        };
  return {
    address: oops.address === undefined ? undefined : address(oops.address),
    access: oops.access ?? instruction?.operand?.access,
    function: where,
    instruction:
      instruction === undefined
        ? undefined
        : {
            address: address(instruction.address),
            bytes: [...instruction.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
            text: instruction.text?.replace(/ +/g, ' '),
            sameAsLog: instruction.sameAsLog,
            operand: instruction.operand?.text,
            operandAddress:
              instruction.operand?.address === undefined ? undefined : address(virt(instruction.operand.address)),
          },
    task: task === undefined ? undefined : taskValue(task),
    culprit: task === undefined ? undefined : taskValue(task),
    cpu: oops.cpu,
    onStack,
    headline: name(oops.headline),
  };
}

/** Whose code it is, when it is a module's. */
export function moduleRemedy(module: string | undefined): Finding['remedies'] {
  if (module === undefined)
    return [
      {
        action: ['Update the kernel; if that does not help, report this to whoever makes it: it fell in its own code.'],
      },
    ];
  // A name out of a dump may hold anything, and commands are for typing.
  const info = /^[\w-]+$/.test(module) ? prose` and ${command(`modinfo ${module}`)}` : '';
  return [
    {
      action: prose`Unload or update the module ${name(module)}, and report this to whoever makes it.`,
      verify: prose`nothing that you need uses it: see ${command('lsmod')}${info}.`,
    },
  ];
}
