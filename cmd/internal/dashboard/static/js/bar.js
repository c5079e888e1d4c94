// The bars: of one dependent against its window, and of an operation over all of its
// dependents.
import { h, plural, number } from './dom.js';
import { ms, now, relative, span, absolute } from './clock.js';
import { order, evidenceMeaning, meaning, wordOf } from './words.js';

// lookOf names how a dependent's bar looks.
export function lookOf(t) {
  switch (t.state) {
    case 'done': return t.evidence || 'none';
    case 'stalled': return 'stalled';
    case 'needs-action':
    case 'unreachable': return 'blocked';
    case 'excluded':
    case 'left': return t.state;
    case 'waiting': return 'none';
    default: return 'running';
  }
}

// shareOf is how much of its window a dependent has used, from 0 to 1. Only what is
// done is full.
function shareOf(look, start, end) {
  if (['confirmed', 'observed', 'inferred', 'stalled', 'blocked', 'left', 'excluded'].includes(look)) return 1;
  if (look !== 'running' || !(end > start)) return 0;
  return Math.min(Math.max((now() - start) / (end - start), 0), 0.99);
}

// dependentBar is the bar of one dependent. Its facts are on the element, so that it
// moves between looks without being made anew.
export function dependentBar(t) {
  const look = lookOf(t), end = ms(t.deadline), start = end - t.window / 1e6;
  const at = (iso) => (ms(iso) > start && ms(iso) < end ? (ms(iso) - start) / (end - start) : NaN);
  const marks = look === 'running' ? [['half', at(t.expected)], ['most', at(t.latest)]].filter(([, x]) => !Number.isNaN(x)) : [];
  const el = h('div', {
    class: 'bar ' + look, role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100,
    'aria-label': `${t.detail.dependent.kind} ${nameOf(t)}`,
    'data-bar': look, 'data-start': start || '', 'data-end': end || '', 'data-state': t.state, 'data-evidence': t.evidence ?? '',
    'data-expected': ms(t.expected) || '',
  }, h('span', { class: 'fill' }), marks.map(([kind, x]) => h('span', { class: 'tick ' + kind, style: { '--at': x.toFixed(4) } })));
  move(el);
  return el;
}

// nameOf is what people call a dependent.
export function nameOf(t) {
  const d = t.detail.dependent;
  return d.name || d.id.slice(d.id.lastIndexOf('/') + 1);
}

function move(el) {
  const { bar, start, end, state, evidence, expected } = el.dataset;
  const share = shareOf(bar, Number(start), end ? Number(end) : NaN);
  el.style.setProperty('--share', share.toFixed(4));
  const percent = Math.round(share * 100);
  el.setAttribute('aria-valuenow', ['blocked', 'left', 'excluded'].includes(bar) ? 0 : percent);
  el.setAttribute('aria-valuetext', words(bar, state, evidence, percent, Number(end), Number(expected)));
}

function words(bar, state, evidence, percent, end, expected) {
  if (state === 'done') return `done, ${evidence || 'no evidence'}: ${evidenceMeaning(evidence)}`;
  if (bar === 'stalled' && end) return `stalled, ${span(now() - end)} past its window`;
  if (bar !== 'running') return `${wordOf(state)}: ${meaning(state)}`;
  const eta = expected ? `, expected ${absolute(expected)}, ${relative(expected)}` : '';
  return `${state}, ${percent} % of its window has passed${eta}`;
}

// tickBars moves the bars within an element.
export function tickBars(root) {
  for (const el of root.querySelectorAll('[data-bar]')) move(el);
}

// filling is the order within the bar of an operation: it fills from the left.
const filling = ['done', 'left', 'propagating', 'applying', 'waiting', 'unreachable', 'needs-action', 'stalled', 'excluded'];

// operationBar is the bar of an operation: how many of its dependents are where. It
// does not tell evidence, so what is done is not green.
export function operationBar(op) {
  const counts = op.trackers ?? {};
  const total = order.reduce((n, s) => n + (counts[s] ?? 0), 0);
  if (!total) return null;
  const there = filling.filter((s) => counts[s]);
  const done = (counts.done ?? 0) + (counts.left ?? 0) + (counts.excluded ?? 0);
  return h('div', {
    class: 'bar parts', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': total, 'aria-valuenow': done,
    'aria-label': `${op.id} ${op.kind} of ${op.key}`, 'aria-valuetext': countWords(op),
  }, there.map((s) => h('span', { class: 'part ' + s, style: { '--n': counts[s] } })));
}

// countWords says how many dependents are where, what needs somebody first.
export function countWords(op) {
  const counts = op.trackers ?? {};
  const total = order.reduce((n, s) => n + (counts[s] ?? 0), 0);
  if (!total) return 'no dependents';
  const some = order.filter((s) => counts[s]).map((s) => `${number(counts[s])} ${wordOf(s)}`);
  return `${some.join(', ')} of ${plural(total, 'dependent')}`;
}
