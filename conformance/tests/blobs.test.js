// The data plane of storage accounts, through @azure/storage-blob: what a revocation
// takes away, and what it leaves.
import {deepEqual, equal, ok} from 'node:assert/strict';
import {before, describe, test} from 'node:test';
import {BlobServiceClient} from '@azure/storage-blob';
import {KeyClient} from '@azure/keyvault-keys';
import {StorageManagementClient} from '@azure/arm-storage';
import {credential, note, refused, until, watched} from '../clients.js';
import {hex, subscription, who} from './estate.js';

const name = '@azure/storage-blob';
const serviceOf = (account, as) => new BlobServiceClient(`https://${account}.blob.core.windows.net`, credential(as), {retryOptions: {maxTries: 1}});
const keys = new KeyClient('https://contoso-prod.vault.azure.net', credential(), watched('@azure/keyvault-keys'));
const payments = serviceOf('contosopayments');
const ledger = payments.getContainerClient('ledger');
const missing = 'KeyVaultEncryptionKeyNotFound';

async function list(container, options) {
  const names = [];
  for await (const page of container.listBlobsFlat(options).byPage()) {
    note(name, page.version);
    names.push(...page.segment.blobItems.map(b => b.name));
  }
  return names;
}

async function containers(service) {
  const names = [];
  for await (const container of service.listContainers()) {
    ok(container.properties.lastModified instanceof Date && container.properties.etag);
    names.push(container.name);
  }
  return names;
}

describe('with the key', () => {
  test('containers are listed', async () => deepEqual(await containers(payments), ['ledger', 'archive']));
  test('the properties of a container are read', async () => {
    const p = await ledger.getProperties();
    ok(p.lastModified instanceof Date && p.etag && p.requestId);
    equal(p.leaseState, 'available');
  });
  test('blobs are listed, with their metadata too', async () => {
    deepEqual(await list(ledger), []);
    deepEqual(await list(ledger, {includeMetadata: true}), []);
  });
  test('a blob is written', async () => {
    const done = await ledger.getBlockBlobClient('entry').upload('text', 4);
    equal(done.isServerEncrypted, true);
    ok(done.lastModified instanceof Date && done.etag);
  });
  test('a blob that is not there is BlobNotFound', () => refused(ledger.getBlobClient('nothing').download(), 404, 'BlobNotFound'));
  test('a container that is not there is ContainerNotFound', () => refused(list(payments.getContainerClient('nothing')), 404, 'ContainerNotFound'));
  test('whoever has no role on the data is refused', () => refused(list(serviceOf('contosopayments', who.reader).getContainerClient('ledger')), 403, 'AuthorizationPermissionMismatch'));
});

describe('with the key disabled', () => {
  before(async () => {
    await keys.updateKeyProperties('payments', hex(1), {enabled: false});
    await until('the account is without its key', 30, () => list(ledger, {includeMetadata: true}).then(() => false, () => true));
  });
  test(`listing blobs with their metadata is ${missing}`, async () => {
    const error = await refused(list(ledger, {includeMetadata: true}), 403, missing, /not found to unwrap the encryption key/);
    equal(error.name, 'RestError');
    equal(error.details.errorCode, missing);
  });
  test(`reading a blob is ${missing}`, () => refused(ledger.getBlobClient('entry').download(), 403, missing));
  test(`writing a blob is ${missing}`, () => refused(ledger.getBlockBlobClient('entry').upload('text', 4), 403, missing));
  test('the properties of a blob are refused too, without a body', async () => {
    const error = await refused(ledger.getBlobClient('entry').getProperties(), 403, undefined, /^/);
    equal(error.details.errorCode, missing); // from a header
  });
  test('containers are listed all the same', async () => deepEqual(await containers(payments), ['ledger', 'archive']));
  test('the account is managed all the same', async () => {
    const {storageAccounts} = new StorageManagementClient(credential(), subscription, watched('@azure/arm-storage'));
    equal((await storageAccounts.getProperties('payments', 'contosopayments')).provisioningState, 'Succeeded');
  });
  test('another account is not touched', async () => deepEqual(await list(serviceOf('contosoplain').getContainerClient('ledger'), {includeMetadata: true}), []));
});

test('once the key is enabled again, blobs are listed', async () => {
  await keys.updateKeyProperties('payments', hex(1), {enabled: true});
  await until('the account has its key again', 30, () => list(ledger, {includeMetadata: true}).then(() => true, () => false));
});

test(`a deleted key is ${missing} too, until it is recovered`, async () => {
  const container = serviceOf('contosodoomed').getContainerClient('ledger');
  await (await keys.beginDeleteKey('doomed', {intervalInMs: 50})).pollUntilDone();
  await until('the account is without its key', 30, () => list(container, {includeMetadata: true}).then(() => false, e => e.code === missing));
  await (await keys.beginRecoverDeletedKey('doomed', {intervalInMs: 50})).pollUntilDone();
  await until('the account has its key again', 30, () => list(container, {includeMetadata: true}).then(() => true, () => false));
});
