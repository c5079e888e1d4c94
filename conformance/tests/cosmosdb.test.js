// Cosmos DB accounts, through the typed model of @azure/arm-cosmosdb.
import {deepEqual, equal, ok} from 'node:assert/strict';
import {describe, test} from 'node:test';
import {CosmosDBManagementClient} from '@azure/arm-cosmosdb';
import {KeyClient} from '@azure/keyvault-keys';
import {all, credential, during, refused, until, watched} from '../clients.js';
import {hex, scope, start, subscription} from './estate.js';
import {orders, scenario} from './cosmosdb.scenario.js';
import {refusals} from './refusals.js';

const name = '@azure/arm-cosmosdb';
const open = (as, options) => new CosmosDBManagementClient(as, subscription, options);
const {databaseAccounts} = open(credential(), watched(name));
const keys = new KeyClient('https://contoso-prod.vault.azure.net', credential(), watched('@azure/keyvault-keys'));
const often = {updateIntervalInMs: 50};
const keyVaultKeyUri = 'https://contoso-prod.vault.azure.net/keys/payments';
const body = change => ({
  location: 'westeurope', databaseAccountOfferType: 'Standard', keyVaultKeyUri,
  locations: [{locationName: 'West Europe', failoverPriority: 0, isZoneRedundant: false}], ...change,
});

describe('read', () => {
  test('an account is as the scenario says', async () => {
    const account = await databaseAccounts.get('payments', orders.name);
    equal(account.name, orders.name);
    equal(account.id, `${scope('payments')}/Microsoft.DocumentDB/databaseAccounts/${orders.name}`);
    equal(account.type, 'Microsoft.DocumentDB/databaseAccounts');
    equal(account.location, 'West Europe');
    deepEqual(account.tags, orders.tags);
    equal(account.kind, 'GlobalDocumentDB');
    equal(account.provisioningState, 'Succeeded');
    equal(account.documentEndpoint, `https://${orders.name}.documents.azure.com:443/`);
    equal(account.keyVaultKeyUri, keyVaultKeyUri);
    equal(account.defaultIdentity, 'FirstPartyIdentity');
    equal(account.customerManagedKeyStatus, 'Access to the configured customer managed key confirmed.');
    equal(account.consistencyPolicy.defaultConsistencyLevel, 'Session');
    equal(account.backupPolicy.type, 'Periodic');
    equal(account.backupPolicy.periodicModeProperties.backupIntervalInMinutes, 240);
    ok(account.systemData.createdAt instanceof Date && account.systemData.createdAt <= new Date(start));
    for (const list of ['locations', 'readLocations', 'writeLocations', 'failoverPolicies']) {
      deepEqual(account[list].map(l => [l.locationName, l.failoverPriority]), [['West Europe', 0]]);
    }
  });

  test('an account under keys of Microsoft has neither key nor status', async () => {
    const {keyVaultKeyUri: key, customerManagedKeyStatus} = await databaseAccounts.get('payments', 'contoso-plain');
    deepEqual([key, customerManagedKeyStatus], [undefined, undefined]);
  });

  // In one page: the client follows no further one.
  test('the accounts of a group and of the subscription are listed', async () => {
    const crowd = (await all(databaseAccounts.listByResourceGroup('crowd'))).items;
    deepEqual(crowd.map(a => a.name), [1, 2, 3, 4, 5, 6, 7].map(n => `crowd-${n}`));
    ok(crowd.every(a => a.keyVaultKeyUri.endsWith('/keys/other')));
    equal((await all(databaseAccounts.list())).items.length, scenario.cosmosdb_accounts.length + 6);
  });
});

describe('write', () => {
  test('an account is created with its key, and the operation ends', async () => {
    const {result, sent} = await during(() => databaseAccounts.beginCreateOrUpdateAndWait('payments', 'contoso-fresh', body({tags: {made: 'here'}, identity: {type: 'SystemAssigned'}}), often));
    const put = sent.find(e => e.method === 'PUT');
    equal(put.status, 200);
    equal(JSON.parse(put.body).properties.provisioningState, 'Creating');
    const polls = sent.filter(e => e.path.includes('/operationsStatus/'));
    equal(JSON.parse(polls.at(-1).body).status, 'Succeeded');
    equal(result.provisioningState, 'Succeeded');
    const read = await databaseAccounts.get('payments', 'contoso-fresh');
    equal(read.keyVaultKeyUri, keyVaultKeyUri);
    deepEqual(read.tags, {made: 'here'});
    equal(read.defaultIdentity, 'FirstPartyIdentity');
    equal(read.identity.type, 'SystemAssigned');
    ok(/^[0-9a-f-]{36}$/.test(read.identity.principalId));
    equal(read.identity.tenantId, scenario.tenant);
    equal(read.documentEndpoint, 'https://contoso-fresh.documents.azure.com:443/');
    equal(read.customerManagedKeyStatus, 'Access to the configured customer managed key confirmed.');
  });

  test('an update changes what it names and nothing else', async () => {
    const before = await databaseAccounts.get('payments', 'contoso-updated');
    const {result, sent} = await during(() => databaseAccounts.beginUpdateAndWait('payments', 'contoso-updated', {tags: {owner: 'ops'}}, often));
    equal(JSON.parse(sent.find(e => e.method === 'PATCH').body).properties.provisioningState, 'Updating');
    equal(result.provisioningState, 'Succeeded');
    deepEqual(await databaseAccounts.get('payments', 'contoso-updated'), {...before, tags: {owner: 'ops'}});
  });

  test('a deleted account is gone once the operation ends', async () => {
    const {sent} = await during(() => databaseAccounts.beginDeleteAndWait('payments', 'contoso-doomed', often));
    equal(sent.find(e => e.method === 'DELETE').status, 202);
    await refused(databaseAccounts.get('payments', 'contoso-doomed'), 404, 'ResourceNotFound');
  });
});

refusals({
  name, open, type: 'Microsoft.DocumentDB/databaseAccounts', group: 'payments', present: orders.name, throttled: 'throttled',
  contended: 'contoso-busy', busy: [412, 'PreconditionFailed', /exclusive lock/],
  get: (c, group, account) => c.databaseAccounts.get(group, account),
  put: (c, group, account, b) => c.databaseAccounts.beginCreateOrUpdateAndWait(group, account, b, often),
  update: (c, group, account) => c.databaseAccounts.beginUpdateAndWait(group, account, {tags: {}}, often),
  list: (c, group) => c.databaseAccounts.listByResourceGroup(group),
  body,
});

test('a revocation and its end show in the status of the key', async () => {
  const status = async () => (await databaseAccounts.get('payments', orders.name)).customerManagedKeyStatus;
  await keys.updateKeyProperties('payments', hex(2), {enabled: false});
  await until('the account says that it is revoked', 30, async () => /^Access to your account is currently revoked .*\(4005\)\.$/.test(await status()));
  await keys.updateKeyProperties('payments', hex(2), {enabled: true});
  await until('the account has access again', 30, async () => await status() === 'Access to the configured customer managed key confirmed.');
});
