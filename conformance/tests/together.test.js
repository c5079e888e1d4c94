// cmkd and Microsoft's client at the same simulated Azure: what somebody else does
// behind its back, cmkd notices and says.
import {deepEqual, equal, ok} from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {after, before, test} from 'node:test';
import {promisify} from 'node:util';
import {StorageManagementClient} from '@azure/arm-storage';
import {KeyClient} from '@azure/keyvault-keys';
import {credential, until, watched} from '../clients.js';
import {hex, scope, subscription} from './estate.js';

const dir = process.cwd();
const ready = JSON.parse(readFileSync('ready.json', 'utf8'));
const env = Object.fromEntries(ready.environment.map(v => [v.slice(0, v.indexOf('=')), v.slice(v.indexOf('=') + 1)]));
const vault = 'https://contoso-prod.vault.azure.net';
const keys = new KeyClient(vault, credential(), watched('@azure/keyvault-keys'));
const {storageAccounts} = new StorageManagementClient(credential(), subscription, watched('@azure/arm-storage'));
const account = name => `${scope('payments')}/Microsoft.Storage/storageAccounts/${name}`;

const key = (name, dependents) => ({
  name, uri: `${vault}/keys/${name}`, retire: 'manual', soak: '1m', dependents: dependents.map(d => ({window: '30h', poll: '1m', ...d})),
});
writeFileSync('cmkd.yaml', JSON.stringify({
  store: join(dir, 'cmkd.db'), socket: join(dir, 'cmkd.sock'), azure: {credential: 'environment'},
  keys: [
    key('rotated', [{id: account('contosorotated')}, {id: `${scope('compute')}/Microsoft.Compute/diskEncryptionSets/contoso-des`}]),
    key('revoked', [{id: account('contosorevoked'), settings: {probe_container: 'ledger'}}]),
    key('repinned', [{id: account('contosorepinned')}]),
  ],
}));

let daemon;
const program = resolve('cmkd');
const run = promisify(execFile);
const cmkd = async (...args) => (await run(program, [...args, '--socket', 'cmkd.sock', '-o', 'json'], {env})).stdout;
const json = async (...args) => JSON.parse(await cmkd(...args));
// status ends with 3 while somebody is needed, and says the same.
const status = name => cmkd('status', name).catch(e => { if (e.code !== 3) throw e; return e.stdout; }).then(JSON.parse);
const events = async (name, type) => (await json('events', '--key', name, '--last', '1000')).filter(e => e.type === type);
const dependent = async (name, resource) => (await status(name)).latest_operation?.dependents.find(d => d.detail.dependent.id.endsWith(resource));
const newest = async name => (await keys.getKey(name)).properties.version;

before(async () => {
  const log = openSync('daemon.log', 'w');
  daemon = spawn(program, ['run', '--config', 'cmkd.yaml', '--simulated-clock', ready.simulated_clock], {env, stdio: ['ignore', log, log]});
  closeSync(log);
  await until('cmkd answers', 30, () => {
    if (daemon.exitCode !== null) throw new Error(`cmkd run ended: ${readFileSync('daemon.log', 'utf8')}`);
    return cmkd('status').then(() => true, e => e.code === 3);
  });
});

after(async () => {
  const ended = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  deepEqual(await ended, [0, null]);
});

test('a rotation by somebody else is adopted and followed to its end', async () => {
  const {properties: {version}} = await keys.rotateKey('rotated');
  const [event] = await until('cmkd adopts the version', 30, async () => { const e = await events('rotated', 'version-adopted'); return e.length > 0 && e; });
  ok(event.message.includes(version) || Object.values(event.data ?? {}).includes(version), JSON.stringify(event));
  const op = (await status('rotated')).latest_operation;
  equal(op.kind, 'rotation');
  equal(op.adopted, true);
  equal(op.target.id, version);
  for (const resource of ['contosorotated', 'contoso-des']) {
    const seen = await until(`cmkd sees that ${resource} switched`, 30, async () => { const d = await dependent('rotated', resource); return d.detail.version === version && d; });
    equal(seen.evidence, 'confirmed');
  }
  equal((await events('rotated', 'version-adopted')).length, 1);
  equal(await newest('rotated'), version); // no version more
});

test('a version that somebody enables during a revocation is noticed', async () => {
  await cmkd('revoke', 'revoked', '--confirm', 'revoked', '--reason', 'INC-1');
  await until('the revocation is effective', 30, async () => (await status('revoked')).latest_operation.state === 'effective');
  equal((await keys.getKey('revoked')).properties.enabled, false);
  deepEqual(await events('revoked', 'version-reenabled'), []);
  await keys.updateKeyProperties('revoked', hex(1), {enabled: true});
  const op = await until('cmkd says that the revocation was undone', 30, async () => { const o = (await status('revoked')).latest_operation; return o.problem?.code === 'revocation-undone' && o; });
  ok(op.problem.message.includes(hex(1)), op.problem.message);
  const [event] = await events('revoked', 'version-reenabled');
  equal(event.data.versions, hex(1));
});

test('a resource that somebody pins during a rotation is left as they want it, and they are asked', async () => {
  await cmkd('rotate', 'repinned', '--reason', 'drill');
  const version = await until('cmkd makes a version', 30, async () => (await status('repinned')).latest_operation?.target?.id);
  equal(version, await newest('repinned'));
  const waiting = await until('cmkd waits for the account', 30, async () => { const d = await dependent('repinned', 'contosorepinned'); return d?.detail.binding === 'follows' && d; });
  equal(waiting.detail.before, hex(1));
  const pin = keyVersion => storageAccounts.update('payments', 'contosorepinned', {
    encryption: {keySource: 'Microsoft.Keyvault', keyVaultProperties: {keyName: 'repinned', keyVaultUri: vault, keyVersion}},
  });
  await pin(hex(1));
  const asking = await until('cmkd sees that the account is pinned', 30, async () => { const d = await dependent('repinned', 'contosorepinned'); return d.detail.binding === 'pinned' && d; });
  equal(asking.state, 'needs-action');
  const [blocker] = (await status('repinned')).latest_operation.blockers;
  ok(blocker.dependent.endsWith('contosorepinned') && blocker.message.includes(hex(1)), JSON.stringify(blocker));
  await pin(''); // they let it follow again, and the service takes the newest with the same update
  const done = await until('cmkd sees the new version in use', 30, async () => { const d = await dependent('repinned', 'contosorepinned'); return d.detail.version === version && d; });
  equal(done.evidence, 'confirmed');
  deepEqual(await events('repinned', 'dependent-updated'), []); // cmkd wrote nothing
  const {encryption: {keyVaultProperties: k}} = await storageAccounts.getProperties('payments', 'contosorepinned');
  equal(k.currentVersionedKeyIdentifier, `${vault}/keys/repinned/${version}`);
  equal((await keys.getKey('repinned', {version: hex(1)})).properties.enabled, true); // nothing was retired under it
});
