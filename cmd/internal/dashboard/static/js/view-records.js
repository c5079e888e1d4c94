// What was: operations, events, and how long changes took.
import { h, link, number } from './dom.js';
import { get } from './api.js';
import { nanos, span } from './clock.js';
import { operationColumns, eventColumns } from './parts.js';
import { table, more, chunk } from './table.js';

const page = 50;

export function history(_, query) {
  const key = query.get('key') ?? '', before = query.get('before') ?? '';
  let operations = [];
  return {
    title: 'History',
    stream: before ? null : key ? { key } : {},
    wants: (e) => ['operation-created', 'state-changed'].includes(e.type),
    async load() {
      operations = await get('operations', { key, before, limit: page });
    },
    render() {
      return h('div', null,
        h('h1', { tabindex: -1 }, 'History'),
        key ? h('p', null, 'Of key ', link(['keys', key], key), '. ', link(['history'], 'Show all keys')) : null,
        table({
          caption: 'Operations, newest first', rows: operations, rowKey: (op) => op.id, columns: operationColumns(true),
          empty: before ? 'There are no older operations.' : 'There was no operation yet.',
        }),
        h('nav', { class: 'pager', 'aria-label': 'Older and newer operations' },
          before ? link(['history'], 'Newest', { key }) : null,
          operations.length === page ? link(['history'], 'Older', { key, before: operations.at(-1).id }) : null));
    },
  };
}

export function events(_, query) {
  const key = query.get('key') ?? '', operation = query.get('operation') ?? '';
  let list = [], limit = chunk, paused = false, missed = 0;
  const stream = { ...(key && { key }), ...(operation && { operation }) };
  return {
    title: 'Events',
    stream,
    wants: () => false, // they are in the stream itself
    async load() {
      list = await get('events', { ...stream, last: true, limit });
    },
    heard(e) {
      if (list.at(-1)?.seq >= e.seq) return false;
      if (paused) {
        missed++;
        return true;
      }
      list = [...list, e].slice(-limit);
      return true;
    },
    render() {
      return h('div', null,
        h('h1', { tabindex: -1 }, 'Events'),
        h('form', { class: 'tools', role: 'search', 'aria-label': 'Events', 'data-act': 'search' },
          h('label', { for: 'by-key' }, 'Key'), h('input', { id: 'by-key', name: 'key', value: key, autocomplete: 'off', spellcheck: 'false' }),
          h('label', { for: 'by-op' }, 'Operation'), h('input', { id: 'by-op', name: 'operation', value: operation, placeholder: 'op-17', autocomplete: 'off', spellcheck: 'false' }),
          h('button', { type: 'submit' }, 'Show'),
          h('button', { type: 'button', 'data-act': 'pause', 'aria-pressed': String(paused) }, paused ? `Paused, ${number(missed)} new` : 'Pause'),
          h('span', { class: 'quiet', role: 'status' }, paused ? 'New events are held back.' : 'New events come in at the top.')),
        table({
          caption: 'The audit trail, newest first', rows: [...list].reverse(), rowKey: (e) => 'e' + e.seq, columns: eventColumns(true),
          empty: 'There is no such event.',
        }),
        list.length >= limit && limit < 10_000 ? more('Show older events', '') : null);
    },
    act(name, value) {
      if (name === 'pause') {
        paused = !paused;
        missed = 0;
        return paused ? null : 'load';
      }
      if (name === 'search') return { go: ['events'], query: value };
      if (name !== 'more') return null;
      limit = Math.min(limit + chunk, 10_000);
      return 'load';
    },
  };
}

export function timings() {
  let rows = [];
  return {
    title: 'Timings',
    stream: null,
    async load() {
      rows = await get('timings');
    },
    render() {
      return h('div', null,
        h('h1', { tabindex: -1 }, 'Timings'),
        h('p', null, 'How long dependents took to follow a change, from what was seen of them; what was only inferred does not count. Expected times come from here.'),
        table({
          caption: 'Learned times by kind, region and change', rows, rowKey: (t) => `${t.kind}/${t.region ?? ''}/${t.change}`,
          empty: 'Nothing was learned yet: no dependent was seen to follow a change.', columns: timingColumns,
        }));
    },
  };
}

const timingColumns = [
  { name: 'Kind', cell: (t) => t.kind },
  { name: 'Region', cell: (t) => t.region || 'unknown' },
  { name: 'Change', cell: (t) => t.change },
  { name: 'Seen', class: 'num', cell: (t) => number(t.count) },
  { name: 'Half within', class: 'num', cell: (t) => nanos(t.p50) },
  { name: '9 of 10 within', class: 'num', cell: (t) => nanos(t.p90) },
  { name: '99 of 100 within', class: 'num', cell: (t) => nanos(t.p99) },
  { name: 'Longest', class: 'num', cell: (t) => nanos(t.max) },
  { name: 'Against its window', class: 'wide', cell: spread },
  { name: 'Window', class: 'num', cell: (t) => nanos(t.documented) },
  { name: 'Suggested', class: 'num', cell: (t) => nanos(t.suggested) || h('span', { class: 'quiet' }, 'too few seen') },
];

// spread draws where half, nine of ten and the slowest lie within the window.
function spread(t) {
  const end = Math.max(t.documented || 0, t.max || 0);
  if (!t.count || !end) return null;
  const at = (ns) => (ns / end).toFixed(4);
  return h('div', {
    class: 'spread', role: 'img', style: { '--p50': at(t.p50), '--p90': at(t.p90), '--max': at(t.max), '--end': at(t.documented || end) },
    'aria-label': `half within ${span(t.p50 / 1e6)}, nine of ten within ${span(t.p90 / 1e6)}, of a window of ${span(t.documented / 1e6)}`,
  }, h('span', { class: 'box' }), h('span', { class: 'tick half' }), h('span', { class: 'tick most' }), h('span', { class: 'tick end' }));
}
