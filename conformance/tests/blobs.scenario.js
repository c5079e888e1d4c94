import {estate, hex} from './estate.js';

export const scenario = estate({
  description: 'The blobs of accounts whose key is revoked',
  speed: 600,
  vaults: [{name: 'contoso-prod', resource_group: 'security', purge_protection: true, keys: [
    {name: 'payments', versions: [{id: hex(1), age: '1d'}]}, {name: 'doomed', versions: [{id: hex(2), age: '1d'}]},
  ]}],
  storage_accounts: [
    {name: 'contosopayments', resource_group: 'payments', key: 'contoso-prod/payments', containers: ['ledger', 'archive'], pace: {deny_after: '5m', recover_after: '5m'}},
    {name: 'contosodoomed', resource_group: 'payments', key: 'contoso-prod/doomed', containers: ['ledger'], pace: {deny_after: '5m', recover_after: '5m'}},
    {name: 'contosoplain', resource_group: 'payments', containers: ['ledger']},
  ],
});
