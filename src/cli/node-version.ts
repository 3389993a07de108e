/** Which Node this is, asked before anything else is loaded: an old one could stumble over the rest. */

const NEEDED = [22, 18] as const;

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]);
}

/** Says so on standard error. */
export function refusesNode(): boolean {
  if (!isTooOld(process.versions.node)) return false;
  process.stderr.write(
    `kwhy: needs Node ${NEEDED.join('.')} or newer, and this is ${process.versions.node}; ` +
      'after npm ci there is one: node_modules/.bin/node\n',
  );
  return true;
}
