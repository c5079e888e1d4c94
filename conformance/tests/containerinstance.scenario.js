import {estate, hex} from './estate.js';
import {throttling} from './refusals.js';

export const batch = {
  name: 'contoso-batch', resource_group: 'batch', location: 'westeurope', key: 'contoso-prod/payments', version: hex(1),
  image: 'mcr.microsoft.com/azuredocs/aci-helloworld:latest', tags: {owner: 'batch team'},
};

export const scenario = estate({
  description: 'Container groups, pinned to a version',
  speed: 600, page_size: 3, operations: {duration: '10m', retry_after: '0.5s'},
  vaults: [{name: 'contoso-prod', resource_group: 'security', purge_protection: true, keys: [
    {name: 'payments', versions: [{id: hex(1), age: '90d'}, {id: hex(2), age: '1d'}, {id: hex(3), age: '1h', disabled: true}]},
  ]}],
  container_groups: [
    batch, {name: 'contoso-plain', resource_group: 'batch'}, {...batch, name: 'contoso-repinned'}, {...batch, name: 'contoso-busy'},
    {...batch, name: 'throttled'}, {...batch, name: 'doomed'},
    {name: 'crowd-{n}', count: 7, resource_group: 'crowd', key: 'contoso-prod/payments', version: hex(2)},
  ],
  faults: [throttling],
});
