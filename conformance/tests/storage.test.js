// Storage accounts, through the typed model of @azure/arm-storage.
import {deepEqual, equal, ok} from 'node:assert/strict';
import {describe, test} from 'node:test';
import {KnownKeySource, StorageManagementClient} from '@azure/arm-storage';
import {KeyClient} from '@azure/keyvault-keys';
import {all, credential, during, refused, watched} from '../clients.js';
import {days, hex, scope, start, subscription} from './estate.js';
import {refusals} from './refusals.js';
import {identity, payments, pinned} from './storage.scenario.js';

const name = '@azure/arm-storage';
const open = (as, options) => new StorageManagementClient(as, subscription, options);
const {storageAccounts} = open(credential(), watched(name));
const often = {updateIntervalInMs: 50};
const vault = 'https://contoso-prod.vault.azure.net';
const version = n => `${vault}/keys/payments/${hex(n)}`;
const begun = new Date(start);

describe('read', () => {
  test('an account that follows its key is as the scenario says', async () => {
    const account = await storageAccounts.getProperties('payments', payments.name);
    equal(account.name, payments.name);
    equal(account.id, `${scope('payments')}/Microsoft.Storage/storageAccounts/${payments.name}`);
    equal(account.type, 'Microsoft.Storage/storageAccounts');
    equal(account.location, payments.location);
    deepEqual(account.tags, payments.tags);
    deepEqual(account.sku, {name: 'Standard_LRS', tier: 'Standard'});
    equal(account.kind, 'StorageV2');
    equal(account.provisioningState, 'Succeeded');
    equal(account.primaryEndpoints.blob, `https://${payments.name}.blob.core.windows.net/`);
    equal(account.primaryLocation, payments.location);
    equal(account.statusOfPrimary, 'available');
    equal(account.enableHttpsTrafficOnly, true);
    equal(account.minimumTlsVersion, 'TLS1_2');
    equal(account.accessTier, 'Hot');
    equal(account.networkRuleSet.defaultAction, 'Allow');
    ok(account.creationTime instanceof Date && account.creationTime <= begun);
    ok(account.keyCreationTime.key1 instanceof Date);
    const e = account.encryption;
    equal(e.keySource, KnownKeySource.MicrosoftKeyvault);
    for (const service of ['blob', 'file']) {
      equal(e.services[service].enabled, true);
      equal(e.services[service].keyType, 'Account');
      ok(e.services[service].lastEnabledTime instanceof Date);
    }
    const k = e.keyVaultProperties;
    equal(k.keyVaultUri.replace(/\/$/, ''), vault);
    equal(k.keyName, 'payments');
    ok(!k.keyVersion, `the version is left out: ${k.keyVersion}`);
    equal(k.currentVersionedKeyIdentifier, version(2));
    ok(k.lastKeyRotationTimestamp instanceof Date && k.lastKeyRotationTimestamp <= begun);
    deepEqual(k.currentVersionedKeyExpirationTimestamp, days(365));
  });

  test('an account that is pinned says to what; a key without an expiry expires at the epoch', async () => {
    const {location, encryption: {keyVaultProperties: k}} = await storageAccounts.getProperties('payments', pinned.name);
    equal(location, pinned.location);
    equal(k.keyVersion, hex(1));
    equal(k.currentVersionedKeyIdentifier, version(1));
    deepEqual(k.currentVersionedKeyExpirationTimestamp, new Date(0));
  });

  test('an account under keys of Microsoft has no key of ours', async () => {
    const {encryption} = await storageAccounts.getProperties('payments', 'contosoplain');
    equal(encryption.keySource, KnownKeySource.MicrosoftStorage);
    equal(encryption.keyVaultProperties, undefined);
  });

  test('the accounts of a group come in pages', async () => {
    const {items, pages} = await all(storageAccounts.listByResourceGroup('crowd'));
    deepEqual(items.map(a => a.name), [1, 2, 3, 4, 5, 6, 7].map(n => `crowd${n}`));
    equal(pages, 3);
    ok(items.every(a => a.encryption.keyVaultProperties.currentVersionedKeyIdentifier === version(2)));
  });

  test('the accounts of the subscription come in pages', async () => {
    const {items, pages} = await all(storageAccounts.list());
    const names = items.map(a => a.name);
    ok(pages >= 4 && names.includes('elsewhere') && names.includes(payments.name) && new Set(names).size === names.length);
  });
});

