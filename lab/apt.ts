/**
 * Debian packages without installing them: `apt-get download` and `dpkg -x`, from any suite.
 *
 * The mirrors are those of the machine's own apt configuration; only the suite is exchanged. Each suite has its own
 * lists below the cache, so the machine's lists stay as they are. Needs a machine with apt; need not be root.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './paths.ts';
import { LabError, run } from './run.ts';

/** One line of an apt configuration: what a mirror serves. */
export interface Source {
  readonly uri: string;
  readonly suite: string;
  readonly signedBy?: string;
}

/** Reads both spellings of apt sources: one-line `.list` and deb822 `.sources`. */
export function parseSources(text: string): Source[] {
  const found: Source[] = [];
  for (const line of text.split('\n')) {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(line);
    if (match?.[2] === undefined || match[3] === undefined) continue;
    const signedBy = /signed-by=(\S+)/.exec(match[1] ?? '')?.[1];
    found.push({ uri: match[2], suite: match[3], ...(signedBy === undefined ? {} : { signedBy }) });
  }
  for (const stanza of text.split(/\n\s*\n/)) {
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}:\\s*(.+)$`, 'mi').exec(stanza)?.[1]?.trim();
    if (field('Types')?.split(/\s+/).includes('deb') !== true) continue;
    const signedBy = field('Signed-By');
    for (const uri of field('URIs')?.split(/\s+/) ?? []) {
      for (const suite of field('Suites')?.split(/\s+/) ?? []) {
        found.push({ uri, suite, ...(signedBy?.startsWith('/') === true ? { signedBy } : {}) });
      }
    }
  }
  return found;
}

/** The lines of a sources list for another suite, from the machine's own mirrors. */
export function sourcesFor(own: readonly Source[], codename: string, suite: string): string[] {
  const archive = own.find((source) => source.suite === codename);
  if (archive === undefined) throw new LabError(`apt has no source for ${codename}, so no mirror is known`);
  const security = own.find((source) => source.suite === `${codename}-security`);
  const line = (source: Source, name: string): string =>
    `deb [signed-by=${source.signedBy ?? '/usr/share/keyrings/debian-archive-keyring.gpg'}] ${source.uri} ${name} main`;
  const lines = [line(archive, suite)];
  if (security !== undefined && suite !== 'sid') lines.push(line(security, `${suite}-security`));
  return lines;
}

/** The machine's own apt configuration. */
export function machineSources(): Source[] {
  const files = ['/etc/apt/sources.list'];
  const folder = '/etc/apt/sources.list.d';
  if (existsSync(folder)) files.push(...readdirSync(folder).map((name) => join(folder, name)));
  return files.filter((file) => existsSync(file)).flatMap((file) => parseSources(readFileSync(file, 'utf8')));
}

function machineCodename(): string {
  const name = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (name === undefined) throw new LabError('this machine does not say which Debian it is (VERSION_CODENAME)');
  return name;
}

/** The packages of one suite. */
export class Suite {
  readonly name: string;
  readonly #root: string;
  readonly #options: readonly string[];

  constructor(name: string) {
    this.name = name;
    this.#root = cacheFolder('apt', name);
    mkdirSync(join(this.#root, 'lists', 'partial'), { recursive: true });
    mkdirSync(join(this.#root, 'archives', 'partial'), { recursive: true });
    mkdirSync(join(this.#root, 'debs'), { recursive: true });
    const list = join(this.#root, 'sources.list');
    const settings = [
      `Dir::Etc::SourceList=${list}`,
      'Dir::Etc::SourceParts=/dev/null',
      `Dir::State::Lists=${join(this.#root, 'lists')}`,
      `Dir::Cache=${this.#root}`,
      'APT::Sandbox::User=root',
      'Acquire::Retries=3',
    ];
    this.#options = ['-q', ...settings.flatMap((setting) => ['-o', setting])];
    const stamp = join(this.#root, 'updated');
    // A day old is fresh enough: a newer kernel would make all dumps anew.
    if (existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < 86_400_000) return;
    writeFileSync(list, `${sourcesFor(machineSources(), machineCodename(), name).join('\n')}\n`);
    run('apt-get', [...this.#options, 'update']);
    writeFileSync(stamp, '');
  }

  /** What a package depends on, by name, alternatives included. */
  depends(name: string): string[] {
    const text = run('apt-cache', [...this.#options, 'depends', name]);
    return [...text.matchAll(/^\s*\|?Depends: ([\w.+-]+)/gm)].map((match) => match[1] ?? '');
  }

  /** The names of all packages that match a regular expression. */
  search(pattern: string): string[] {
    const text = run('apt-cache', [...this.#options, 'search', '--names-only', pattern]);
    return [...text.matchAll(/^(\S+) - /gm)].map((match) => match[1] ?? '');
  }

  /** The version that apt would install. */
  version(name: string): string {
    const version = /Candidate: (\S+)/.exec(run('apt-cache', [...this.#options, 'policy', name]))?.[1];
    if (version === undefined || version === '(none)') throw new LabError(`${this.name} has no package ${name}`);
    return version;
  }

  /** Downloads a package, unless it is there, and returns the path of the file. @throws LabError */
  download(name: string): string {
    const folder = join(this.#root, 'debs');
    const version = this.version(name).replaceAll(':', '%3a');
    const find = (): string | undefined => readdirSync(folder).find((file) => file.startsWith(`${name}_${version}_`));
    if (find() === undefined) run('apt-get', [...this.#options, 'download', name], { cwd: folder, timeout: 3_600_000 });
    const file = find();
    if (file === undefined) throw new LabError(`${name} ${version} was downloaded but is not there`);
    return join(folder, file);
  }

  /** Downloads packages and unpacks them into `target`. @throws LabError */
  unpack(names: readonly string[], target: string): void {
    mkdirSync(target, { recursive: true });
    for (const name of names) run('dpkg', ['-x', this.download(name), target]);
  }
}
