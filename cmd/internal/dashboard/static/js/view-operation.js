// One operation: where it stands, and one bar for each dependent.
import { h, link, short, fact, wide, number, plural } from './dom.js';
import { get } from './api.js';
import { when, rel, stamp, nanos, given } from './clock.js';
import { state, evidence, evidenceMeaning, legend, problem, wordOf } from './words.js';
import { dependentBar, nameOf, countWords, operationBar } from './bar.js';
import { table, more, chunk } from './table.js';
import { alertCard, firing, eventColumns } from './parts.js';

const phases = {
  rotation: ['pending', 'creating', 'propagating', 'soaking', 'retiring', 'probation', 'completed'],
  revocation: ['awaiting-approval', 'disabling', 'taking-effect', 'effective'],
  reinstatement: ['enabling', 'recovering', 'recovered'],
};
const newest = 300; // events drawn

export function operation([id]) {
  let op = null, events = [], alerts = [], limit = chunk;
  return {
    title: `Operation ${id}`,
    stream: { operation: id },
    async load() {
      const path = 'operations/' + encodeURIComponent(id);
      [op, events, alerts] = await Promise.all([get(path, { limit }), get('events', { operation: id, last: true, limit: newest }), get('alerts')]);
    },
    render() {
      return h('div', null,
        h('h1', { tabindex: -1 }, `${op.id} `, op.kind, ' of ', link(['keys', op.key], op.key)),
        h('p', { class: 'verdict' }, state(op.state), ' since ', when(op.since), op.waiting ? h('span', { class: 'waiting' }, op.waiting.text) : null),
        steps(op, events),
        alerts.filter((a) => a.operation === op.id && firing(a)).map((a) => alertCard(a)),
        problem(op.problem, op.state === 'failed' ? 'bad' : 'warn'),
        op.held ? h('div', null, h('h2', null, 'The old version is held back'), problem(op.held)) : null,
        blockers(op),
        h('div', { class: 'columns' }, dependents(op), facts(op)),
        timeline(op, events));
    },
    act(name) {
      if (name !== 'more') return null;
      limit += chunk;
      return 'load';
    },
    said() {
      return op.dependents.map((t) => [t.number, `${t.detail.dependent.kind} ${nameOf(t)}: ${wordOf(t.state)}${t.evidence ? ', ' + t.evidence : ''}`])
        .concat([['op', `${op.id}: ${op.state}`]]);
    },
  };
}

// steps shows the phases with the time at which each began, as the events tell.
function steps(op, events) {
  const entered = { [events.find((e) => e.type === 'operation-created')?.data?.state ?? '']: op.created };
  for (const e of events) if (e.type === 'state-changed' && e.data) entered[e.data.to] = e.at;
  const list = [...(phases[op.kind] ?? [])].filter((s) => s !== 'awaiting-approval' || entered[s] || op.state === s);
  if (!list.includes(op.state)) list.push(op.state);
  const current = list.indexOf(op.state);
  return h('ol', { class: 'steps', 'aria-label': 'Phases' }, list.map((s, i) => {
    const over = i < current, skipped = over && !entered[s] && i > 0 && s !== 'pending';
    return h('li', { class: (i === current ? 'current ' + s : over ? (skipped ? 'skipped' : 'over') : 'ahead'), 'aria-current': i === current ? 'step' : null },
      h('span', null, s), h('small', null, entered[s] ? stamp(entered[s]) : i === 0 ? stamp(op.created) : i === current ? stamp(op.since) : skipped ? 'no time known' : ' '));
  }));
}

function blockers(op) {
  if (!op.blockers?.length) return null;
  return h('details', { class: 'blockers' }, h('summary', null, `What speaks against retiring the old version: ${plural(op.blockers.length, 'objection')}`),
    h('ul', null, op.blockers.map((b) => h('li', null, h('b', null, b.check), ' ', b.message, b.hint ? h('p', { class: 'hint' }, 'Next: ', b.hint) : null))));
}