describe('write', () => {
  test('an account is created with its key, and the operation ends', async () => {
    const {result, sent} = await during(() => storageAccounts.create('payments', 'contosofresh', {
      location: 'West Europe', kind: 'StorageV2', sku: {name: 'Standard_ZRS'}, tags: {made: 'here'},
      identity: {type: 'UserAssigned', userAssignedIdentities: {[identity]: {}}},
      encryption: {
        keySource: 'Microsoft.Keyvault', services: {blob: {enabled: true, keyType: 'Account'}, file: {enabled: true}},
        keyVaultProperties: {keyName: 'payments', keyVaultUri: vault},
        encryptionIdentity: {encryptionUserAssignedIdentity: identity},
      },
    }, often));
    equal(sent.find(e => e.method === 'PUT').status, 202);
    const polls = sent.filter(e => e.path.includes('/asyncoperations/'));
    ok(polls.length >= 1 && polls.at(-1).status === 200);
    equal(result.name, 'contosofresh');
    equal(result.provisioningState, 'Succeeded');
    deepEqual(result.sku, {name: 'Standard_ZRS', tier: 'Standard'});
    const read = await storageAccounts.getProperties('payments', 'contosofresh');
    deepEqual(read, result);
    equal(read.location, 'westeurope');
    deepEqual(read.tags, {made: 'here'});
    equal(read.encryption.keyVaultProperties.currentVersionedKeyIdentifier, version(2));
    equal(read.encryption.encryptionIdentity.encryptionUserAssignedIdentity, identity);
    const [[id, assigned]] = Object.entries(read.identity.userAssignedIdentities);
    equal(id, identity);
    ok(/^[0-9a-f-]{36}$/.test(assigned.principalId) && /^[0-9a-f-]{36}$/.test(assigned.clientId));
  });

  test('an update changes what it names and nothing else', async () => {
    const before = await storageAccounts.getProperties('crowd', 'crowd1');
    const {result, sent} = await during(() => storageAccounts.update('crowd', 'crowd1', {tags: {owner: 'ops'}}));
    equal(sent.find(e => e.method === 'PATCH').status, 200);
    deepEqual(result, {...before, tags: {owner: 'ops'}});
  });

  test('an account is pinned, and follows again', async () => {
    const k = keyVersion => ({encryption: {keySource: 'Microsoft.Keyvault', keyVaultProperties: {keyName: 'payments', keyVaultUri: vault, keyVersion}}});
    const old = (await storageAccounts.update('crowd', 'crowd2', k(hex(1)))).encryption.keyVaultProperties;
    equal(old.keyVersion, hex(1));
    equal(old.currentVersionedKeyIdentifier, version(1));
    ok(old.lastKeyRotationTimestamp >= begun);
    const latest = (await storageAccounts.update('crowd', 'crowd2', k(''))).encryption.keyVaultProperties;
    ok(!latest.keyVersion);
    equal(latest.currentVersionedKeyIdentifier, version(2));
    ok(latest.lastKeyRotationTimestamp >= old.lastKeyRotationTimestamp);
  });

  test('a key of its own is taken and given back', async () => {
    const own = await storageAccounts.update('crowd', 'crowd3', {encryption: {keySource: 'Microsoft.Keyvault', keyVaultProperties: {keyName: 'other', keyVaultUri: vault}}});
    equal(own.encryption.keyVaultProperties.currentVersionedKeyIdentifier, `${vault}/keys/other/${hex(7)}`);
    const none = await storageAccounts.update('crowd', 'crowd3', {encryption: {keySource: 'Microsoft.Storage'}});
    equal(none.encryption.keySource, 'Microsoft.Storage');
    equal(none.encryption.keyVaultProperties, undefined);
  });

  test('a rotation is picked up by an update that changes nothing', async () => {
    const keys = new KeyClient(vault, credential(), watched('@azure/keyvault-keys'));
    const {id} = await keys.rotateKey('other');
    const encryption = {keySource: 'Microsoft.Keyvault', keyVaultProperties: {keyName: 'other', keyVaultUri: vault}};
    const account = await storageAccounts.update('crowd', 'crowd4', {encryption});
    equal(account.encryption.keyVaultProperties.currentVersionedKeyIdentifier, id);
  });

  test('a deleted account is gone', async () => {
    await storageAccounts.delete('payments', 'doomed');
    await refused(storageAccounts.getProperties('payments', 'doomed'), 404, 'ResourceNotFound');
    await storageAccounts.delete('payments', 'doomed'); // 204
  });

  test('a name that is taken elsewhere is 409 StorageAccountAlreadyTaken', () =>
    refused(storageAccounts.create('payments', 'elsewhere', {location: 'westeurope', kind: 'StorageV2', sku: {name: 'Standard_LRS'}}, often),
      409, 'StorageAccountAlreadyTaken', /is already taken/));
});

refusals({
  name, open, type: 'Microsoft.Storage/storageAccounts', group: 'payments', present: payments.name, throttled: 'throttled',
  get: (c, group, account) => c.storageAccounts.getProperties(group, account),
  put: (c, group, account, body) => c.storageAccounts.create(group, account, body, often),
  update: (c, group, account) => c.storageAccounts.update(group, account, {tags: {}}),
  list: (c, group) => c.storageAccounts.listByResourceGroup(group),
  body: change => ({location: 'westeurope', kind: 'StorageV2', sku: {name: 'Standard_LRS'}, ...change}),
});
