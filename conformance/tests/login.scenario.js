import {estate} from './estate.js';

export const scenario = estate({
  description: 'Nothing but a vault and an account, to log in to',
  speed: 1,
  vaults: [{name: 'contoso-prod', resource_group: 'security', keys: [{name: 'payments'}]}],
  storage_accounts: [{name: 'contosopayments', resource_group: 'payments', containers: ['ledger']}],
});