function facts(op) {
  const cause = { schedule: 'the schedule', operator: 'a person', vault: 'a version made by someone else was found' }[op.cause] ?? op.cause;
  return h('aside', { class: 'side', 'aria-labelledby': 'h-facts' }, h('h2', { id: 'h-facts' }, 'Operation'), h('dl', { class: 'facts one' },
    fact('Cause', cause),
    fact('Asked by', op.actor),
    fact('Reason', op.reason),
    fact('Started', when(op.created)),
    fact('Finished', when(op.finished)),
    fact('Goes on', when(op.wake)),
    fact('Approved by', (op.approvals ?? []).map((a) => [a.actor, ' ', rel(a.at), a.reason ? ` (${a.reason}) ` : ' '])),
    fact('New version', given(op.target?.created) ? [short(op.target.id), ' made ', rel(op.target.created), op.adopted ? ' by someone else' : ''] : ''),
    fact('Previous', (op.previous ?? []).map((v) => [short(v), op.retired?.includes(v) ? ' disabled ' : ' '])),
    fact('Previous version is', { manual: 'retired by a person', auto: 'retired once nothing uses it', off: 'left enabled' }[op.retire]),
    fact('Retirement asked by', op.retirer),
    fact('All were there', when(op.settled)),
    fact('Searched for others', when(op.searched)),
    fact('Nobody listed', op.unlisted ? number(op.unlisted) : ''),
    fact('Not checked', unchecked(op)),
    fact('Versions', (op.versions ?? []).map((v) => [short(v), op.changed?.includes(v) ? ' changed ' : ' '])),
    fact('In effect', when(op.effect)),
    fact('Undoes', op.revocation ? link(['operations', op.revocation], op.revocation) : ''),
    fact('Cancelled by', op.cancelled_by)));
}

// unchecked names what a search for dependents that nobody listed could not look at.
function unchecked(op) {
  const i = op.inventory ?? {};
  if (i.off) return 'everything: discover is off';
  const list = (i.unchecked ?? []).map((u) => h('div', { title: u.problem.message }, u.kind ?? 'every kind', ' in ', u.subscription ?? 'subscriptions that could not be listed', ': ', u.problem.code));
  return i.more ? [...list, h('div', null, `and ${number(i.more)} more`)] : list;
}

function dependents(op) {
  const total = op.total ?? op.dependents.length;
  return h('section', { 'aria-labelledby': 'h-deps', class: 'dependents' },
    h('h2', { id: 'h-deps' }, 'Dependents'),
    h('div', { class: 'sum' }, operationBar(op), h('p', { class: 'meta' }, h('span', null, countWords(op)), known(op, total))),
    legend(),
    op.dependents.length ? h('ul', { class: 'bars' }, op.dependents.map(dependent)) : h('p', { class: 'empty' }, 'No dependent belongs to this operation.'),
    total > op.dependents.length ? more('Show more dependents', `${number(op.dependents.length)} of ${number(total)} are shown`) : null);
}

// known tells how the dependents that are done are known to be, if all were read.
function known(op, total) {
  if (op.dependents.length < total) return null;
  const done = op.dependents.filter((t) => t.state === 'done');
  const parts = ['confirmed', 'observed', 'inferred'].map((e) => [done.filter((t) => t.evidence === e).length, e]).filter(([n]) => n);
  return parts.length ? h('span', null, 'done: ', parts.map(([n, e]) => `${number(n)} ${e}`).join(', ')) : null;
}

function dependent(t) {
  const d = t.detail;
  return h('li', { class: 'dependent ' + t.state, 'data-key': 't' + t.number },
    h('div', { class: 'name' }, h('b', null, nameOf(t)), ' ', h('span', { class: 'kind' }, d.dependent.kind)),
    dependentBar(t),
    h('div', { class: 'is' }, state(t.state), t.state === 'done' ? evidence(t.evidence) : null, note(t)),
    d.blind?.length || t.attested ? h('p', { class: 'meta' }, h('span', null, 'Not seen: ', d.blind?.join(', ') || 'itself', '; ', t.attested ? ['attested by ', t.attested.actor, ' until ', stamp(t.attested.until), ` (${t.attested.id})`] : 'no attestation holds')) : null,
    d.problem && !['left', 'excluded'].includes(t.state) ? problem(d.problem, t.state === 'stalled' ? 'bad' : 'warn') : null,
    raw(t));
}

