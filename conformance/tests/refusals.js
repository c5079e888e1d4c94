// What Azure Resource Manager refuses, the same for every kind of resource.
import {deepEqual, equal, ok} from 'node:assert/strict';
import {describe, test} from 'node:test';
import {credential, during, refused, watched} from '../clients.js';
import {who} from './estate.js';

// changing makes a policy that spoils requests on their way.
const changing = change => ({
  policy: {name: 'change', sendRequest: (request, next) => { change(request); return next(request); }}, position: 'perCall',
});

// withVersion asks for another API version than the package would.
export const withVersion = version => changing(request => {
  const url = new URL(request.url);
  url.searchParams.set('api-version', version);
  request.url = url.href;
});

const malformed = changing(request => { if (request.body) request.body = '{"location": '; });

// refusals declares the tests. A kind says how to reach it:
//   name                  the package
//   open(as, options)     a client
//   get, put(client, group, name, body)   update(client, group, name), list(client, group)
//   body(change)          what a PUT of a new one needs
//   group, present        one that the scenario has; throttled is another
//   type                  of resource
//   busy                  status and code of a write during an operation
export function refusals(kind) {
  const open = (as, options) => kind.open(credential(as), watched(kind.name, options));
  // Not watched: it asks for API versions that the package would not.
  const withPolicy = policy => kind.open(credential(), {additionalPolicies: [policy]});
  const admin = open(who.admin);

  describe('refuse', () => {
    test('a resource that is not there is 404 ResourceNotFound', async () => {
      const error = await refused(kind.get(admin, kind.group, 'nothing'), 404, 'ResourceNotFound', /was not found/);
      equal(error.name, 'RestError');
      ok(error.message.includes(`${kind.type}/nothing`), error.message);
    });
    test('a change of a resource that is not there is 404 ResourceNotFound', () =>
      refused(kind.update(admin, kind.group, 'nothing'), 404, 'ResourceNotFound'));
    test('a resource group that is not there is 404 ResourceGroupNotFound', async () => {
      await refused(kind.get(admin, 'nowhere', kind.present), 404, 'ResourceGroupNotFound', /'nowhere' could not be found/);
      await refused(kind.put(admin, 'nowhere', 'newcomer', kind.body()), 404, 'ResourceGroupNotFound');
      await refused(kind.list(admin, 'nowhere').next(), 404, 'ResourceGroupNotFound');
    });
    test('whoever may not look gets 403 AuthorizationFailed', async () => {
      const error = await refused(kind.get(open(who.stranger), kind.group, kind.present), 403, 'AuthorizationFailed');
      ok(error.message.includes(`'${kind.type}/read'`) && error.message.includes(who.stranger.id), error.message);
    });
    test('whoever may only look gets 403 AuthorizationFailed for a change', async () => {
      equal((await kind.get(open(who.reader), kind.group, kind.present)).name, kind.present);
      const error = await refused(kind.put(open(who.reader), kind.group, 'newcomer', kind.body()), 403, 'AuthorizationFailed');
      ok(error.message.includes(`'${kind.type}/write'`), error.message);
      await refused(kind.get(admin, kind.group, 'newcomer'), 404, 'ResourceNotFound');
    });
    test('an API version that is none is 400 InvalidApiVersionParameter', () =>
      refused(kind.get(withPolicy(withVersion('latest')), kind.group, kind.present), 400, 'InvalidApiVersionParameter'));
    test('an API version that the provider does not have is 400 NoRegisteredProviderFound', () =>
      refused(kind.get(withPolicy(withVersion('2001-01-01')), kind.group, kind.present), 400, 'NoRegisteredProviderFound', /2001-01-01/));
    test('a body without a location is 400 LocationRequired', () =>
      refused(kind.put(admin, kind.group, 'newcomer', kind.body({location: ''})), 400, 'LocationRequired'));
    test('a body that is no JSON is 400 InvalidRequestContent', () =>
      refused(kind.put(withPolicy(malformed), kind.group, 'newcomer', kind.body()), 400, 'InvalidRequestContent'));
    test('a throttled request is 429 with Retry-After, and the client waits as long', async () => {
      const error = await refused(kind.get(open(who.admin, {retryOptions: {maxRetries: 0}}), kind.group, kind.throttled), 429, 'SubscriptionRequestsThrottled');
      equal(error.response.headers.get('retry-after'), '1');
      const {result, sent} = await during(() => kind.get(admin, kind.group, kind.throttled));
      equal(result.name, kind.throttled);
      const tries = sent.filter(e => e.path.endsWith(`/${kind.throttled}`));
      deepEqual(tries.map(e => e.status), [429, 200]);
      ok(tries[1].sent - tries[0].sent >= 950, 'the second try came after a second');
    });
    if (kind.busy) {
      test(`a write during another is ${kind.busy.join(' ')}`, async () => {
        const same = await kind.get(admin, kind.group, kind.contended);
        const writes = await Promise.allSettled([1, 2].map(() => kind.put(admin, kind.group, kind.contended, same)));
        deepEqual(writes.map(w => w.status).sort(), ['fulfilled', 'rejected']);
        await refused(Promise.reject(writes.find(w => w.status === 'rejected').reason), ...kind.busy);
      });
    }
  });
}

// throttling are the faults that a scenario needs for this.
export const throttling = {name: 'busy', match: {method: 'GET', path: '*/throttled'}, when: {count: 2}, do: 'throttle', retry_after: '1s'};
