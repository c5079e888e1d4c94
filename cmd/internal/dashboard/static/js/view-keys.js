// All keys, and one key.
import { h, link, short, fact, wide, number, plural } from './dom.js';
import { get } from './api.js';
import { when, age, ms, now, nanos } from './clock.js';
import { state, problem, meaning } from './words.js';
import { alertCard, firing, operationColumns } from './parts.js';
import { table, sorted, chunk } from './table.js';

const vaultOf = (k) => /^https:\/\/([^/]+)/.exec(k.id)?.[1] ?? '';

const columns = [
  { name: 'Key', key: 'name', value: (k) => k.name, cell: (k) => link(['keys', k.name], k.name) },
  { name: 'Vault', key: 'vault', value: vaultOf, class: 'short', cell: (k) => vaultOf(k).replace('.vault.azure.net', '') },
  { name: 'Version', cell: (k) => short(k.current.id) },
  { name: 'Age', key: 'age', class: 'num', value: (k) => now() - ms(k.current.created), cell: (k) => age(k.current.created) },
  { name: 'Schedule', key: 'schedule', class: 'short', value: (k) => k.schedule, cell: (k) => k.schedule && h('code', null, k.schedule) },
  { name: 'Next rotation', key: 'next', class: 'short', value: (k) => ms(k.next_rotation), cell: (k) => when(k.next_rotation) },
  { name: 'Last operation', key: 'last', class: 'short', value: (k) => k.last && ms(k.last.created), cell: last },
  { name: 'Problem', key: 'problem', class: 'wide', value: (k) => worst(k)?.code, cell: (k) => worst(k) && h('span', { class: 'word warn', title: worst(k).message }, worst(k).code, ': ', worst(k).message) },
];

function last(k) {
  return k.last ? [link(['operations', k.last.id], k.last.id), ' ', k.last.kind, ' ', state(k.last.state)] : null;
}

function worst(k) {
  return k.problem ?? k.last?.problem ?? k.preflight ?? null;
}

export function keys(_, query) {
  let all = [], shown = chunk;
  let filter = query.get('q') ?? '', sort = query.get('sort') ?? 'name', desc = query.get('desc') === 'true';

  function chosen() {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (k) => `${k.name} ${k.id} ${k.schedule ?? ''} ${k.last?.state ?? ''} ${worst(k)?.code ?? ''}`.toLowerCase();
    const rows = words.length ? all.filter((k) => words.every((w) => text(k).includes(w))) : all;
    return sorted(rows, columns, sort, desc);
  }

  return {
    title: 'Keys',
    stream: {},
    wants: (e) => Boolean(e.key) && e.type !== 'tracker-changed',
    async load() {
      all = await get('keys');
    },
    render() {
      const rows = chosen();
      return h('div', null,
        h('h1', { tabindex: -1 }, 'Keys'),
        h('div', { class: 'tools', role: 'search', 'aria-label': 'Keys' },
          h('label', { for: 'filter' }, 'Filter'),
          h('input', { id: 'filter', type: 'search', 'data-act': 'filter', value: filter, placeholder: 'name, vault, schedule, state, problem', autocomplete: 'off', spellcheck: 'false' }),
          h('span', { class: 'quiet', role: 'status' }, filter ? `${number(rows.length)} of ${plural(all.length, 'key')}` : plural(all.length, 'key'))),
        table({
          caption: 'Keys under management', columns, rows, rowKey: (k) => k.name, sort, desc, shown, unit: 'keys',
          empty: filter ? 'No key matches the filter.' : 'No key is configured.',
        }));
    },
    act(name, value) {
      if (name === 'filter') [filter, shown] = [value, chunk];
      if (name === 'more') shown += chunk;
      if (name === 'sort') [sort, desc, shown] = [value, value === sort && !desc, chunk];
      return { q: filter, sort: sort === 'name' && !desc ? '' : sort, desc };
    },
  };
}