function note(t) {
  const d = t.detail;
  switch (t.state) {
    case 'done': return h('span', { class: 'quiet' }, given(d.done_at) ? ['at ', stamp(d.done_at)] : '');
    case 'left':
    case 'excluded': return h('span', { class: 'quiet' }, d.problem?.message ?? d.dependent.excluded);
    case 'stalled': return h('span', null, 'its window ended ', rel(t.deadline));
    case 'propagating':
    case 'applying':
      return h('span', { class: 'quiet' }, given(t.expected) ? ['expected ', rel(t.expected)] : null,
        given(t.latest) ? [', 9 of 10 by ', stamp(t.latest)] : null, given(t.deadline) ? [', window ends ', stamp(t.deadline)] : null);
    default: return h('span', { class: 'quiet' }, 'since ', rel(t.since));
  }
}

const bindings = { follows: 'without a version: it follows', pinned: 'with a version: it is told', fixed: 'with a version for good: it is re-created' };

// raw shows what the state rests on.
function raw(t) {
  const d = t.detail, o = d.last;
  const label = `Evidence for ${nameOf(t)}`;
  return h('details', { class: 'raw' },
    h('summary', { 'aria-label': label }, 'Evidence'),
    h('dl', { class: 'facts' },
      t.state === 'done' ? fact('Known because', evidenceMeaning(t.evidence)) : null,
      wide('Resource', h('code', { class: 'id' }, d.dependent.id)),
      fact('Region', d.region),
      fact('Names its key', bindings[d.binding] ?? d.binding),
      ...(d.via ?? []).map((via) => wide('Observed in its place', h('code', { class: 'id' }, via))),
      fact('Version before', short(d.before)),
      fact('Version seen', short(d.version)),
      fact('Update accepted', when(d.applied)),
      fact('Evidence since', when(d.done_at)),
      fact('Window', nanos(t.window)),
      fact('Observations', number(t.looks), t.failures ? `, the last ${number(t.failures)} failed` : ''),
      fact('Last observation', when(t.seen)),
      fact('Next observation', when(t.due))),
    o ? observed(o, nameOf(t)) : h('p', { class: 'empty' }, 'Nothing was seen of it yet.'));
}

function observed(o, name) {
  const rows = Object.entries(o.facts ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return h('div', null,
    h('dl', { class: 'facts' },
      fact('Seen at', when(o.at), ' by Azure’s clock'),
      fact('Updating', o.updating ? 'an update of its own is under way' : ''),
      fact('Access', o.access, o.access_code ? [' ', h('code', null, o.access_code)] : '', o.access_evidence ? [' ', evidence(o.access_evidence)] : '')),
    o.problem ? problem(o.problem) : null,
    ...(o.uses ?? []).map(use),
    o.blind_spots ? h('dl', { class: 'facts' }, ...o.blind_spots.map((b) => wide('Not seen', `${b.what}: ${b.why}`))) : null,
    table({
      caption: `What Azure said of ${name}`, titled: true, rows, rowKey: ([k]) => 'f-' + k, empty: 'The service told no property that matters.',
      columns: [{ name: 'Property', cell: ([k]) => h('code', { class: 'id' }, k) }, { name: 'Value', class: 'wide', cell: ([, v]) => h('code', { class: 'id' }, v) }],
    }));
}

// use shows one place where the dependent names a key.
function use(u) {
  return h('dl', { class: 'facts' },
    wide('Use', u.path && h('code', { class: 'id' }, u.path)),
    wide('Key in use', u.key && h('code', { class: 'id' }, u.key)),
    fact('Named', bindings[u.binding] ?? u.binding),
    fact('Version in use', short(u.version)),
    fact('Other versions held', (u.held ?? []).map((v) => [short(v.version), ' '])),
    fact('Switched at', when(u.rotated_at)));
}

function timeline(op, events) {
  return h('section', { 'aria-labelledby': 'h-time' }, h('h2', { id: 'h-time' }, 'Timeline'), table({
    caption: 'Events of the operation, newest first', rows: [...events].reverse(), rowKey: (e) => 'e' + e.seq,
    empty: 'Nothing happened yet.', columns: eventColumns(false),
  }), events.length >= newest ? h('p', null, link(['events'], 'All events of this operation', { operation: op.id })) : null);
}
