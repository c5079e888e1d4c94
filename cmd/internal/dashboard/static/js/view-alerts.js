// Alerts, and what to do about each.
import { h, link, plural, prose } from './dom.js';
import { get, optional } from './api.js';
import { when, ms, now } from './clock.js';
import { severity } from './words.js';
import { alertCard, firing, receiverColumns } from './parts.js';
import { table } from './table.js';

export function alerts() {
  let all = [], silences = [], receivers = [];
  return {
    title: 'Alerts',
    stream: {},
    wants: (e) => ['alert-firing', 'alert-resolved', 'silenced', 'silence-ended'].includes(e.type),
    async load() {
      [all, silences, receivers] = await Promise.all([get('alerts'), optional('silences', []), optional('receivers', [])]);
    },
    render() {
      const on = all.filter((a) => firing(a) && !a.silence), quiet = all.filter((a) => firing(a) && a.silence), over = all.filter((a) => !firing(a));
      const valid = silences.filter((s) => ms(s.until) > now());
      return h('div', null,
        h('h1', { tabindex: -1 }, 'Alerts'),
        section('Firing', on, 'No alert is firing.'),
        section('Silenced', quiet, 'No firing alert is silenced.'),
        section('Resolved, not told to everybody yet', over, 'Nobody waits to be told of an end.'),
        h('section', { 'aria-labelledby': 'h-sil' }, h('h2', { id: 'h-sil' }, 'Silences'), table({
          caption: 'Silences in force', rows: valid, rowKey: (s) => s.id, empty: 'Nothing is silenced.', columns: silenceColumns,
        })),
        h('section', { 'aria-labelledby': 'h-rec' }, h('h2', { id: 'h-rec' }, 'Receivers'), table({
          caption: 'Who is told', rows: receivers, rowKey: (r) => r.name, empty: 'No receiver is configured.', columns: receiverColumns,
        })),
        h('p', null, link(['runbook'], 'Runbook of all rules')));
    },
    said() {
      return all.map((a) => [a.id, `${firing(a) ? '' : 'over: '}${a.summary}`]);
    },
  };
}

function section(title, list, empty) {
  const id = 'h-' + title.slice(0, 4);
  return h('section', { 'aria-labelledby': id, 'data-key': id }, h('h2', { id }, title, list.length ? ` (${list.length})` : ''),
    list.length ? list.map((a) => alertCard(a, true)) : h('p', { class: 'empty' }, empty));
}

const silenceColumns = [
  { name: 'Silence', cell: (s) => s.id },
  { name: 'Holds back', class: 'wide', cell: (s) => [s.alert && `alert ${s.alert}`, s.rule && `rule ${s.rule}`, s.key && `key ${s.key}`].filter(Boolean).join(', ') },
  { name: 'By', cell: (s) => s.actor },
  { name: 'Reason', class: 'wide', cell: (s) => s.reason },
  { name: 'Started', cell: (s) => when(s.created) },
  { name: 'Until', cell: (s) => when(s.until) },
];

export function runbook([rule]) {
  let rules = [];
  return {
    title: rule ? `Runbook: ${rule}` : 'Runbook',
    stream: null,
    async load() {
      rules = await get('rules');
    },
    render() {
      const some = rule ? rules.filter((r) => r.rule === rule) : rules;
      return h('div', { class: 'prose' },
        h('h1', { tabindex: -1 }, rule ? some[0]?.title ?? `There is no rule ${rule}` : 'Runbook'),
        h('p', null, rule ? link(['runbook'], 'All rules') : plural(rules.length, 'rule'), '; ', link(['alerts'], 'Alerts')),
        some.map((r) => section2(r, !rule)));
    },
  };
}

function section2(r, titled) {
  return h('section', { 'data-key': r.rule, 'aria-label': r.title },
    titled ? h('h2', null, link(['runbook', r.rule], r.title)) : null,
    h('p', { class: 'meta' }, severity(r.severity), h('code', null, r.rule)),
    h('p', null, prose(r.meaning)),
    h('h3', null, 'Likely causes'), h('ul', null, r.causes.map((c) => h('li', null, prose(c)))),
    h('h3', null, 'What to do'), h('ol', null, r.steps.map((s) => h('li', null, prose(s)))),
    h('h3', null, 'Ends by itself'), h('p', null, prose(r.resolves)));
}
