import {estate, hex} from './estate.js';

export const vault = 'https://contoso-prod.vault.azure.net';
export const payments = {
  name: 'payments', type: 'RSA', size: 3072,
  versions: [
    {id: hex(1), age: '180d', tags: {era: 'first'}},
    {id: hex(2), age: '90d', disabled: true},
    {id: hex(3), age: '1d', expires: '365d', tags: {era: 'third', owner: 'payments team'}},
  ],
};
export const policied = {
  name: 'policied',
  rotation_policy: {rotate_after_create: 'P90D', notify_before_expiry: 'P30D', expiry_time: 'P2Y'},
};

export const scenario = estate({
  description: 'A vault of keys, one of them with many versions',
  speed: 10, // so that a deleted key settles within the second
  vaults: [
    {
      name: 'contoso-prod', resource_group: 'security', settle_after_delete: '3s', retention_days: 90,
      keys: [
        payments, policied,
        {name: 'many', versions: [{age: '60d', count: 58}, {age: '30d'}, {age: '1d'}]},
        {name: 'crowd-{n}', count: 30},
        {name: 'elliptic', type: 'EC', curve: 'P-384', versions: [{age: '2d'}]},
        {name: 'rotating', size: 4096, versions: [{age: '2d', tags: {era: 'first'}}], rotation_policy: {rotate_after_create: 'P90D', expiry_time: 'P100D'}},
        {name: 'switched'}, {name: 'tagged'}, {name: 'wrapping'}, {name: 'deleted'}, {name: 'purged'}, {name: 'stale', versions: [{age: '400d', expires: '-1d'}]},
        {name: 'throttled'}, {name: 'changing'},
      ],
    },
    {name: 'contoso-guarded', resource_group: 'security', purge_protection: true, keys: [{name: 'payments'}]},
    {name: 'contoso-hsm', hsm: true, resource_group: 'security', keys: [{name: 'payments', type: 'RSA-HSM', versions: [{age: '30d', count: 30}]}]},
  ],
  faults: [{name: 'busy', match: {operation: 'key-get', path: '/keys/throttled*'}, when: {count: 2}, do: 'throttle', retry_after: '1s'}],
});
