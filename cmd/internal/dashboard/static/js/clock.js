// Time is the daemon's, which may be simulated and run at another pace.
import { h } from './dom.js';

let daemon = Date.now(); // the daemon's time at the moment `read`
let read = performance.now();
let rate = 1;

// setClock takes the daemon's time from a summary that was asked for at `began`, by
// performance.now(), and has just arrived.
export function setClock(summary, began) {
  daemon = Date.parse(summary.now);
  read = (began + performance.now()) / 2;
  rate = Number(/^×([\d.e+]+)/.exec(summary.simulated_clock ?? '')?.[1] ?? 1);
}

// now is the daemon's time, in milliseconds.
export const now = () => daemon + (performance.now() - read) * rate;

const zero = '0001-01-01T00:00:00Z';

// given reports whether a time is one.
export const given = (iso) => Boolean(iso) && iso !== zero;

// ms reads a time; NaN if there is none.
export const ms = (iso) => (given(iso) ? Date.parse(iso) : NaN);

const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];

// span writes a duration in at most two units, the smaller one only where it matters:
// hours have minutes, days and minutes have it while they are few.
export function span(milliseconds) {
  let s = Math.round(Math.abs(milliseconds) / 1000);
  const i = units.findIndex(([, size]) => s >= size);
  if (i < 0) return '0 s';
  const [unit, size] = units[i];
  const n = Math.floor(s / size);
  s -= n * size;
  const next = units[i + 1];
  const rest = next ? Math.floor(s / next[1]) : 0;
  return rest && (n < 10 || unit === 'h') ? `${n} ${unit} ${rest} ${next[0]}` : `${n} ${unit}`;
}

// nanos writes a duration of the API.
export const nanos = (ns) => (ns ? span(ns / 1e6) : '');

// relative writes a time as seen from now.
export function relative(at) {
  const d = at - now();
  if (Math.abs(d) < 1000) return 'now';
  return d > 0 ? 'in ' + span(d) : span(d) + ' ago';
}

const two = (n) => String(n).padStart(2, '0');

// absolute writes a time in the reader's zone; the date where it is another day, and
// the seconds where they may matter: today, and in what was lately.
export function absolute(at, withDate) {
  const d = new Date(at), today = new Date(now());
  const minutes = `${two(d.getHours())}:${two(d.getMinutes())}`, seconds = `:${two(d.getSeconds())}`;
  if (!withDate && d.toDateString() === today.toDateString()) return minutes + seconds;
  const lately = at <= now() && at > now() - 7 * 86400e3;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${minutes}` + (withDate || lately ? seconds : '');
}

// zone names the reader's time zone.
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

// rel is a time as seen from now; it moves.
export function rel(iso) {
  if (!given(iso)) return null;
  return h('time', { datetime: iso, title: `${absolute(ms(iso), true)} (${iso})`, 'data-rel': '' }, relative(ms(iso)));
}

// when is a time in the reader's zone and as seen from now.
export function when(iso) {
  if (!given(iso)) return null;
  return h('span', { class: 'when' }, stamp(iso), ' ', h('span', { class: 'quiet' }, '(', rel(iso), ')'));
}

// stamp is a time in the reader's zone.
export function stamp(iso) {
  return given(iso) ? h('time', { datetime: iso, title: iso }, absolute(ms(iso))) : null;
}

// age is how long ago a time is; it moves.
export function age(iso) {
  if (!given(iso)) return null;
  return h('time', { datetime: iso, title: `${absolute(ms(iso), true)} (${iso})`, 'data-age': '' }, span(now() - ms(iso)));
}

// tickTimes moves the times within an element.
export function tickTimes(root) {
  for (const el of root.querySelectorAll('time[data-rel]')) set(el, relative(Date.parse(el.dateTime)));
  for (const el of root.querySelectorAll('time[data-age]')) set(el, span(now() - Date.parse(el.dateTime)));
}

function set(el, text) {
  if (el.textContent !== text) el.textContent = text;
}
