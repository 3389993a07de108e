/**
 * A FUSE server that keeps /dev/fuse open and does not answer: who asks it waits, often with locks of the directory held,
 * and others wait behind these. The locks in the middle are not to blame; `lock-pileup` leaves their queues to this.
 */
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Confidence, type Evidence, type Finding, type Remedy, remedyLines } from '../../model/finding.ts';
import {
  address,
  command,
  count,
  ctype,
  duration,
  name,
  plural,
  prose,
  type Prose,
  task as taskValue,
} from '../../model/value.ts';
import { killRemedy, type ServerVerdict, serverVerdictsFact } from '../facts/chain-ends.ts';
import type { SilentServer } from '../facts/silent-servers.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';

export default defineDetector({
  id: 'fuse-server',
  title: 'FUSE servers that do not answer',
  summary: 'A file system in user space is as alive as its server: when that hangs, all who touch the file system do.',
  needs: { verdicts: serverVerdictsFact, stories: waitStoriesFact },
  appliesTo: needsTypes,
  run: ({ verdicts, stories }) =>
    verdicts.map((verdict) => findingOf(verdict, stories.of(verdict.server.root, verdict.server.behind))),
});

function findingOf(verdict: ServerVerdict, { lines, details, grown }: WaitStory): Finding {
  const { server, leaf, confidence, cause } = verdict;
  const { connection, servers, requests, still, behind } = server;
  const [first] = servers;
  const place = placeText(server);
  const who = first === undefined ? [] : prose`, ${taskValue(first)},`;
  const total = behind.length;
  const remedies = remediesOf(server);
  return {
    detector: 'fuse-server',
    cause: 'fuse-server-silent',
    role: cause ? 'cause' : 'context',
    title: prose`${plural(total, 'task waits', 'tasks wait')} for the FUSE server${place}${who} which ${silence(server)}.`,
    confidence,
    because: becauseOf(server),
    weight: total,
    explains: behind.map((task) => blocked(task.address)),
    ...grown,
    story: [
      {
        topic: 'what',
        text: prose`${plural(requests.length, 'task has', 'tasks have')} asked the server and got no answer${kindsText(server)}; ${count(total - requests.length)} more wait behind these.`,
      },
      {
        topic: 'why',
        text:
          first === undefined
            ? ['Nobody has /dev/fuse of it open.']
            : prose`${taskValue(first)} ${leaf}.${threadsText(server)}`,
      },
      { topic: 'holder', text: holderText(server) },
      { topic: 'proof', text: proofText(server) },
      ...lines,
      { topic: 'clears', text: clearsText(verdict) },
      ...remedyLines(remedies, 2),
    ],
    evidence: evidenceOf(server, confidence),
    remedies,
    details: {
      resource: { address: address(connection), ctype: 'struct fuse_conn' },
      culprit: first === undefined ? undefined : taskValue(first),
      servers: servers.map(taskValue),
      mount: server.fileSystem?.path === undefined ? undefined : name(server.fileSystem.path),
      fsType: server.fileSystem?.type === undefined ? undefined : name(server.fileSystem.type),
      requests: requests.map(({ task, detail, wait }) => ({
        task: taskValue(task),
        request: detail,
        wait: wait === undefined ? undefined : duration(wait),
      })),
      serverOffCpu: still === undefined ? undefined : duration(still),
      serverReads: server.reads,
      ...details,
      victims: total,
    },
  };
}

function placeText({ fileSystem }: SilentServer): Prose {
  if (fileSystem?.path === undefined) return [];
  return prose` of ${name(fileSystem.path)} (${name(fileSystem.type)})`;
}

function silence({ still, asksItself }: SilentServer): Prose {
  if (asksItself) return ['asks itself and can never answer'];
  return still === undefined ? ['does not answer'] : prose`has not run for ${duration(still)} and answers nothing`;
}

/** ': 1 LOOKUP that it has read, 4 STATFS that it has not'. */
function kindsText({ requests }: SilentServer): Prose {
  const groups = [...Map.groupBy(requests, ({ detail }) => detail)];
  const parts = groups
    .slice(0, 3)
    .map(([detail, group], i): Prose => prose`${i === 0 ? ': ' : '; '}${count(group.length)} ${detail}`);
  return parts.flat();
}

