// Key Vault: the life of a key, through the client of @azure/keyvault-keys.
import {deepEqual, equal, match, notEqual, ok} from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, test} from 'node:test';
import {CryptographyClient, KeyClient} from '@azure/keyvault-keys';
import {all, credential, during, refused, until, watched} from '../clients.js';
import {days, hex, start, who} from './estate.js';
import {payments, policied, vault} from './keys.scenario.js';

const name = '@azure/keyvault-keys';
const clientOf = (as, url = vault, options) => new KeyClient(url, credential(as), watched(name, options));
const keys = clientOf();
const guarded = clientOf(who.admin, 'https://contoso-guarded.vault.azure.net');
const hsm = clientOf(who.admin, 'https://contoso-hsm.managedhsm.azure.net');
const often = {intervalInMs: 50};
const versionsOf = async (client, key) => (await all(client.listPropertiesOfKeyVersions(key))).items;

describe('read', () => {
  test('the newest version is as the scenario says', async () => {
    const key = await keys.getKey('payments');
    equal(key.name, 'payments');
    equal(key.id, `${vault}/keys/payments/${hex(3)}`);
    equal(key.keyType, 'RSA');
    deepEqual(key.keyOperations, ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey']);
    equal(key.key.kid, key.id);
    equal(key.key.n.length, payments.size / 8);
    deepEqual([...key.key.e], [1, 0, 1]);
    const p = key.properties;
    equal(p.version, hex(3));
    equal(p.vaultUrl, vault);
    equal(p.enabled, true);
    ok(p.createdOn instanceof Date && p.updatedOn instanceof Date && p.expiresOn instanceof Date);
    deepEqual(p.createdOn, days(-1));
    deepEqual(p.updatedOn, days(-1));
    deepEqual(p.expiresOn, days(365));
    equal(p.notBefore, undefined);
    deepEqual(p.tags, payments.versions[2].tags);
    equal(p.recoverableDays, 90);
    equal(p.recoveryLevel, 'Recoverable+Purgeable');
    equal(p.exportable, false);
    equal(p.hsmPlatform, '0');
  });

  test('an old version is read by its id', async () => {
    const {properties: p} = await keys.getKey('payments', {version: hex(1)});
    equal(p.version, hex(1));
    deepEqual(p.createdOn, days(-180));
    deepEqual(p.tags, payments.versions[0].tags);
    equal(p.expiresOn, undefined);
  });

  test('a disabled version is read all the same', async () => {
    const {properties: p} = await keys.getKey('payments', {version: hex(2)});
    equal(p.enabled, false);
    equal(p.tags, undefined);
  });

  test('an elliptic key has its curve and point', async () => {
    const {key, keyType, keyOperations} = await keys.getKey('elliptic');
    equal(keyType, 'EC');
    equal(key.crv, 'P-384');
    deepEqual([key.x.length, key.y.length], [48, 48]);
    deepEqual(keyOperations, ['sign', 'verify']);
  });

  test('purge protection shows in the recovery level', async () =>
    equal((await guarded.getKey('payments')).properties.recoveryLevel, 'Recoverable'));

  test('versions are listed as they are', async () => {
    const versions = await versionsOf(keys, 'payments');
    const byId = Object.fromEntries(versions.map(v => [v.version, v]));
    deepEqual(Object.keys(byId).sort(), [hex(1), hex(2), hex(3)]);
    deepEqual(versions.map(v => [v.name, v.vaultUrl]), Array(3).fill(['payments', vault]));
    deepEqual([1, 2, 3].map(n => byId[hex(n)].enabled), [true, false, true]);
    deepEqual([1, 2, 3].map(n => byId[hex(n)].createdOn), [days(-180), days(-90), days(-1)]);
    deepEqual(byId[hex(3)].expiresOn, days(365));
    deepEqual(byId[hex(1)].tags, {era: 'first'});
  });

  test('sixty versions come in three pages, each version once', async () => {
    const {items, pages} = await all(keys.listPropertiesOfKeyVersions('many'));
    equal(pages, 3);
    equal(new Set(items.map(v => v.version)).size, 60);
    ok(items.every(v => /^[0-9a-f]{32}$/.test(v.version)));
  });

  test('smaller pages are had by asking', async () => {
    let pages = 0;
    for await (const page of keys.listPropertiesOfKeyVersions('many').byPage({maxPageSize: 7})) {
      ok(page.length <= 7);
      pages++;
    }
    equal(pages, 9);
  });

  test('more than 25 keys are listed with paging, each once, without a version', async () => {
    const {items, pages} = await all(keys.listPropertiesOfKeys());
    ok(pages >= 2);
    const crowd = items.filter(k => k.name.startsWith('crowd-'));
    equal(new Set(crowd.map(k => k.name)).size, 30);
    ok(items.every(k => k.version === undefined || k.version === ''));
  });

  test('a managed HSM pages too', async () => {
    const {items, pages} = await all(hsm.listPropertiesOfKeyVersions('payments'));
    equal(items.length, 30);
    equal(pages, 2);
    equal((await hsm.getKey('payments')).keyType, 'RSA-HSM');
  });
});

describe('change', () => {
  test('a key is created as asked', async () => {
    const made = await keys.createRsaKey('fresh', {
      keySize: 4096, tags: {team: 'ledger'}, expiresOn: days(100), notBefore: days(1), enabled: true, keyOps: ['wrapKey', 'unwrapKey'],
    });
    equal(made.name, 'fresh');
    equal(made.key.n.length, 512);
    deepEqual(made.keyOperations, ['wrapKey', 'unwrapKey']);
    const read = await keys.getKey('fresh');
    deepEqual(read.properties, made.properties);
    deepEqual(read.properties.tags, {team: 'ledger'});
    deepEqual(read.properties.expiresOn, days(100));
    deepEqual(read.properties.notBefore, days(1));
    ok(read.properties.createdOn >= new Date(start));
  });

  test('creating a name again adds a version', async () => {
    const one = await keys.createEcKey('twice', {curve: 'P-256'});
    const two = await keys.createEcKey('twice', {curve: 'P-256'});
    notEqual(one.properties.version, two.properties.version);
    equal((await keys.getKey('twice')).properties.version, two.properties.version);
    equal((await versionsOf(keys, 'twice')).length, 2);
  });

  test('a rotation makes a version of the same make, with the expiry of the policy and without tags', async () => {
    const before = await keys.getKey('rotating');
    const after = await keys.rotateKey('rotating');
    equal(after.name, 'rotating');
    notEqual(after.properties.version, before.properties.version);
    equal(after.keyType, before.keyType);
    equal(after.key.n.length, before.key.n.length);
    notEqual(Buffer.from(after.key.n).toString('hex'), Buffer.from(before.key.n).toString('hex'));
    equal(after.properties.tags, undefined);
    equal(after.properties.expiresOn - after.properties.createdOn, 100 * 24 * 3600 * 1000);
    equal((await keys.getKey('rotating')).id, after.id);
    equal((await keys.getKey('rotating', {version: before.properties.version})).properties.enabled, true);
  });

  test('a rotation policy is read', async () => {
    const policy = await keys.getKeyRotationPolicy('policied');
    equal(policy.id, `${vault}/keys/policied/rotationpolicy`);
    equal(policy.expiresIn, policied.rotation_policy.expiry_time);
    deepEqual(policy.lifetimeActions, [
      {action: 'Rotate', timeAfterCreate: 'P90D', timeBeforeExpiry: undefined},
      {action: 'Notify', timeAfterCreate: undefined, timeBeforeExpiry: 'P30D'},
    ]);
    ok(policy.createdOn instanceof Date && policy.updatedOn instanceof Date);
    deepEqual(policy.createdOn, new Date(start));
  });

  test('a rotation policy is replaced', async () => {
    const lifetimeActions = [{action: 'Rotate', timeBeforeExpiry: 'P14D'}, {action: 'Notify', timeBeforeExpiry: 'P7D'}];
    const set = await keys.updateKeyRotationPolicy('changing', {expiresIn: 'P60D', lifetimeActions});
    equal(set.expiresIn, 'P60D');
    deepEqual((await keys.getKeyRotationPolicy('changing')).lifetimeActions,
      lifetimeActions.map(a => ({timeAfterCreate: undefined, ...a})));
  });

  test('a policy that rotates more often than weekly is refused', () =>
    refused(keys.updateKeyRotationPolicy('changing', {lifetimeActions: [{action: 'Rotate', timeAfterCreate: 'P1D'}]}), 400, 'BadParameter'));

  test('a version is disabled and enabled, and no other with it', async () => {
    const {properties: {version: old}} = await keys.getKey('switched');
    const {properties: {version: newest}} = await keys.rotateKey('switched');
    const off = await keys.updateKeyProperties('switched', old, {enabled: false});
    equal(off.properties.enabled, false);
    equal(off.properties.version, old);
    ok(off.properties.updatedOn >= off.properties.createdOn);
    const enabled = async () => Object.fromEntries((await versionsOf(keys, 'switched')).map(v => [v.version, v.enabled]));
    deepEqual(await enabled(), {[old]: false, [newest]: true});
    await keys.updateKeyProperties('switched', old, {enabled: true});
    deepEqual(await enabled(), {[old]: true, [newest]: true});
  });

  test('tags and dates of a version are set, and what is not named stays', async () => {
    const {properties: {version}} = await keys.getKey('tagged');
    await keys.updateKeyProperties('tagged', version, {tags: {cmkd: 'op-1', owner: 'ops'}, expiresOn: days(30)});
    await keys.updateKeyProperties('tagged', version, {enabled: false});
    const {properties: p} = await keys.getKey('tagged');
    deepEqual(p.tags, {cmkd: 'op-1', owner: 'ops'});
    deepEqual(p.expiresOn, days(30));
    equal(p.enabled, false);
  });
});

describe('use', () => {
  const remote = async key => new CryptographyClient((await keys.getKey(key)).id, credential(who.user), watched(name));

  for (const algorithm of ['RSA-OAEP', 'RSA-OAEP-256']) {
    test(`what is wrapped in the vault by ${algorithm} is unwrapped there`, async () => {
      const secret = randomBytes(32);
      const client = await remote('wrapping');
      const {result: wrapped, sent} = await during(() => client.wrapKey(algorithm, secret));
      ok(sent.some(e => e.path.endsWith('/wrapkey') && e.status === 200), 'the vault was asked');
      equal(wrapped.keyID, (await keys.getKey('wrapping')).id);
      deepEqual(Buffer.from((await client.unwrapKey(algorithm, wrapped.result)).result), secret);
    });
  }

  test('what is wrapped here with the public key is unwrapped in the vault', async () => {
    const secret = randomBytes(32);
    const client = new CryptographyClient(await keys.getKey('wrapping'), credential(), watched(name));
    const {result: wrapped, sent} = await during(() => client.wrapKey('RSA-OAEP', secret));
    equal(sent.length, 0);
    deepEqual(Buffer.from((await client.unwrapKey('RSA-OAEP', wrapped.result)).result), secret);
  });

  test('what a version wrapped is unwrapped by it after a rotation, and by no other', async () => {
    const secret = randomBytes(32);
    const old = await remote('wrapping');
    const {result: wrapped} = await old.wrapKey('RSA-OAEP-256', secret);
    await keys.rotateKey('wrapping');
    deepEqual(Buffer.from((await old.unwrapKey('RSA-OAEP-256', wrapped)).result), secret);
    await refused((await remote('wrapping')).unwrapKey('RSA-OAEP-256', wrapped), 400, 'BadParameter');
  });

  test('an elliptic key signs and verifies', async () => {
    const client = new CryptographyClient((await keys.getKey('elliptic')).id, credential(), watched(name));
    const digest = randomBytes(48);
    const {result} = await client.sign('ES384', digest);
    equal((await client.verify('ES384', digest, result)).result, true);
    equal((await client.verify('ES384', randomBytes(48), result)).result, false);
  });

  test('a disabled version is refused with KeyDisabled, an enabled one works again', async () => {
    const {id, properties: {version}} = await keys.createRsaKey('halted');
    const client = new CryptographyClient(id, credential(who.user), watched(name));
    const {result: wrapped} = await client.wrapKey('RSA-OAEP', Buffer.from('secret'));
    await keys.updateKeyProperties('halted', version, {enabled: false});
    const error = await refused(client.unwrapKey('RSA-OAEP', wrapped), 403, 'Forbidden', /disabled/);
    equal(error.details.error.innerError.code, 'KeyDisabled');
    await keys.updateKeyProperties('halted', version, {enabled: true});
    equal(Buffer.from((await client.unwrapKey('RSA-OAEP', wrapped)).result).toString(), 'secret');
  });

  test('an expired version does not wrap', async () => {
    const error = await refused((await remote('stale')).wrapKey('RSA-OAEP', Buffer.from('secret')), 403, 'Forbidden');
    equal(error.details.error.innerError.code, 'KeyExpired');
  });
});

describe('delete', () => {
  test('a deleted key is gone, is found among the deleted ones, keeps its name, and comes back whole', async () => {
    await keys.rotateKey('deleted');
    const before = await keys.getKey('deleted');
    const poller = await keys.beginDeleteKey('deleted', often);
    equal(poller.getResult().name, 'deleted');
    const deleted = await poller.pollUntilDone();
    equal(deleted.properties.recoveryId, `${vault}/deletedkeys/deleted`);
    ok(deleted.properties.deletedOn instanceof Date && deleted.properties.scheduledPurgeDate instanceof Date);
    equal(deleted.properties.scheduledPurgeDate - deleted.properties.deletedOn, 90 * 24 * 3600 * 1000);
    await refused(keys.getKey('deleted'), 404, 'KeyNotFound');
    await refused(keys.rotateKey('deleted'), 404, 'KeyNotFound');
    equal((await keys.getDeletedKey('deleted')).properties.version, before.properties.version);
    ok((await all(keys.listDeletedKeys())).items.some(k => k.name === 'deleted'));
    ok(!(await all(keys.listPropertiesOfKeys())).items.some(k => k.name === 'deleted'));

    const error = await refused(keys.createRsaKey('deleted'), 409, 'Conflict', /deleted but recoverable/);
    equal(error.details.error.innerError.code, 'ObjectIsDeletedButRecoverable');

    const recovered = await (await keys.beginRecoverDeletedKey('deleted', often)).pollUntilDone();
    equal(recovered.id, before.id);
    deepEqual((await keys.getKey('deleted')).properties, before.properties);
    equal((await versionsOf(keys, 'deleted')).length, 2);
    await refused(keys.getDeletedKey('deleted'), 404, 'KeyNotFound');
  });

  test('a purged key is gone for good and its name is free', async () => {
    await (await keys.beginDeleteKey('purged', often)).pollUntilDone();
    await keys.purgeDeletedKey('purged');
    await refused(keys.getDeletedKey('purged'), 404, 'KeyNotFound');
    await until('the name is free', 10, () => keys.createRsaKey('purged').then(() => true, () => false));
    equal((await versionsOf(keys, 'purged')).length, 1);
  });

  test('purge protection forbids to purge', async () => {
    await (await guarded.beginDeleteKey('payments', often)).pollUntilDone();
    const error = await refused(guarded.purgeDeletedKey('payments'), 403, 'Forbidden', /purge protection/);
    equal(error.details.error.innerError.code, 'ForbiddenByPolicy');
  });
});

describe('refuse', () => {
  test('an unknown key is KeyNotFound', async () => {
    const error = await refused(keys.getKey('nothing'), 404, 'KeyNotFound', /nothing was not found in this key vault/);
    equal(error.name, 'RestError');
  });
  test('an unknown version is KeyNotFound', () => refused(keys.getKey('payments', {version: hex(9)}), 404, 'KeyNotFound'));
  test('an unknown key of an HSM is KeyNotFound in its own words', () => refused(hsm.getKey('nothing'), 404, 'KeyNotFound', /^Key not found/));
  test('an unknown key cannot be rotated', () => refused(keys.rotateKey('nothing'), 404, 'KeyNotFound'));
  test('an unknown key cannot be updated', () => refused(keys.updateKeyProperties('nothing', hex(1), {enabled: false}), 404, 'KeyNotFound'));
  test('an unknown key cannot be deleted', () => refused(keys.beginDeleteKey('nothing', often), 404, 'KeyNotFound'));
  test('a size that there is not is BadParameter', () => refused(keys.createRsaKey('odd', {keySize: 1000}), 400, 'BadParameter'));

  for (const [what, call] of Object.entries({
    create: c => c.createRsaKey('payments'), rotate: c => c.rotateKey('payments'), delete: c => c.beginDeleteKey('payments', often),
    update: c => c.updateKeyProperties('payments', hex(3), {enabled: false}),
    'set the policy': c => c.updateKeyRotationPolicy('payments', {expiresIn: 'P60D'}),
  })) {
    test(`whoever may only look is Forbidden to ${what}`, async () => {
      const error = await refused(call(clientOf(who.reader)), 403, 'Forbidden', /Caller is not authorized to perform action/);
      equal(error.details.error.innerError.code, 'ForbiddenByRbac');
    });
  }

  test('a stranger is Forbidden to look', () => refused(clientOf(who.stranger).getKey('payments'), 403, 'Forbidden', /keys\/read/));

  test('a busy vault answers 429 with Retry-After, and the client waits as long', async () => {
    const error = await refused(clientOf(who.admin, vault, {retryOptions: {maxRetries: 0}}).getKey('throttled'), 429, 'Throttled');
    equal(error.response.headers.get('retry-after'), '1');
    const {sent} = await during(() => keys.getKey('throttled'));
    deepEqual(sent.map(e => e.status).filter(s => s !== 401), [429, 200]);
    const tries = sent.filter(e => e.status !== 401);
    ok(tries[1].sent - tries[0].sent >= 950, 'the second try came after a second');
    match(tries[1].path, /^\/keys\/throttled/);
  });
});
