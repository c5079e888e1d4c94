// Makes Microsoft's clients, and notes what they send.
import {rejects} from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {ClientSecretCredential} from '@azure/identity';

export {until} from './bound.js';

// exchanges are the requests that were sent, retries included, with the answers.
export const exchanges = [];

const asked = new Map();
process.on('exit', () => writeFileSync('asked.json', JSON.stringify([...asked.values()])));

// note remembers which API version a package asked for.
export function note(name, api) {
  if (api) asked.set(`${name} ${api}`, [name, api]);
}

// watched are the options of a client of a package. Its operations are polled more
// often than it would by itself; what Retry-After says goes before.
export function watched(name, options = {}) {
  const policy = {
    name: 'watch',
    async sendRequest(request, next) {
      const sent = Date.now();
      const response = await next(request);
      const url = new URL(request.url);
      // The URL of an operation carries a version of the service's choice.
      if (!/\/operations?(Status|Results)?\//i.test(url.pathname)) note(name, url.searchParams.get('api-version') ?? /oauth2\/v[\d.]+/.exec(url.pathname)?.[0]);
      exchanges.push({
        name, sent, method: request.method, path: url.pathname, status: response.status,
        body: response.bodyAsText, headers: response.headers,
      });
      return response;
    },
  };
  return {...options, additionalPolicies: [{policy, position: 'perRetry'}]};
}

// credential logs in with the client of the environment, or another of the scenario.
export function credential({id = process.env.AZURE_CLIENT_ID, secret = process.env.AZURE_CLIENT_SECRET, tenant = process.env.AZURE_TENANT_ID} = {}) {
  return new ClientSecretCredential(tenant, id, secret, watched('@azure/identity'));
}

// refused holds that a call fails as Azure says it: with this status and code.
export async function refused(call, statusCode, code, message = /./) {
  let error;
  await rejects(async () => await call, e => { error = e; return true; });
  const got = {statusCode: error.statusCode, code: error.code};
  if (got.statusCode !== statusCode || got.code !== code || !message.test(error.message)) {
    throw new Error(`refused with ${JSON.stringify(got)}, want ${statusCode} ${code} ${message}`, {cause: error});
  }
  return error;
}

// all collects a list, and how many pages it came in.
export async function all(list) {
  const items = [];
  let pages = 0;
  for await (const page of list.byPage()) {
    pages++;
    items.push(...page);
  }
  return {items, pages};
}

// watchedSince returns what was sent while something happened.
export async function during(happens) {
  const from = exchanges.length;
  const result = await happens();
  return {result, sent: exchanges.slice(from)};
}
