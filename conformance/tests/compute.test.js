// Disk encryption sets with their disks and machines, through the typed model of
// @azure/arm-compute.
import {deepEqual, equal, ok} from 'node:assert/strict';
import {describe, test} from 'node:test';
import {ComputeManagementClient, KnownDiskEncryptionSetType} from '@azure/arm-compute';
import {KeyClient} from '@azure/keyvault-keys';
import {all, credential, during, refused, until, watched} from '../clients.js';
import {following, pinned} from './compute.scenario.js';
import {hex, scope, start, subscription} from './estate.js';
import {refusals} from './refusals.js';

const name = '@azure/arm-compute';
const open = (as, options) => new ComputeManagementClient(as, subscription, options);
const {diskEncryptionSets, disks, virtualMachines} = open(credential(), watched(name));
const keys = new KeyClient('https://contoso-prod.vault.azure.net', credential(), watched('@azure/keyvault-keys'));
const often = {updateIntervalInMs: 50};
const keyUrl = (n, key = 'payments') => `https://contoso-prod.vault.azure.net/keys/${key}/${hex(n)}`;
const compute = `${scope('compute')}/Microsoft.Compute`;
const same = (a, b) => equal(a.toLowerCase(), b.toLowerCase()); // Compute spells groups as it likes
const begun = new Date(start);

