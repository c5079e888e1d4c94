// Starts a simulated Azure for each subject and runs the subject's tests in front
// of it, as a process that is given what any client of Azure would be given and
// nothing else. Prints at the end what was asked of Azure, and the counts.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {until} from './bound.js';

const atOnce = 2;
const patience = 120_000; // of a subject, in milliseconds; it takes some 10,000
const [binary, work, ...asked] = process.argv.slice(2);
const tests = fileURLToPath(new URL('tests/', import.meta.url));
const subjects = readdirSync(tests).filter(f => f.endsWith('.test.js')).map(f => f.slice(0, -'.test.js'.length));
for (const name of asked.filter(name => !subjects.includes(name))) {
  console.error(`conformance: no subject ${name}; choose of: ${subjects.join(', ')}`);
  process.exit(1);
}

// The variables by which a client is led to the simulated Azure.
const forClients = /^(HTTPS_PROXY|NODE_EXTRA_CA_CERTS|AZURE_TENANT_ID|AZURE_CLIENT_ID|AZURE_CLIENT_SECRET)=/;

const groups = new Set();
function end(group) {
  groups.delete(group);
  try { process.kill(-group, 'SIGKILL'); } catch { /* it ended */ }
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { groups.forEach(end); process.exitCode = 1; queue.length = 0; });

async function run(subject) {
  const dir = join(work, subject);
  mkdirSync(dir);
  symlinkSync(binary, join(dir, 'cmkd'));
  const {scenario} = await import(`./tests/${subject}.scenario.js`);
  writeFileSync(join(dir, 'scenario.yaml'), JSON.stringify(scenario, null, 1)); // JSON is YAML
  const simulator = spawn(binary, ['simulate', '--scenario', 'scenario.yaml', '--ca-file', 'ca.pem', '--ready-file', 'ready.json', '--verbose'],
    {cwd: dir, stdio: ['ignore', 'ignore', 'pipe']});
  const log = [];
  simulator.stderr.setEncoding('utf8').on('data', text => log.push(text));
  const ended = once(simulator, 'exit');
  try {
    await until(`${subject}: the simulated Azure is ready`, 30, () => {
      if (simulator.exitCode !== null) throw new Error(`cmkd simulate ended: ${log.join('')}`);
      return existsSync(join(dir, 'ready.json'));
    });
    const {environment} = JSON.parse(readFileSync(join(dir, 'ready.json'), 'utf8'));
    const env = Object.fromEntries(environment.filter(v => forClients.test(v)).map(v => [v.slice(0, v.indexOf('=')), v.slice(v.indexOf('=') + 1)]));
    return await test(subject, dir, env);
  } finally {
    simulator.kill('SIGTERM');
    await ended;
  }
}

async function test(subject, dir, env) {
  // A process group of its own, so that nothing it started is left behind.
  const child = spawn(process.execPath, ['--test-reporter=spec', join(tests, `${subject}.test.js`)],
    {cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true});
  groups.add(child.pid);
  const limit = setTimeout(() => { end(child.pid); output += `✖ ${subject} took longer than ${patience / 1000} s\n`; }, patience);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => { output += text; });
  const [code] = await once(child, 'close');
  clearTimeout(limit);
  end(child.pid);
  const count = word => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  const counts = {passed: count('pass'), failed: count('fail') + count('cancelled'), skipped: count('skipped') + count('todo')};
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  if (counts.passed + counts.failed + counts.skipped === 0) counts.failed = 1;
  console.log(`== ${subject}`);
  console.log(output.replace(/^✖ failing tests:[^]*/m, '').replace(/^ℹ .*\n/gm, '').trimEnd());
  const file = join(dir, 'asked.json');
  return {counts, asked: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []};
}

const queue = asked.length > 0 ? [...asked] : [...subjects];
const results = [];
await Promise.all(Array.from({length: atOnce}, async () => {
  for (let subject = queue.shift(); subject; subject = queue.shift()) results.push(await run(subject));
}));

const require = createRequire(import.meta.url);
const versions = {};
for (const [name, api] of results.flatMap(r => r.asked)) (versions[name] ??= new Set()).add(api);
console.log('== versions');
for (const name of Object.keys(require('./package.json').dependencies)) {
  const {version} = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8'));
  console.log(`${name} ${version} asked for ${[...versions[name] ?? ['nothing']].sort().join(', ')}`);
}
const total = word => results.reduce((sum, r) => sum + r.counts[word], 0);
console.log(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`);
process.exitCode = total('failed') > 0 ? 1 : 0;
