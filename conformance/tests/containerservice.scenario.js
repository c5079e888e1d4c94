import {estate, hex} from './estate.js';
import {throttling} from './refusals.js';

export const aks = {
  name: 'contoso-aks', resource_group: 'compute', location: 'westeurope', disk_encryption_set: 'contoso-des',
  kms_key: 'contoso-prod/payments', kms_version: hex(1), tags: {owner: 'platform'},
};

export const scenario = estate({
  description: 'Managed clusters with a disk encryption set and a key for etcd',
  speed: 600, page_size: 3, operations: {duration: '10m', retry_after: '0.5s'},
  vaults: [{name: 'contoso-prod', resource_group: 'security', purge_protection: true, keys: [{name: 'payments', versions: [{id: hex(1), age: '90d'}, {id: hex(2), age: '1d'}]}]}],
  disk_encryption_sets: [{name: 'contoso-des', resource_group: 'compute', key: 'contoso-prod/payments', auto_rotate: true}],
  managed_clusters: [
    aks, {name: 'contoso-plain', resource_group: 'compute'}, {...aks, name: 'contoso-repinned'}, {...aks, name: 'contoso-busy'},
    {...aks, name: 'throttled'}, {...aks, name: 'doomed'}, {...aks, name: 'tagged'},
    {name: 'crowd-{n}', count: 7, resource_group: 'crowd', disk_encryption_set: 'contoso-des'},
  ],
  faults: [throttling],
});
