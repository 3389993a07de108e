import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { fakeIo, runWith } from '../../test/builders/cli.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { vmlinuxWith } from '../../test/builders/vmlinux.ts';

/** As VMCOREINFO of the sample notes it. */
const SAMPLE_ID = buildIdOfSample();
const OTHER_ID = '00112233445566778899aabbccddeeff00112233';
const ASKED = ['-c', 'struct only_in_vmlinux'];

function buildIdOfSample(): string {
  const text = readFileSync(SAMPLE).toString('latin1');
  return /^BUILD-ID=([0-9a-f]{40})$/m.exec(text)?.[1] ?? '';
}

/** Answers by path; counts what it was asked. */
async function server(answers: { readonly [path: string]: Uint8Array }) {
  const asked: string[] = [];
  const http = createServer((request, response) => {
    asked.push(request.url ?? '');
    const body = answers[request.url ?? ''];
    if (body === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': body.length }).end(body);
  });
  await new Promise<void>((resolve) => void http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void http.close());
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, asked };
}

function run(where: string, env: { readonly [name: string]: string } = {}, dump = SAMPLE) {
  return runWith(['run', dump, '--debuginfo', where, '--no-rc', ...ASKED], fakeIo({ env }));
}

test('a file, packed or not', async () => {
  const folder = tempFolder();
  writeFileSync(folder('plain'), vmlinuxWith(SAMPLE_ID));
  writeFileSync(folder('packed'), gzipSync(vmlinuxWith(SAMPLE_ID)));
  for (const name of ['plain', 'packed']) {
    const { status, out } = await run(folder(name));
    expect({ status, out }).toMatchObject({ status: 0, out: expect.stringContaining('SIZE: 24') as unknown });
  }
  // Without an option, among the files.
  expect((await runWith(['run', SAMPLE, folder('packed'), '--no-rc', ...ASKED])).out).toContain('SIZE: 24');
});

test('a folder is searched by build-id, whatever the names are', async () => {
  const folder = tempFolder();
  writeFileSync(folder('1-a-text'), 'nothing to be seen');
  writeFileSync(folder('2-vmlinux'), vmlinuxWith(OTHER_ID, 'of_another_kernel'));
  expect(await run(folder(''))).toMatchObject({
    status: 3,
    err: expect.stringContaining(`(6.1.0-56-cloud-amd64, build-id ${SAMPLE_ID})`) as unknown,
  });
  writeFileSync(folder('3-vmlinux.gz'), gzipSync(vmlinuxWith(SAMPLE_ID)));
  expect((await run(folder(''))).out).toContain('SIZE: 24');
});

test('auto looks beside the dump', async () => {
  const folder = tempFolder();
  symlinkSync(SAMPLE, folder('vmcore'));
  writeFileSync(folder('vmlinux'), vmlinuxWith(SAMPLE_ID));
  expect((await run('auto', { HOME: folder('home') }, folder('vmcore'))).out).toContain('SIZE: 24');
});

test('auto asks the servers of DEBUGINFOD_URLS, once', async () => {
  const folder = tempFolder();
  symlinkSync(SAMPLE, folder('vmcore'));
  const path = `/buildid/${SAMPLE_ID}/debuginfo`;
  const empty = await server({});
  const full = await server({ [path]: vmlinuxWith(SAMPLE_ID) });
  const env = { DEBUGINFOD_URLS: `${empty.url} ${full.url}/`, DEBUGINFOD_CACHE_PATH: folder('cache') };
  for (let i = 0; i < 2; i++) expect((await run('auto', env, folder('vmcore'))).out).toContain('SIZE: 24');
  expect([empty.asked, full.asked]).toEqual([[path], [path]]);
  // Where elfutils looks for it.
  expect(readFileSync(folder(`cache/${SAMPLE_ID}/debuginfo`)).equals(vmlinuxWith(SAMPLE_ID))).toBe(true);
});

test('a server that gives the file of another kernel is not believed', async () => {
  const folder = tempFolder();
  symlinkSync(SAMPLE, folder('vmcore'));
  const { url } = await server({ [`/buildid/${SAMPLE_ID}/debuginfo`]: vmlinuxWith(OTHER_ID) });
  const env = { DEBUGINFOD_URLS: url, XDG_CACHE_HOME: folder('cache') };
  const { status, err } = await run('auto', env, folder('vmcore'));
  expect(status).toBe(3);
  expect(err).toContain(`gave a file that is not of build-id ${SAMPLE_ID}`);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
});

test('a server that cannot be reached is named; none is asked unless the user names one', async () => {
  const folder = tempFolder();
  symlinkSync(SAMPLE, folder('vmcore'));
  const gone = await server({});
  const env = { HOME: folder('home'), DEBUGINFOD_URLS: 'http://127.0.0.1:1' };
  expect(await run('auto', env, folder('vmcore'))).toMatchObject({
    status: 3,
    err: expect.stringContaining('http://127.0.0.1:1/buildid/') as unknown,
  });
  const none = await run('auto', { HOME: folder('home') }, folder('vmcore'));
  expect(none).toMatchObject({ status: 3, err: expect.stringContaining('there is none of the kernel') as unknown });
  expect(gone.asked).toEqual([]);
});

test('packs on the web are asked for by build-id', async () => {
  const folder = tempFolder();
  const { url, asked } = await server({ [`/packs/${SAMPLE_ID}.types`]: vmlinuxWith(SAMPLE_ID) });
  const env = { XDG_CACHE_HOME: folder('cache') };
  expect((await run(`${url}/packs/`, env)).out).toContain('SIZE: 24');
  expect(asked).toEqual([`/packs/${SAMPLE_ID}.types`]);
});

test('the report takes it, too', async () => {
  const folder = tempFolder();
  mkdirSync(folder('empty'));
  expect(await runWith([SAMPLE, '--debuginfo', folder('empty')])).toMatchObject({
    status: 3,
    err: expect.stringContaining(`--debuginfo ${folder('empty')}: there is none`) as unknown,
  });
});
