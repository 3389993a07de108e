/**
 * The manifest of a dump: what happened, as the guest itself told it over its second serial port.
 *
 * Only the acceptable causes come from `incident.json`; every pid, address and count was printed by the guest.
 */
import type { Incident } from './incidents.ts';
import type { Kernel } from './kernels.ts';
import { LabError } from './run.ts';

/** A task that the guest named. */
export interface NamedTask {
  readonly role: string;
  readonly pid: number;
  readonly comm: string;
}

/** A kernel object that the guest named. */
export interface NamedAddress {
  readonly role: string;
  readonly ctype: string;
  /** `0x` and 16 digits. */
  readonly address: string;
  readonly what: string;
}

/** A task that waits, and what the guest knows of its wait. */
export interface ToldWait {
  /** 'pipe read'. */
  readonly name: string;
  readonly pid: number;
  /** As kwhy calls it, or `lock`. */
  readonly kind: string;
  /** The object, where the guest could find it. */
  readonly ctype?: string;
  /** `0x` and 16 digits. */
  readonly address?: string;
  /** Must stand in what is said about it. */
  readonly says: string;
  /** All tasks that could end it, as far as the guest knows any. */
  readonly for: readonly number[];
}

/** What a right report says. */
export interface Expected {
  /** Causes that are right; none when nothing is wrong. */
  readonly causes: readonly string[];
  /** Any of these is the culprit; missing when the report need not name one. */
  readonly culprits?: readonly NamedTask[];
  /** Any of these is the resource; missing when the report need not name one. */
  readonly resources?: readonly NamedAddress[];
  /** How many wait behind it, `details.behind`, and how many are in the circle; missing when the guest did not count them. */
  readonly behind?: number;
  readonly cycle?: number;
}

/** `manifest.json` beside each dump. */
export interface Manifest {
  readonly incident: string;
  readonly title: string;
  /** As given to `--kernel`. */
  readonly kernel: string;
  readonly release: string;
  readonly package: string;
  readonly variant: number;
  readonly seed: number;
  readonly dump: string;
  /** File names of the dumps beside it. */
  readonly files: readonly string[];
  readonly expected: Expected;
  readonly tasks: readonly NamedTask[];
  readonly addresses: readonly NamedAddress[];
  readonly counts: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, string>>;
  readonly decoys: readonly { readonly what: string; readonly pid: number; readonly comm: string }[];
  /** Missing in guests that are about something else. */
  readonly waits?: readonly ToldWait[];
  readonly parameters: Readonly<Record<string, string>>;
  /** Hash of everything it was made from. */
  readonly inputs: string;
  /** Seconds that it took to make, downloads not included. */
  readonly seconds: number;
}

/** The parts of a manifest that the guest told. */
export type Told = Pick<Manifest, 'tasks' | 'addresses' | 'counts' | 'texts' | 'decoys' | 'waits'>;

type Message = Readonly<Record<string, unknown>>;

const text = (message: Message, name: string): string => {
  const value = message[name];
  return typeof value === 'string' ? value : '';
};
const number = (message: Message, name: string): number => Number(message[name] ?? Number.NaN);

/** Sorts the guest's messages into the parts of a manifest. */
export function sortTruth(messages: readonly Message[]): Told {
  const of = (kind: string): Message[] => messages.filter((message) => message['truth'] === kind);
  const waits = of('wait').map(waitOf);
  return {
    tasks: of('task').map((m) => ({ role: text(m, 'role'), pid: number(m, 'pid'), comm: text(m, 'comm') })),
    addresses: of('address').map((m) => ({
      role: text(m, 'role'),
      ctype: text(m, 'ctype'),
      address: text(m, 'address'),
      what: text(m, 'what'),
    })),
    counts: Object.fromEntries(of('count').map((m) => [text(m, 'name'), number(m, 'value')])),
    texts: Object.fromEntries(of('text').map((m) => [text(m, 'name'), text(m, 'value')])),
    decoys: of('decoy').map((m) => ({ what: text(m, 'what'), pid: number(m, 'pid'), comm: text(m, 'comm') })),
    ...(waits.length === 0 ? {} : { waits }),
  };
}

function waitOf(message: Message): ToldWait {
  const { for: peers, address } = message;
  return {
    name: text(message, 'name'),
    pid: number(message, 'pid'),
    kind: text(message, 'kind'),
    ...(address === undefined ? {} : { ctype: text(message, 'ctype'), address: text(message, 'address') }),
    says: text(message, 'says'),
    for: Array.isArray(peers) ? peers.map(Number) : [],
  };
}

/**
 * What a right report of this incident says.
 *
 * @throws LabError when the guest did not tell what the incident says a report must name
 */
export function expectedOf(incident: Pick<Incident, 'name' | 'causes' | 'names'>, told: Told): Expected {
  if (incident.causes.length === 0) return { causes: [] };
  const culprits = told.tasks.filter(({ role }) => role === 'culprit');
  const resources = told.addresses.filter(({ role }) => role === 'resource');
  if (incident.names.includes('culprit') && culprits.length === 0)
    throw new LabError(`${incident.name}: no culprit was told`);
  if (incident.names.includes('resource') && resources.length === 0)
    throw new LabError(`${incident.name}: no resource was told`);
  return {
    causes: incident.causes,
    ...(incident.names.includes('culprit') ? { culprits } : {}),
    ...(incident.names.includes('resource') ? { resources } : {}),
    ...countsOf(told),
  };
}

function countsOf({ counts }: Told): Pick<Expected, 'behind' | 'cycle'> {
  const { behind, cycle } = counts;
  return { ...(behind === undefined ? {} : { behind }), ...(cycle === undefined ? {} : { cycle }) };
}

/** The manifest of a dump that was just taken. */
export function makeManifest(
  incident: Incident,
  kernel: Kernel,
  told: Told,
  rest: Pick<Manifest, 'variant' | 'seed' | 'dump' | 'files' | 'parameters' | 'inputs' | 'seconds'>,
): Manifest {
  return {
    incident: incident.name,
    title: incident.title,
    kernel: kernel.name,
    release: kernel.release,
    package: kernel.version,
    ...rest,
    expected: expectedOf(incident, told),
    ...told,
  };
}
