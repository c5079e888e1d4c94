// Container groups, through the typed model of @azure/arm-containerinstance.
import {deepEqual, equal, notEqual, ok, rejects} from 'node:assert/strict';
import {describe, test} from 'node:test';
import {ContainerInstanceManagementClient} from '@azure/arm-containerinstance';
import {all, credential, during, refused, watched} from '../clients.js';
import {batch, scenario} from './containerinstance.scenario.js';
import {hex, scope, start, subscription} from './estate.js';
import {refusals} from './refusals.js';

const name = '@azure/arm-containerinstance';
const open = (as, options) => new ContainerInstanceManagementClient(as, subscription, options);
const {containerGroups} = open(credential(), watched(name));
const often = {updateIntervalInMs: 50};
const encryptionProperties = n => ({vaultBaseUrl: 'https://contoso-prod.vault.azure.net', keyName: 'payments', keyVersion: hex(n)});
const body = change => ({
  location: 'westeurope', osType: 'Linux', sku: 'Standard', restartPolicy: 'Always', encryptionProperties: encryptionProperties(2),
  ipAddress: {type: 'Public', ports: [{protocol: 'TCP', port: 80}]},
  containers: [{
    name: 'worker', image: 'mcr.microsoft.com/azuredocs/aci-helloworld', resources: {requests: {cpu: 1, memoryInGB: 1.5}}, ports: [{port: 80}],
    environmentVariables: [{name: 'PASSWORD', secureValue: 'secret'}, {name: 'MODE', value: 'batch'}],
  }],
  ...change,
});

describe('read', () => {
  test('a group is as the scenario says', async () => {
    const group = await containerGroups.get('batch', batch.name);
    equal(group.name, batch.name);
    equal(group.id, `${scope('batch')}/Microsoft.ContainerInstance/containerGroups/${batch.name}`);
    equal(group.type, 'Microsoft.ContainerInstance/containerGroups');
    equal(group.location, batch.location);
    deepEqual(group.tags, batch.tags);
    equal(group.provisioningState, 'Succeeded');
    equal(group.osType, 'Linux');
    equal(group.sku, 'Standard');
    equal(group.restartPolicy, 'Always');
    const {vaultBaseUrl, ...rest} = group.encryptionProperties;
    equal(vaultBaseUrl.replace(/\/$/, ''), 'https://contoso-prod.vault.azure.net');
    deepEqual({...rest, vaultBaseUrl: undefined}, {...encryptionProperties(1), vaultBaseUrl: undefined});
    equal(group.instanceView.state, 'Running');
    const [container] = group.containers;
    equal(container.image, batch.image);
    deepEqual(container.resources.requests, {cpu: 1, memoryInGB: 1.5});
    equal(container.instanceView.currentState.state, 'Running');
    ok(container.instanceView.currentState.startTime instanceof Date && container.instanceView.currentState.startTime <= new Date(start));
    ok(container.instanceView.events.every(e => e.firstTimestamp instanceof Date && e.type === 'Normal'));
    ok(/^\d+\.\d+\.\d+\.\d+$/.test(group.ipAddress.ip));
  });

  test('a group under keys of Microsoft has no key of ours', async () =>
    equal((await containerGroups.get('batch', 'contoso-plain')).encryptionProperties, undefined));

  test('groups come in pages, without their instance views', async () => {
    const {items, pages} = await all(containerGroups.listByResourceGroup('crowd'));
    deepEqual(items.map(g => g.name), [1, 2, 3, 4, 5, 6, 7].map(n => `crowd-${n}`));
    equal(pages, 3);
    ok(items.every(g => g.encryptionProperties.keyVersion === hex(2) && g.instanceView === undefined));
    equal((await all(containerGroups.list())).items.length >= scenario.container_groups.length + 5, true);
  });
});

describe('write', () => {
  test('a group is created with its key, and the operation ends; secrets do not come back', async () => {
    const {result, sent} = await during(() => containerGroups.beginCreateOrUpdateAndWait('batch', 'contoso-fresh', body({tags: {made: 'here'}}), often));
    const put = sent.find(e => e.method === 'PUT');
    equal(put.status, 201);
    equal(JSON.parse(put.body).properties.provisioningState, 'Pending');
    ok(!put.body.includes('secret'));
    equal(JSON.parse(sent.filter(e => e.path.includes('/operations/')).at(-1).body).status, 'Succeeded');
    equal(result.provisioningState, 'Succeeded');
    const read = await containerGroups.get('batch', 'contoso-fresh');
    deepEqual(read.encryptionProperties, encryptionProperties(2));
    deepEqual(read.tags, {made: 'here'});
    equal(read.instanceView.state, 'Running');
    deepEqual(read.containers[0].environmentVariables.map(v => [v.name, v.value, v.secureValue]), [['PASSWORD', undefined, undefined], ['MODE', 'batch', undefined]]);
  });

  test('another version is taken by re-creating the group, at another address', async () => {
    const before = await containerGroups.get('batch', 'contoso-repinned');
    const after = await containerGroups.beginCreateOrUpdateAndWait('batch', 'contoso-repinned', {...before, encryptionProperties: encryptionProperties(2)}, often);
    equal(after.encryptionProperties.keyVersion, hex(2));
    const read = await containerGroups.get('batch', 'contoso-repinned');
    equal(read.instanceView.state, 'Running');
    notEqual(read.ipAddress.ip, before.ipAddress.ip);
    deepEqual(read.tags, before.tags);
  });

  test('a version that is disabled lets the operation fail', () =>
    rejects(containerGroups.beginCreateOrUpdateAndWait('batch', 'contoso-failing', body({encryptionProperties: encryptionProperties(3)}), often)));

  test('an update changes the tags and nothing else', async () => {
    const before = await containerGroups.get('crowd', 'crowd-1');
    const after = await containerGroups.update('crowd', 'crowd-1', {tags: {owner: 'ops'}});
    deepEqual(after, {...before, tags: {owner: 'ops'}});
  });

  test('a deleted group is gone', async () => {
    const {name: deleted} = await containerGroups.beginDeleteAndWait('batch', 'doomed', often);
    equal(deleted, 'doomed');
    await refused(containerGroups.get('batch', 'doomed'), 404, 'ResourceNotFound');
  });
});

refusals({
  name, open, type: 'Microsoft.ContainerInstance/containerGroups', group: 'batch', present: batch.name, throttled: 'throttled',
  contended: 'contoso-busy', busy: [409, 'AnotherOperationInProgress'],
  get: (c, group, one) => c.containerGroups.get(group, one),
  put: (c, group, one, b) => c.containerGroups.beginCreateOrUpdateAndWait(group, one, b, often),
  update: (c, group, one) => c.containerGroups.update(group, one, {tags: {}}),
  list: (c, group) => c.containerGroups.listByResourceGroup(group),
  body,
});
