import {estate, hex} from './estate.js';

// The keys, one for each story, so that none waits for another.
const stories = ['rotated', 'revoked', 'repinned'];

export const scenario = estate({
  description: 'A key and its dependents for each story of two clients at once',
  speed: 600, operations: {duration: '10s', retry_after: '1s'},
  vaults: [{name: 'contoso-prod', resource_group: 'security', purge_protection: true, keys: stories.map(name => ({name, versions: [{id: hex(1), age: '90d'}]}))}],
  storage_accounts: [
    {name: 'contosorotated', resource_group: 'payments', key: 'contoso-prod/rotated', pace: {check: '5m', first_check: '5m'}},
    {name: 'contosorevoked', resource_group: 'payments', key: 'contoso-prod/revoked', containers: ['ledger'], pace: {deny_after: '2m', recover_after: '2m'}},
    // Looks so seldom that a rotation is still under way when somebody pins it.
    {name: 'contosorepinned', resource_group: 'payments', key: 'contoso-prod/repinned', pace: {check: '24h', first_check: '24h'}},
  ],
  disk_encryption_sets: [{name: 'contoso-des', resource_group: 'compute', key: 'contoso-prod/rotated', auto_rotate: true, pace: {check: '5m', first_check: '5m'}}],
});
