import {estate, hex} from './estate.js';
import {throttling} from './refusals.js';

export const orders = {
  name: 'contoso-orders', resource_group: 'payments', location: 'westeurope', key: 'contoso-prod/payments', tags: {owner: 'orders team'},
  pace: {deny_after: '5m', recover_after: '5m'},
};

export const scenario = estate({
  description: 'Cosmos DB accounts under a key',
  speed: 600, page_size: 3, operations: {duration: '10m', retry_after: '0.5s'},
  vaults: [{name: 'contoso-prod', resource_group: 'security', purge_protection: true, keys: [
    {name: 'payments', versions: [{id: hex(1), age: '90d'}, {id: hex(2), age: '1d'}]}, {name: 'other'},
  ]}],
  cosmosdb_accounts: [
    orders, {...orders, name: 'contoso-busy', tags: {}}, {...orders, name: 'throttled', tags: {}},
    {...orders, name: 'contoso-updated', tags: {}}, {...orders, name: 'contoso-doomed', tags: {}},
    {name: 'contoso-plain', resource_group: 'payments'},
    {name: 'crowd-{n}', count: 7, resource_group: 'crowd', key: 'contoso-prod/other'},
  ],
  faults: [throttling],
});
