import {estate, hex, scope} from './estate.js';
import {throttling} from './refusals.js';

export const payments = {
  name: 'contosopayments', resource_group: 'payments', location: 'westeurope', key: 'contoso-prod/payments', tags: {owner: 'payments team'},
  containers: ['ledger'],
};
export const pinned = {name: 'contosopinned', resource_group: 'payments', location: 'northeurope', key: 'contoso-prod/payments', version: hex(1)};

export const scenario = estate({
  description: 'Storage accounts under a key with two versions',
  speed: 600, page_size: 3, operations: {duration: '10m', retry_after: '0.5s'},
  vaults: [{name: 'contoso-prod', resource_group: 'security', purge_protection: true, keys: [
    {name: 'payments', versions: [{id: hex(1), age: '90d'}, {id: hex(2), age: '1d', expires: '365d'}]},
    {name: 'other', versions: [{id: hex(7), age: '5d'}]},
  ]}],
  storage_accounts: [
    payments, pinned,
    {name: 'contosoplain', resource_group: 'payments'},
    {name: 'throttled', resource_group: 'payments'},
    {name: 'elsewhere', resource_group: 'archive'},
    {name: 'crowd{n}', count: 7, resource_group: 'crowd', key: 'contoso-prod/payments'},
    {name: 'doomed', resource_group: 'payments'},
  ],
  faults: [throttling],
});
export const identity = `${scope('security')}/Microsoft.ManagedIdentity/userAssignedIdentities/storage-cmk`;
