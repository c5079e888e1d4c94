// What all scenarios have in common.
export const subscription = '0a1b2c3d-0000-4000-8000-000000000001';
export const start = '2026-01-05T08:00:00Z';

// The clients that may log in. The environment names the first.
export const who = {
  admin: {id: '11111111-2222-3333-4444-555555555555', secret: 'conformance-secret', name: 'admin'},
  // May look, and nothing else.
  reader: {id: '22222222-2222-3333-4444-555555555555', secret: 'reader-secret', name: 'reader', roles: ['Reader', 'Key Vault Reader']},
  // May use keys but not look at them.
  user: {
    id: '33333333-2222-3333-4444-555555555555', secret: 'user-secret', name: 'user', roles: ['Key Vault Crypto Service Encryption User'],
    deny: [{action: 'Microsoft.KeyVault/vaults/keys/read'}],
  },
  // May nothing at all.
  stranger: {id: '44444444-2222-3333-4444-555555555555', secret: 'stranger-secret', name: 'stranger', deny: [{action: '*'}]},
};

// estate completes a scenario.
export const estate = more => ({
  start, seed: 5, tenant: '54826b22-38d6-4fb2-bad9-b7b93a3e9c5a', clients: Object.values(who),
  subscriptions: [{id: subscription, name: 'Contoso Production'}], ...more,
});

// ago and ahead are moments counted from the start of the scenario.
export const days = n => new Date(Date.parse(start) + n * 24 * 3600 * 1000);
export const hex = digit => String(digit).repeat(32).slice(0, 32);
export const scope = group => `/subscriptions/${subscription}/resourceGroups/${group}/providers`;
