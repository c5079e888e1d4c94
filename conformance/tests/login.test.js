// Microsoft Entra ID: a service principal logs in by its secret.
import {equal, ok, rejects} from 'node:assert/strict';
import {test} from 'node:test';
import {EnvironmentCredential} from '@azure/identity';
import {KeyClient} from '@azure/keyvault-keys';
import {StorageManagementClient} from '@azure/arm-storage';
import {credential, during, refused, watched} from '../clients.js';
import {scenario} from './login.scenario.js';
import {subscription, who} from './estate.js';

const claimsOf = token => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

for (const [scope, audience] of [
  ['https://vault.azure.net/.default', 'https://vault.azure.net'],
  ['https://management.azure.com/.default', 'https://management.azure.com'],
  ['https://storage.azure.com/.default', 'https://storage.azure.com'],
]) {
  test(`a client secret gives a token for ${audience}`, async () => {
    const before = Date.now();
    const {token, expiresOnTimestamp} = await credential().getToken(scope);
    const claims = claimsOf(token);
    equal(claims.aud, audience);
    equal(claims.tid, scenario.tenant);
    equal(claims.appid, who.admin.id);
    const hour = (expiresOnTimestamp - before) / 1000;
    ok(hour > 3500 && hour < 3700, `the token is good for ${hour} s`);
  });
}

test('the variables of the environment are enough', async () => {
  const {token} = await new EnvironmentCredential().getToken('https://vault.azure.net/.default');
  equal(claimsOf(token).appid, who.admin.id);
});

test('a token is kept until it expires', async () => {
  const one = credential();
  const first = await one.getToken('https://vault.azure.net/.default');
  equal((await one.getToken('https://vault.azure.net/.default')).token, first.token);
});

const refusedLogin = async (as, status, description) => {
  const {sent} = await during(() => rejects(credential(as).getToken('https://vault.azure.net/.default'), description));
  ok(sent.some(e => e.method === 'POST' && e.status === status), `one of ${sent.map(e => e.status)} is ${status}`);
};

test('a wrong secret is refused with AADSTS7000215', () =>
  refusedLogin({secret: 'wrong'}, 401, /AADSTS7000215: Invalid client secret provided/));

test('an unknown application is refused with AADSTS700016', () =>
  refusedLogin({id: '99999999-2222-3333-4444-555555555555'}, 400, /AADSTS700016: .* was not found in the directory/));

test('an unknown tenant is refused with AADSTS90002', () =>
  refusedLogin({tenant: '99999999-38d6-4fb2-bad9-b7b93a3e9c5a'}, 400, /AADSTS90002: Tenant .* not found|endpoints_resolution_error/));

test('Key Vault tells the tenant by its challenge', async () => {
  const key = await new KeyClient('https://contoso-prod.vault.azure.net', credential(), watched('@azure/keyvault-keys')).getKey('payments');
  equal(key.name, 'payments');
});

test('a wrong secret shows through the client of Key Vault', () =>
  rejects(new KeyClient('https://contoso-prod.vault.azure.net', credential({secret: 'wrong'}), watched('@azure/keyvault-keys')).getKey('payments'),
    /AADSTS7000215/));

test('a token of another audience is refused', async () => {
  const vaultToken = {getToken: () => credential().getToken('https://vault.azure.net/.default')};
  await refused(new StorageManagementClient(vaultToken, subscription, watched('@azure/arm-storage')).storageAccounts.getProperties('payments', 'contosopayments'),
    401, 'InvalidAuthenticationTokenAudience');
});
