/** The whole answer of `kwhy VMCORE`: what render/ turns into text and JSON. */
import type { Condition } from './condition.ts';
import type { Coverage } from './diagnosis.ts';
import type { Finding } from './finding.ts';
import type { Data, Prose } from './value.ts';

/** Version of the JSON schema in docs/json-schema.md; rises when a key changes its meaning or goes. */
export const SCHEMA_VERSION = 1;

export type CheckStatus = 'spoke' | 'silent' | 'skipped' | 'failed' | 'out-of-time';

/** One detector and what came of it. */
export interface Check {
  readonly detector: string;
  readonly title: string;
  readonly status: CheckStatus;
  /** Why it was skipped, how it failed. */
  readonly reason?: string;
}

export interface KeyValue {
  readonly key: string;
  readonly label: string;
  readonly value: Prose;
  readonly data: Data;
}

/** Findings that explain each other. */
export interface Story {
  /** Indices of `Report.findings`: what explains before what it explains. */
  readonly findings: readonly number[];
  readonly links: readonly StoryLink[];
  /** Those of `findings` that explain each other in a circle: nobody of them is first. */
  readonly loop: readonly number[];
}

/** One finding explains another. */
export interface StoryLink {
  /** Indices of `Report.findings`. */
  readonly from: number;
  readonly to: number;
  /** A condition that `from` accounts for and `to` rests on. */
  readonly through: Condition;
}

export interface Report {
  /** The dump and the machine: file, format, kernel, uptime, CPUs, memory, tasks ... in the order to show. */
  readonly system: readonly KeyValue[];
  /** Ranked: the first is the answer. */
  readonly findings: readonly Finding[];
  /** Each finding is in one, alone where nothing ties it to another; that of the first finding first. */
  readonly stories: readonly Story[];
  /** One sentence when no cause was found: what that means. */
  readonly summary: Prose;
  /** What to look at next, where no cause was found. */
  readonly advice: readonly Prose[];
  readonly checks: readonly Check[];
  readonly coverage: readonly Coverage[];
  /** Layouts that this kernel uses and that no real dump has proven; they lower every confidence to `probable`. */
  readonly unproven: readonly string[];
  /** What is wrong with the file or missing in it. */
  readonly problems: readonly string[];
  /** Set when the time limit or an interrupt cut the work short. */
  readonly stopped: 'time-limit' | 'interrupt' | undefined;
  /** True when nothing was missing: no problem, nothing unread, no check failed or cut off. */
  readonly complete: boolean;
}