describe('read', () => {
  test('a set that follows its key is as the scenario says', async () => {
    const set = await diskEncryptionSets.get('compute', following.name);
    equal(set.name, following.name);
    equal(set.id, `${compute}/diskEncryptionSets/${following.name}`);
    equal(set.type, 'Microsoft.Compute/diskEncryptionSets');
    equal(set.location, following.location);
    deepEqual(set.tags, following.tags);
    equal(set.encryptionType, KnownDiskEncryptionSetType.EncryptionAtRestWithCustomerKey);
    equal(set.activeKey.keyUrl, keyUrl(2));
    equal(set.rotationToLatestKeyVersionEnabled, true);
    equal(set.provisioningState, 'Succeeded');
    ok(!set.previousKeys?.length);
    equal(set.autoKeyRotationError, undefined);
    equal(set.identity.type, 'SystemAssigned');
    ok(/^[0-9a-f-]{36}$/.test(set.identity.principalId));
  });

  test('a set that is pinned says to what', async () => {
    const set = await diskEncryptionSets.get('compute', pinned.name);
    equal(set.activeKey.keyUrl, keyUrl(1));
    ok(!set.rotationToLatestKeyVersionEnabled);
    equal(set.lastKeyRotationTimestamp, undefined);
  });

  test('why automatic rotation is off is told', async () => {
    const {autoKeyRotationError: e} = await diskEncryptionSets.get('compute', 'contoso-broken');
    equal(e.code, 'ManagedServiceIdentityNotFound');
    equal(e.message, 'The identity was not found.');
  });

  test('sets come in pages', async () => {
    const {items, pages} = await all(diskEncryptionSets.listByResourceGroup('crowd'));
    deepEqual(items.map(s => s.name), [1, 2, 3, 4, 5, 6, 7].map(n => `crowd-${n}`));
    equal(pages, 3);
    ok((await all(diskEncryptionSets.list())).items.length > 14);
  });

  test('the disks of a set come in pages', async () => {
    const {items, pages} = await all(diskEncryptionSets.listAssociatedResources('wide', 'contoso-wide'));
    equal(items.length, 7);
    equal(pages, 3);
    ok(items.every(id => /\/Microsoft.Compute\/disks\//i.test(id)));
  });

  test('a disk names its set', async () => {
    const [id] = (await all(diskEncryptionSets.listAssociatedResources('compute', following.name))).items;
    const disk = await disks.get('compute', id.split('/').at(-1));
    same(disk.encryption.diskEncryptionSetId, `${compute}/diskEncryptionSets/${following.name}`);
    equal(disk.encryption.type, 'EncryptionAtRestWithCustomerKey');
    equal(disk.provisioningState, 'Succeeded');
    equal(disk.diskState, 'Unattached');
    equal(disk.managedBy, undefined);
    equal(disk.creationData.createOption, 'Empty');
    ok(disk.timeCreated instanceof Date && disk.diskSizeGB > 0);
    equal(disk.diskSizeBytes, disk.diskSizeGB * 2 ** 30);
    equal((await disks.get('compute', 'plain')).encryption.type, 'EncryptionAtRestWithPlatformKey');
  });

  test('a machine runs on disks of its set, and they name it', async () => {
    const vm = await virtualMachines.get('compute', 'contoso-vm', {expand: 'instanceView'});
    equal(vm.provisioningState, 'Succeeded');
    ok(vm.timeCreated instanceof Date);
    same(vm.storageProfile.osDisk.managedDisk.diskEncryptionSet.id, `${compute}/diskEncryptionSets/contoso-vms`);
    const codes = vm.instanceView.statuses.map(s => s.code);
    deepEqual(codes, ['ProvisioningState/succeeded', 'PowerState/running']);
    ok(vm.instanceView.statuses[0].time instanceof Date);
    equal((await virtualMachines.get('compute', 'contoso-vm')).instanceView, undefined);
    deepEqual((await virtualMachines.instanceView('compute', 'contoso-vm')).statuses.map(s => s.code), codes);
    for (const disk of [vm.storageProfile.osDisk.name, 'contoso-vm-data']) {
      const read = await disks.get('compute', disk);
      same(read.managedBy, vm.id);
      equal(read.diskState, 'Attached');
    }
    deepEqual((await all(virtualMachines.list('compute'))).items.map(m => m.name), ['contoso-vm']);
  });
});

describe('write', () => {
  test('a set is created with its key, and the operation ends', async () => {
    const {result, sent} = await during(() => diskEncryptionSets.createOrUpdate('compute', 'contoso-fresh', {
      location: 'westeurope', tags: {made: 'here'}, identity: {type: 'SystemAssigned'}, encryptionType: 'EncryptionAtRestWithCustomerKey',
      activeKey: {keyUrl: keyUrl(1), sourceVault: {id: `${scope('security')}/Microsoft.KeyVault/vaults/contoso-prod`}},
    }, often));
    equal(sent.find(e => e.method === 'PUT').status, 202);
    const polls = sent.filter(e => e.path.includes('/DiskOperations/'));
    ok(polls.length >= 1);
    equal(result.name, 'contoso-fresh');
    equal(result.provisioningState, 'Succeeded');
    const read = await diskEncryptionSets.get('compute', 'contoso-fresh');
    deepEqual(read, result);
    equal(read.activeKey.keyUrl, keyUrl(1));
    equal(read.activeKey.sourceVault.id, `${scope('security')}/Microsoft.KeyVault/vaults/contoso-prod`);
    equal(read.lastKeyRotationTimestamp, undefined);
    deepEqual(read.tags, {made: 'here'});
    ok(/^[0-9a-f-]{36}$/.test(read.identity.principalId));
  });

  test('another version is taken by an update, with the time of the switch', async () => {
    const {result, sent} = await during(() => diskEncryptionSets.update('crowd', 'crowd-1', {activeKey: {keyUrl: keyUrl(1)}}, often));
    const patch = sent.find(e => e.method === 'PATCH');
    equal(patch.status, 202);
    equal(JSON.parse(patch.body).properties.provisioningState, 'Updating');
    equal(result.activeKey.keyUrl, keyUrl(1));
    ok(result.lastKeyRotationTimestamp instanceof Date && result.lastKeyRotationTimestamp >= begun);
    deepEqual(await diskEncryptionSets.get('crowd', 'crowd-1'), result);
  });

  test('an update turns automatic rotation on again', async () => {
    const set = await diskEncryptionSets.update('compute', 'contoso-broken', {rotationToLatestKeyVersionEnabled: true}, often);
    equal(set.autoKeyRotationError, undefined);
    equal(set.activeKey.keyUrl, keyUrl(2));
  });

  test('a set follows a rotation; the previous key is named until its disks are re-wrapped', async () => {
    const {id} = await keys.rotateKey('rotating');
    const get = () => diskEncryptionSets.get('compute', 'contoso-rotating');
    const switched = await until('the set switched', 30, async () => { const s = await get(); return s.activeKey.keyUrl === id && s; });
    ok(switched.lastKeyRotationTimestamp instanceof Date);
    deepEqual(switched.previousKeys.map(k => k.keyUrl), [keyUrl(6, 'rotating')]);
    await until('its disks are re-wrapped', 30, async () => !(await get()).previousKeys?.length);
  });

  test('a disk is created on a set and moved to another', async () => {
    const made = await disks.createOrUpdate('compute', 'fresh-disk', {
      location: 'westeurope', creationData: {createOption: 'Empty'}, diskSizeGB: 64, sku: {name: 'Premium_LRS'},
      encryption: {diskEncryptionSetId: `${compute}/diskEncryptionSets/${following.name}`, type: 'EncryptionAtRestWithCustomerKey'},
    }, often);
    equal(made.provisioningState, 'Succeeded');
    equal(made.diskSizeGB, 64);
    same(made.encryption.diskEncryptionSetId, `${compute}/diskEncryptionSets/${following.name}`);
    const moved = await disks.update('compute', 'fresh-disk', {encryption: {diskEncryptionSetId: `${compute}/diskEncryptionSets/${pinned.name}`, type: 'EncryptionAtRestWithCustomerKey'}}, often);
    same(moved.encryption.diskEncryptionSetId, `${compute}/diskEncryptionSets/${pinned.name}`);
    same((await all(diskEncryptionSets.listAssociatedResources('compute', pinned.name))).items[0], made.id);
    await disks.delete('compute', 'fresh-disk', often);
    await refused(disks.get('compute', 'fresh-disk'), 404, 'ResourceNotFound');
  });

  test('a deleted set is gone once the operation ends', async () => {
    const {sent} = await during(() => diskEncryptionSets.delete('compute', 'doomed', often));
    equal(sent.find(e => e.method === 'DELETE').status, 202);
    await refused(diskEncryptionSets.get('compute', 'doomed'), 404, 'ResourceNotFound');
  });

  test('a machine stops without its key and runs again with it', async () => {
    const power = async () => (await virtualMachines.instanceView('compute', 'contoso-vm')).statuses.find(s => s.code.startsWith('PowerState/')).code;
    equal(await power(), 'PowerState/running');
    await keys.updateKeyProperties('machines', hex(5), {enabled: false});
    await until('the machine is off', 30, async () => await power() === 'PowerState/stopped');
    await keys.updateKeyProperties('machines', hex(5), {enabled: true});
    await until('the machine runs again', 30, async () => await power() === 'PowerState/running');
  });
});

refusals({
  name, open, type: 'Microsoft.Compute/diskEncryptionSets', group: 'compute', present: following.name, throttled: 'throttled',
  contended: 'contoso-busy', busy: [409, 'AnotherOperationInProgress'],
  get: (c, group, set) => c.diskEncryptionSets.get(group, set),
  put: (c, group, set, b) => c.diskEncryptionSets.createOrUpdate(group, set, b, often),
  update: (c, group, set) => c.diskEncryptionSets.update(group, set, {tags: {}}, often),
  list: (c, group) => c.diskEncryptionSets.listByResourceGroup(group),
  body: change => ({location: 'westeurope', identity: {type: 'SystemAssigned'}, activeKey: {keyUrl: keyUrl(1)}, ...change}),
});