export function key([name]) {
  let k = null, operations = [], alerts = [], attestations = [];
  return {
    title: `Key ${name}`,
    stream: { key: name },
    async load() {
      [k, operations, alerts, attestations] = await Promise.all([
        get('keys/' + encodeURIComponent(name)), get('operations', { key: name, limit: 50 }), get('alerts', { key: name }), get('attestations', { key: name }),
      ]);
    },
    render() {
      return h('div', null,
        h('h1', { tabindex: -1 }, 'Key ', k.name),
        alerts.filter(firing).map((a) => alertCard(a)),
        problem(k.problem, 'bad'),
        k.preflight && !k.operation ? h('div', null, h('p', null, 'This would stop the next rotation if it began now (checked ', when(k.preflight_at), '):'), problem(k.preflight)) : null,
        k.ahead?.length ? h('div', null, h('p', null, 'This may be in the way of the next rotation without stopping it (checked ', when(k.preflight_at), '):'), k.ahead.map((p) => problem(p, 'warn'))) : null,
        keyFacts(k),
        h('section', { 'aria-labelledby': 'h-deps' }, h('h2', { id: 'h-deps' }, 'Dependents'), table({
          caption: 'What the key protects', rows: k.dependents, rowKey: (d) => d.id, empty: 'No dependent is configured.', columns: dependentColumns,
        })),
        attestations.length ? h('section', { 'aria-labelledby': 'h-words' }, h('h2', { id: 'h-words' }, 'Attestations'), table({
          caption: 'What persons said of dependents that cannot be seen', rows: attestations, rowKey: (a) => a.id, empty: '', columns: attestationColumns,
        })) : null,
        h('section', { 'aria-labelledby': 'h-ops' }, h('h2', { id: 'h-ops' }, 'Operations'), table({
          caption: 'Operations of the key, newest first', rows: operations, rowKey: (op) => op.id, empty: 'There was no operation yet.', columns: operationColumns(false),
        }), operations.length === 50 ? h('p', null, link(['history'], 'Older ones', { key: k.name, before: operations.at(-1).id })) : null,
        h('p', null, link(['events'], 'Events of this key', { key: k.name }))));
    },
  };
}

function keyFacts(k) {
  return h('dl', { class: 'facts' },
    wide('Identifier', h('code', { class: 'id' }, k.id)),
    fact('Current version', k.current.id ? [h('code', { class: 'id' }, k.current.id), k.current.enabled ? '' : [' ', h('span', { class: 'word warn' }, 'disabled')]] : 'not read yet'),
    fact('Version made', when(k.current.created)),
    fact('Version expires', when(k.current.expires)),
    fact('Schedule', k.schedule ? h('code', null, k.schedule) : 'on demand only'),
    fact('Next rotation', when(k.next_rotation)),
    fact('Missed', when(k.missed)),
    fact('Previous version', { manual: 'retired by a person', auto: 'retired once nothing uses it', off: 'left enabled' }[k.retire]),
    fact('Left enabled', k.unretired?.length ? k.unretired.map((v) => [short(v), ' ']) : null),
    fact('Vault’s own policy', k.policy?.rotate ? `new version ${k.policy.rotate}` : '', k.policy?.expiry ? ` valid for ${k.policy.expiry}` : ''),
    fact('Vault read', when(k.seen)),
    fact('Under way', k.operation ? link(['operations', k.operation], k.operation) : ''));
}

const dependentColumns = [
  { name: 'Dependent', cell: (d) => d.name || d.id.slice(d.id.lastIndexOf('/') + 1) },
  { name: 'Kind', cell: (d) => d.kind },
  { name: 'Resource', class: 'id wide', cell: (d) => h('code', { class: 'id' }, d.id) },
  { name: 'Window', class: 'num', cell: (d) => (d.window ? nanos(d.window) : h('span', { class: 'quiet' }, 'of its kind')) },
  { name: 'Nudge', cell: (d) => d.nudge || 'never' },
  { name: 'Note', class: 'wide', cell: (d) => (d.excluded ? h('span', { title: meaning('excluded') }, 'excluded: ', d.excluded) : d.discovered ? 'found by a search, not configured' : d.recreate ? 'may be re-created' : null) },
];

const attestationColumns = [
  { name: 'Attestation', cell: (a) => a.id },
  { name: 'Dependent', class: 'id wide', cell: (a) => h('code', { class: 'id' }, a.dependent) },
  { name: 'Versions', cell: (a) => a.versions.map((v) => [short(v), ' ']) },
  { name: 'Not seen', class: 'wide', cell: (a) => a.blind_spots?.join(', ') },
  { name: 'By', cell: (a) => a.actor },
  { name: 'Reason', class: 'wide', cell: (a) => a.reason },
  { name: 'Counts', class: 'wide', cell: (a) => (a.void ? h('span', { class: 'word warn' }, 'no more: ', a.void.message) : ms(a.until) <= now() ? ['ended ', when(a.until)] : ['until ', when(a.until)]) },
];
