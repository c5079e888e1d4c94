// What states and evidence are called, and how they look. A look never stands alone:
// the word is always beside it. Green is for what the service itself confirmed.
import { h } from './dom.js';

const states = {
  // of dependents
  waiting: ['quiet', '·', 'not observed yet in this phase'],
  applying: ['busy', '→', 'is being told the new version'],
  propagating: ['busy', '→', 'observed, not there yet'],
  done: ['plain', '✓', 'there; the evidence says how that is known'],
  stalled: ['bad', '!', 'past its window; still observed'],
  'needs-action': ['warn', '!', 'a person must act on it'],
  unreachable: ['warn', '?', 'gone, or access to it is forbidden'],
  left: ['plain', '↗', 'names another key in so many words; nothing more is waited for'],
  excluded: ['quiet', '–', 'left out by the operator'],
  // of operations
  pending: ['busy', '·', 'checks before anything is changed'],
  creating: ['busy', '→', 'a new version is being made'],
  soaking: ['busy', '→', 'all are there; some time passes before the old version may go'],
  retiring: ['busy', '→', 'the old version may go once the guard agrees'],
  'awaiting-approval': ['warn', '!', 'requires the approver role; the requester cannot approve'],
  disabling: ['busy', '→', 'the versions are being disabled'],
  'taking-effect': ['busy', '→', 'access is being lost'],
  effective: ['plain', '■', 'the key is revoked'],
  enabling: ['busy', '→', 'the versions are being enabled'],
  recovering: ['busy', '→', 'access is coming back'],
  recovered: ['plain', '✓', 'access is back'],
  completed: ['plain', '✓', 'finished'],
  failed: ['bad', '×', 'ended without success'],
  cancelled: ['quiet', '–', 'ended by a person'],
};

// wordOf is a state as people write it.
export const wordOf = (name) => (name === 'needs-action' ? 'needs action' : name);

// state is the word for a state, with its mark.
export function state(name, note) {
  const [tone, mark, meaning] = states[name] ?? ['plain', '·', ''];
  return h('span', { class: 'word state ' + tone, title: meaning },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, mark), wordOf(name), note ? ', ' + note : '');
}

export const meaning = (name) => states[name]?.[2] ?? '';

const evidences = {
  confirmed: 'the service itself reports it',
  observed: 'the vault’s audit log shows the service using the version',
  inferred: 'the documented time has passed and nothing contradicts; nobody saw it',
  none: 'nothing was seen yet',
};

// evidence is the word for how something is known.
export function evidence(name) {
  const e = name || 'none';
  return h('span', { class: 'evidence ' + e, title: evidences[e] ?? '' },
    h('span', { class: 'swatch ' + e, 'aria-hidden': 'true' }), name || 'no evidence');
}

export const evidenceMeaning = (name) => evidences[name || 'none'];

// legend explains the looks of the bars.
export function legend() {
  const item = (look, word, text) => h('li', null, h('span', { class: 'swatch ' + look, 'aria-hidden': 'true' }), h('b', null, word), ' ', text);
  return h('details', { class: 'legend' }, h('summary', null, 'What the bars mean'),
    h('ul', null,
      item('running', 'propagating', 'the time that has passed of its window; the marks are when half and nine in ten are usually done'),
      item('confirmed', 'confirmed', evidences.confirmed),
      item('observed', 'observed', evidences.observed),
      item('inferred', 'inferred', evidences.inferred),
      item('stalled', 'stalled', states.stalled[2]),
      item('blocked', 'needs action, unreachable', 'a person must act on it, or grant access'),
      item('none', 'waiting', states.waiting[2])));
}

const severities = { critical: 'bad', warning: 'warn', info: 'busy' };

// severity is the word for how soon somebody has to look.
export function severity(name) {
  return h('span', { class: 'severity ' + (severities[name] ?? 'plain') }, name);
}

// order puts what needs somebody first.
export const order = ['stalled', 'needs-action', 'unreachable', 'applying', 'propagating', 'waiting', 'done', 'left', 'excluded'];

// needs reports whether an operation needs somebody.
export const needs = (op) => Boolean(op.needs_you);

// problem shows what is wrong and what to do.
export function problem(p, tone = 'warn') {
  if (!p) return null;
  return h('div', { class: 'problem ' + tone }, h('b', null, p.code || 'problem'), ' ', p.message,
    p.hint ? h('p', { class: 'hint' }, 'Next: ', p.hint) : null);
}
