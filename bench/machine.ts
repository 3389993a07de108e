/** What a table of times has to say about itself: machine, versions, commit, load. */
import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${model}, ${availableParallelism()} CPUs, ${memory}, ${type()} ${release()}, Node ${process.versions.node}`;
}

/** The one-minute load average, '0.42'. */
export function loadNow(): string {
  return (loadavg()[0] ?? Number.NaN).toFixed(2);
}

/** The short hash of the commit, and whether files differ from it. */
export function commitLine(root: string): string {
  const git = (...args: readonly string[]): string =>
    spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' }).stdout.trim();
  const hash = git('rev-parse', '--short', 'HEAD');
  if (hash === '') return 'no commit';
  return git('status', '--porcelain', '--', 'src') === '' ? hash : `${hash} and changes since`;
}
