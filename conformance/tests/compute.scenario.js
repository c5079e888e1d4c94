import {estate, hex} from './estate.js';
import {throttling} from './refusals.js';

const pace = {check: '20m', first_check: '20m', rewrap: '40m', deny_after: '5m', recover_after: '5m'};
export const following = {name: 'contoso-des', resource_group: 'compute', location: 'westeurope', key: 'contoso-prod/payments', auto_rotate: true, disks: 2, tags: {owner: 'platform'}, pace};
export const pinned = {name: 'contoso-pinned', resource_group: 'compute', key: 'contoso-prod/payments', version: hex(1), pace};

export const scenario = estate({
  description: 'Disk encryption sets with disks and a machine',
  speed: 600, page_size: 3, operations: {duration: '10m', retry_after: '0.5s'},
  vaults: [{name: 'contoso-prod', resource_group: 'security', purge_protection: true, keys: [
    {name: 'payments', versions: [{id: hex(1), age: '90d'}, {id: hex(2), age: '1d'}]},
    {name: 'machines', versions: [{id: hex(5), age: '1d'}]}, {name: 'rotating', versions: [{id: hex(6), age: '1d'}]},
  ]}],
  disk_encryption_sets: [
    following, pinned,
    {name: 'contoso-broken', resource_group: 'compute', key: 'contoso-prod/payments', auto_rotate: true, pace},
    {name: 'contoso-rotating', resource_group: 'compute', key: 'contoso-prod/rotating', auto_rotate: true, disks: 1, pace},
    {name: 'contoso-vms', resource_group: 'compute', key: 'contoso-prod/machines', auto_rotate: true, pace},
    {name: 'contoso-busy', resource_group: 'compute', key: 'contoso-prod/payments', pace}, {name: 'throttled', resource_group: 'compute', key: 'contoso-prod/payments', pace},
    {name: 'doomed', resource_group: 'compute', key: 'contoso-prod/payments', pace},
    {name: 'crowd-{n}', count: 7, resource_group: 'crowd', key: 'contoso-prod/payments', pace},
    {name: 'contoso-wide', resource_group: 'wide', key: 'contoso-prod/payments', disks: 7, pace},
  ],
  disks: [{name: 'plain', resource_group: 'compute'}],
  virtual_machines: [{name: 'contoso-vm', resource_group: 'compute', disk_encryption_set: 'contoso-vms', data_disks: ['contoso-vm-data'], stop_after: '2m'}],
  faults: [throttling],
  events: [{at: '0s', do: 'auto-rotation-error', resource: 'contoso-broken', code: 'ManagedServiceIdentityNotFound', message: 'The identity was not found.'}],
});
