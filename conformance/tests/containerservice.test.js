// Managed clusters, through the typed model of @azure/arm-containerservice.
import {deepEqual, equal, notEqual, ok} from 'node:assert/strict';
import {describe, test} from 'node:test';
import {ContainerServiceClient} from '@azure/arm-containerservice';
import {all, credential, during, refused, watched} from '../clients.js';
import {aks, scenario} from './containerservice.scenario.js';
import {hex, scope, subscription} from './estate.js';
import {refusals} from './refusals.js';

const name = '@azure/arm-containerservice';
const open = (as, options) => new ContainerServiceClient(as, subscription, options);
const {managedClusters} = open(credential(), watched(name));
const often = {updateIntervalInMs: 50};
const keyId = n => `https://contoso-prod.vault.azure.net/keys/payments/${hex(n)}`;
const set = `${scope('compute')}/Microsoft.Compute/diskEncryptionSets/contoso-des`;
const kms = n => ({azureKeyVaultKms: {enabled: true, keyId: keyId(n), keyVaultNetworkAccess: 'Public'}});
const body = change => ({
  location: 'westeurope', dnsPrefix: 'fresh', identity: {type: 'SystemAssigned'}, kubernetesVersion: '1.30.4', diskEncryptionSetID: set,
  agentPoolProfiles: [{name: 'nodepool1', count: 3, vmSize: 'Standard_DS2_v2', mode: 'System'}], securityProfile: kms(1), ...change,
});

describe('read', () => {
  test('a cluster is as the scenario says', async () => {
    const cluster = await managedClusters.get('compute', aks.name);
    equal(cluster.name, aks.name);
    equal(cluster.id.toLowerCase(), `${scope('compute')}/Microsoft.ContainerService/managedClusters/${aks.name}`.toLowerCase());
    equal(cluster.type, 'Microsoft.ContainerService/ManagedClusters');
    equal(cluster.location, aks.location);
    deepEqual(cluster.tags, aks.tags);
    equal(cluster.provisioningState, 'Succeeded');
    equal(cluster.powerState.code, 'Running');
    equal(cluster.kubernetesVersion, '1.30.4');
    equal(cluster.diskEncryptionSetID, set);
    equal(cluster.securityProfile.azureKeyVaultKms.enabled, true);
    equal(cluster.securityProfile.azureKeyVaultKms.keyId, keyId(1));
    equal(cluster.agentPoolProfiles[0].name, 'nodepool1');
    equal(cluster.agentPoolProfiles[0].mode, 'System');
    equal(cluster.nodeResourceGroup, `MC_compute_${aks.name}_westeurope`);
    ok(cluster.eTag);
  });

  test('a cluster without keys of ours names none', async () => {
    const cluster = await managedClusters.get('compute', 'contoso-plain');
    equal(cluster.diskEncryptionSetID, undefined);
    ok(!cluster.securityProfile?.azureKeyVaultKms?.enabled);
  });

  test('clusters come in pages', async () => {
    const {items, pages} = await all(managedClusters.listByResourceGroup('crowd'));
    deepEqual(items.map(c => c.name), [1, 2, 3, 4, 5, 6, 7].map(n => `crowd-${n}`));
    equal(pages, 3);
    ok(items.every(c => c.diskEncryptionSetID === set));
    ok((await all(managedClusters.list())).items.length >= scenario.managed_clusters.length + 5);
  });
});

describe('write', () => {
  test('a cluster is created with its keys, and the operation ends', async () => {
    const {result, sent} = await during(() => managedClusters.createOrUpdate('compute', 'contoso-fresh', body({tags: {made: 'here'}}), often));
    const put = sent.find(e => e.method === 'PUT');
    equal(put.status, 201);
    equal(JSON.parse(put.body).properties.provisioningState, 'Creating');
    equal(JSON.parse(sent.filter(e => e.path.includes('/operations/')).at(-1).body).status, 'Succeeded');
    equal(result.provisioningState, 'Succeeded');
    const read = await managedClusters.get('compute', 'contoso-fresh');
    deepEqual(read, result);
    deepEqual(read.tags, {made: 'here'});
    equal(read.diskEncryptionSetID, set);
    equal(read.securityProfile.azureKeyVaultKms.keyId, keyId(1));
    equal(read.securityProfile.azureKeyVaultKms.keyVaultNetworkAccess, 'Public');
    equal(read.agentPoolProfiles[0].count, 3);
  });

  test('another version for etcd is taken by an update', async () => {
    const before = await managedClusters.get('compute', 'contoso-repinned');
    const {result, sent} = await during(() => managedClusters.createOrUpdate('compute', 'contoso-repinned', {...before, securityProfile: kms(2)}, {...often, ifMatch: before.eTag}));
    equal(JSON.parse(sent.find(e => e.method === 'PUT').body).properties.provisioningState, 'Updating');
    equal(result.securityProfile.azureKeyVaultKms.keyId, keyId(2));
    const read = await managedClusters.get('compute', 'contoso-repinned');
    equal(read.securityProfile.azureKeyVaultKms.keyId, keyId(2));
    notEqual(read.eTag, before.eTag);
    deepEqual(read.tags, before.tags);
  });

  test('a write on an outdated ETag is 412 and changes nothing', async () => {
    const before = await managedClusters.get('compute', aks.name);
    await refused(managedClusters.createOrUpdate('compute', aks.name, {...before, securityProfile: kms(2)}, {...often, ifMatch: 'outdated'}), 412, 'PreconditionFailed');
    deepEqual(await managedClusters.get('compute', aks.name), before);
  });

  test('an update of the tags changes nothing else', async () => {
    const {eTag: _, ...before} = await managedClusters.get('compute', 'tagged');
    const {eTag: __, ...after} = await managedClusters.updateTags('compute', 'tagged', {tags: {owner: 'ops'}}, often);
    deepEqual(after, {...before, tags: {owner: 'ops'}});
  });

  test('a deleted cluster is gone once the operation ends', async () => {
    const {sent} = await during(() => managedClusters.delete('compute', 'doomed', often));
    equal(sent.find(e => e.method === 'DELETE').status, 202);
    await refused(managedClusters.get('compute', 'doomed'), 404, 'ResourceNotFound');
  });
});

refusals({
  name, open, type: 'Microsoft.ContainerService/managedClusters', group: 'compute', present: aks.name, throttled: 'throttled',
  contended: 'contoso-busy', busy: [409, 'OperationNotAllowed', /Another operation/],
  get: (c, group, cluster) => c.managedClusters.get(group, cluster),
  put: (c, group, cluster, b) => c.managedClusters.createOrUpdate(group, cluster, b, often),
  update: (c, group, cluster) => c.managedClusters.updateTags(group, cluster, {tags: {}}, often),
  list: (c, group) => c.managedClusters.listByResourceGroup(group),
  body,
});
