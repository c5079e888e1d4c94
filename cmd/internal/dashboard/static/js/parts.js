// Parts that several pages show.
import { h, link, command, number, plural } from './dom.js';
import { when, rel, ms, span, given, stamp } from './clock.js';
import { severity, state, problem } from './words.js';
import { operationBar, countWords } from './bar.js';

// firing reports whether an alert goes on.
export const firing = (a) => Number.isNaN(ms(a.ends));

// alertCard shows one alert; with more, also what it means and who was told.
export function alertCard(a, more) {
  return h('article', { class: 'card alert ' + (firing(a) ? a.severity : 'over'), 'data-key': a.id, 'aria-label': `${a.severity}: ${a.summary}` },
    h('header', null, severity(a.severity), h('h3', null, a.summary)),
    h('p', { class: 'meta' },
      h('span', null, 'since ', when(a.starts)),
      firing(a) ? null : h('span', null, 'over ', when(a.ends)),
      a.key ? h('span', null, 'key ', link(['keys', a.key], a.key)) : null,
      a.operation ? h('span', null, link(['operations', a.operation], a.operation)) : null,
      a.count ? h('span', null, plural(a.count, 'dependent'), ' affected') : null,
      a.silence ? h('span', null, 'silenced by ', a.silence) : null,
      h('span', null, link(['runbook', a.rule], `Runbook: ${a.title || a.rule}`))),
    more ? details(a) : null,
    a.hint ? h('p', { class: 'hint' }, 'Hint: ', a.hint) : null,
    a.next ? h('p', { class: 'next' }, 'Next: ', command(a.next)) : null);
}

function details(a) {
  return h('div', { class: 'details' },
    a.meaning ? h('p', null, a.meaning) : null,
    a.why ? h('p', null, a.why) : null,
    a.causes?.length ? h('div', null, h('h4', null, 'Likely causes'), h('ul', null, a.causes.map((c) => h('li', null, c)))) : null,
    a.affected?.length ? h('details', null, h('summary', null, 'Affected: ', plural(a.count || a.affected.length, 'dependent')),
      h('ul', null, a.affected.map((d) => h('li', null, h('b', null, d.name), ' ', d.kind, ' ', h('code', { class: 'id' }, d.id)))),
      a.count > a.affected.length ? h('p', { class: 'quiet' }, `and ${number(a.count - a.affected.length)} more`) : null) : null,
    told(a.told ?? {}));
}

function told(receivers) {
  const names = Object.keys(receivers).sort();
  if (!names.length) return null;
  return h('details', null, h('summary', null, 'Told: ', plural(names.length, 'receiver')), h('ul', null, names.map((n) => {
    const d = receivers[n];
    return h('li', null, h('b', null, n), ': ',
      d.fired ? ['told ', when(d.fired)] : 'not told yet',
      d.resolved ? ['; told that it is over ', when(d.resolved)] : null,
      d.problem ? h('span', { class: 'hint' }, ` ${plural(d.failures, 'failed attempt')}: ${d.problem}`) : null);
  })));
}

// freeze says what may not be changed now, and who said so.
export function freeze(f) {
  const subject = f.key_id ? ['key ', f.key ? link(['keys', f.key], f.key) : f.key_id] : f.vault ? 'vault ' + f.vault : 'everything';
  return [subject, f.scheduled ? ' that nobody asks for' : '', ', by ', f.actor, ' ', given(f.until) ? ['until ', when(f.until)] : 'until somebody ends it', ` (${f.id}): ${f.reason}. Revocations go on. `];
}

// operationCard shows one live operation.
export function operationCard(op) {
  return h('article', { class: 'card operation', 'data-key': op.id, 'aria-label': `${op.id} ${op.kind} of ${op.key}` },
    h('header', null,
      h('h3', null, link(['operations', op.id], `${op.id} ${op.kind}`), ' of ', link(['keys', op.key], op.key)),
      state(op.state), h('span', { class: 'quiet' }, 'began ', rel(op.created))),
    operationBar(op),
    h('p', { class: 'meta' }, h('span', null, countWords(op)), op.waiting ? h('span', null, op.waiting.text) : null),
    problem(op.problem));
}

// receiverColumns are those of the table of receivers.
export const receiverColumns = [
  { name: 'Receiver', cell: (r) => r.name },
  { name: 'Kind', cell: (r) => r.kind },
  { name: 'Not told yet', class: 'num', cell: (r) => plural(r.pending, 'alert') },
  { name: 'Last told', cell: (r) => when(r.last) ?? h('span', { class: 'quiet' }, 'not since the start') },
  { name: 'Problem', class: 'wide', cell: (r) => (r.problem ? h('span', { class: 'word bad' }, `${plural(r.failures, 'failed attempt')}: ${r.problem}`) : null) },
];

// operationColumns are those of a table of operations.
export const operationColumns = (withKey) => [
  { name: 'Operation', cell: (op) => link(['operations', op.id], op.id) },
  { name: 'Kind', cell: (op) => op.kind },
  ...(withKey ? [{ name: 'Key', cell: (op) => link(['keys', op.key], op.key) }] : []),
  { name: 'State', cell: (op) => state(op.state) },
  { name: 'Dependents', class: 'wide', cell: (op) => countWords(op) },
  { name: 'Cause', cell: (op) => (op.cause === 'operator' ? op.actor : op.cause) },
  { name: 'Started', cell: (op) => when(op.created) },
  { name: 'Took', class: 'num', cell: took },
  { name: 'Problem', class: 'wide', cell: (op) => op.problem && `${op.problem.code}: ${op.problem.message}` },
];

// took is how long an operation lasted, with the moment at which it ended.
function took(op) {
  if (!given(op.finished)) return null;
  const end = stamp(op.finished);
  end.title = `until ${end.textContent}`;
  end.textContent = span(ms(op.finished) - ms(op.created));
  return end;
}

// eventColumns are those of a table of events.
export const eventColumns = (withOperation) => [
  { name: 'Number', class: 'num', cell: (e) => e.seq },
  { name: 'Time', cell: (e) => when(e.at) },
  { name: 'Event', cell: (e) => h('code', null, e.type) },
  ...(withOperation ? [
    { name: 'Key', cell: (e) => e.key && link(['keys', e.key], e.key) },
    { name: 'Operation', cell: (e) => e.operation && link(['operations', e.operation], e.operation) },
  ] : []),
  { name: 'By', cell: (e) => e.actor },
  { name: 'What happened', class: 'wide', cell: (e) => (e.data?.reason ? `${e.message} (${e.data.reason})` : e.message) },
];