function threadsText({ servers, reads }: SilentServer): Prose {
  const more = servers.length - 1;
  const others =
    more < 1 ? [] : prose` ${plural(more, 'more task')} could answer and ${more === 1 ? 'does' : 'do'} not.`;
  return reads ? prose`${others} A thread of it waits for new requests.` : others;
}

function holderText({ servers, target: { owners } }: SilentServer): Prose {
  const [first] = servers;
  if (first === undefined) return ['nobody.'];
  const why = owners.find(({ task }) => task === first)?.why;
  return prose`${taskValue(first)}, state ${first.state.letter}${why === undefined ? '' : `: ${why}`}.`;
}

function proofText({ connection, requests }: SilentServer): Prose {
  return prose`${plural(requests.length, 'task sleeps', 'tasks sleep')} in queues of ${ctype('struct fuse_req')}, of ${ctype('struct fuse_conn')} ${address(connection)}; by hand: ${command(`waiters ${connection.toString(16)}`)}.`;
}

function becauseOf({ still, reads, asksItself }: SilentServer): Prose {
  if (asksItself) return ['its own wait shows it; no real dump has proven how such a one looks'];
  if (reads) return ['a thread of the server waits for new requests: it may have forgotten these, or answer later'];
  if (still === undefined) return ['argued from the age of the requests alone'];
  return prose`argued from the ${duration(still)} that no thread of the server has run: an answer needs one of them to run`;
}

function clearsText({ server: { still, asksItself }, hopeless }: ServerVerdict): Prose {
  if (asksItself) return ['No: its only thread waits for an answer that it would have to give itself.'];
  if (still === undefined) return ['Only when the server answers.'];
  if (hopeless) return ['No: nobody is left who could send what it waits for; only a signal ends its sleep.'];
  return prose`Only when the server goes on, which it has not for ${duration(still)}; what it waits for may still come.`;
}

function remediesOf({ servers, fileSystem, reads, behind }: SilentServer): Remedy[] {
  const [first] = servers;
  const then = prose`when its /dev/fuse closes, all requests end with an error and ${plural(behind.length, 'waiter goes', 'waiters go')} on`;
  const where = fileSystem?.path;
  const out: Remedy[] = [];
  if (first !== undefined) {
    const kill = killRemedy(first, then);
    const again =
      where === undefined
        ? prose`the mount is dead until it is unmounted and mounted again.`
        : prose`${name(where)} stays dead until it is unmounted and mounted anew.`;
    out.push(kill.caution === undefined ? kill : { ...kill, caution: prose`what it was doing is lost, and ${again}` });
  }
  out.push({
    action:
      where === undefined
        ? prose`Or end its connection: ${command('echo 1 > /sys/fs/fuse/connections/N/abort')}, which needs no help of the server.`
        : prose`Or end its connection: ${command(`echo 1 > /sys/fs/fuse/connections/$(mountpoint -d ${shellWord(where)} | cut -d: -f2)/abort`)}, which needs no help of the server.`,
    caution: ['programs with open files there get errors until it is mounted anew.'],
  });
  if (reads && first !== undefined)
    out.push({ action: prose`Look in ${name(first.comm)} for requests that it reads and never answers.` });
  return out;
}

/** For a command line; a path of a dump may hold anything. */
function shellWord(path: string): string {
  return /^[\w/.-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function evidenceOf({ connection, target, servers, still }: SilentServer, confidence: Confidence): Evidence[] {
  const out: Evidence[] = [
    {
      claim: prose`${plural(target.waiters.length, 'task sleeps', 'tasks sleep')} in the queue of a struct fuse_req of this connection.`,
      address: connection,
      ctype: 'struct fuse_conn',
      confidence: 'certain',
      show: `waiters ${connection.toString(16)}`,
    },
  ];
  for (const { task, certainty, why } of target.owners.slice(0, 3)) {
    out.push({
      claim: prose`${taskValue(task)} could answer: ${why}.`,
      address: task.address,
      ctype: 'struct task_struct',
      confidence: certainty === 'exact' ? 'certain' : 'probable',
      ...(certainty === 'exact' ? {} : { because: ['others may have the device open as well'] }),
      show: `foreach files -R fuse`,
    });
  }
  const [first] = servers;
  if (first !== undefined && still !== undefined)
    out.push({
      claim: prose`None of those who could answer has run for ${duration(still)} (sched_info.last_arrival).`,
      address: first.address,
      ctype: 'struct task_struct',
      confidence,
      because: ['its last slice counts as well'],
      show: `bt ${first.pid}`,
    });
  return out;
}
