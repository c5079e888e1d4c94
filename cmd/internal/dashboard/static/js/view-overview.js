// The first page: what needs somebody, what is under way, what comes next.
import { h, link, number, plural } from './dom.js';
import { get, optional } from './api.js';
import { when, ms } from './clock.js';
import { needs } from './words.js';
import { alertCard, operationCard, firing, receiverColumns } from './parts.js';
import { table } from './table.js';

const most = 50; // operations drawn
const upcoming = 8;

export function overview() {
  let alerts = [], operations = [], keys = [], receivers = [];
  let keysAt = -Infinity, keysCost = 0;

  // loadKeys reads the keys, at most as often as their number allows.
  async function loadKeys() {
    if (performance.now() - keysAt < Math.max(5000, 20 * keysCost)) return;
    keysAt = performance.now();
    keys = await get('keys');
    keysCost = performance.now() - keysAt;
  }

  return {
    title: 'Overview',
    stream: {},
    async load() {
      [alerts, operations, receivers] = await Promise.all([
        get('alerts'), get('operations', { live: true, limit: 1000 }), optional('receivers', []), loadKeys(),
      ]);
    },
    render(summary) {
      const now = alerts.filter((a) => firing(a) && !a.silence);
      const live = [...operations].sort(urgent);
      return h('div', null,
        h('h1', { tabindex: -1 }, 'Overview'),
        h('p', { class: 'verdict', 'data-key': 'verdict' }, verdict(now, live)),
        section('Needs you', 'alerts', now.length ? now.map((a) => alertCard(a)) : h('p', { class: 'empty' }, 'Nothing needs anybody.'), silenced(alerts)),
        section('Under way', 'live', live.length ? live.slice(0, most).map(operationCard) : h('p', { class: 'empty' }, 'No operation is under way.'),
          live.length > most ? h('p', null, link(['history'], `and ${number(live.length - most)} more`)) : null),
        section('Comes next', 'next', next(keys)),
        section('The daemon', 'daemon', daemon(summary, receivers)));
    },
    said() {
      return alerts.filter(firing).map((a) => [a.id, a.summary]);
    },
  };
}

// urgent orders operations: what needs somebody first, a revocation in effect last.
function urgent(a, b) {
  const rank = (op) => (needs(op) ? (op.trackers?.stalled ? 0 : 1) : op.state === 'effective' ? 3 : 2);
  return rank(a) - rank(b) || ms(b.created) - ms(a.created);
}

function verdict(alerts, live) {
  const critical = alerts.filter((a) => a.severity === 'critical').length;
  const moving = live.filter((op) => op.state !== 'effective').length;
  const flight = moving ? `${plural(moving, 'operation')} under way` : 'nothing under way';
  if (!alerts.length) return `All is well, ${flight}.`;
  return `${plural(alerts.length, 'alert')}${critical ? `, ${number(critical)} critical` : ''}; ${flight}.`;
}

function silenced(alerts) {
  const n = alerts.filter((a) => firing(a) && a.silence).length;
  return n ? h('p', { class: 'quiet' }, link(['alerts'], plural(n, 'silenced alert')), ' not shown here.') : null;
}

const section = (title, id, ...content) => h('section', { 'data-key': id, 'aria-labelledby': 'h-' + id }, h('h2', { id: 'h-' + id }, title), content);

function next(keys) {
  const rows = keys.filter((k) => !Number.isNaN(ms(k.next_rotation)))
    .sort((a, b) => ms(a.next_rotation) - ms(b.next_rotation)).slice(0, upcoming);
  return table({
    caption: 'The next scheduled rotations', rows, rowKey: (k) => k.name, empty: 'No key has a schedule.',
    columns: [
      { name: 'Key', cell: (k) => link(['keys', k.name], k.name) },
      { name: 'Rotation', cell: (k) => when(k.next_rotation) },
      { name: 'Schedule', cell: (k) => k.schedule && h('code', null, k.schedule) },
      { name: 'Dependents', class: 'num', cell: (k) => number(k.dependents.length) },
      { name: 'In its way', class: 'wide', cell: (k) => k.preflight && h('span', { class: 'word warn' }, `${k.preflight.code}: ${k.preflight.message}`) },
    ],
  });
}

function daemon(summary, receivers) {
  return h('div', null,
    h('dl', { class: 'facts' },
      h('div', null, h('dt', null, 'Version'), h('dd', null, summary.version || 'unknown')),
      h('div', null, h('dt', null, 'Keys'), h('dd', null, number(summary.keys))),
      h('div', null, h('dt', null, 'Dependents observed'), h('dd', null, number(Object.values(summary.trackers ?? {}).reduce((a, b) => a + b, 0)))),
      h('div', null, h('dt', null, 'Store'), h('dd', null, summary.blocked ? h('span', { class: 'word bad' }, 'blocked: ' + summary.blocked) : 'takes changes'))),
    receivers.length ? table({ caption: 'Receivers of alerts', titled: true, rows: receivers, rowKey: (r) => r.name, columns: receiverColumns, empty: '' })
      : h('p', { class: 'empty' }, 'No receiver of alerts is configured.'));
}
