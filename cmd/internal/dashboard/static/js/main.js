// The page as a whole: which view is shown, when it is read again, and what stands
// around it.
import { h, morph, link, number } from './dom.js';
import { get, Unauthorized, Unreachable, Refused } from './api.js';
import { Stream } from './live.js';
import { setClock, now, absolute, tickTimes, zone } from './clock.js';
import { tickBars } from './bar.js';
import { askToken } from './login.js';
import { freeze } from './parts.js';
import { overview } from './view-overview.js';
import { keys, key } from './view-keys.js';
import { operation } from './view-operation.js';
import { history, events, timings } from './view-records.js';
import { alerts, runbook } from './view-alerts.js';

const pages = [['', 'Overview'], ['keys', 'Keys'], ['history', 'History'], ['events', 'Events'], ['alerts', 'Alerts'], ['timings', 'Timings']];
const poll = 15_000; // even if no event comes
const pause = 1000; // between two reads at least
const $ = (id) => document.getElementById(id);

let summary = null;
let show = null; // the view shown, with what runs for it
let connection = 'connecting';
let asking = false;
let asOf = 0; // the daemon's time of what is shown

// choose returns the view that a hash names.
function choose(hash) {
  const [path, search] = hash.replace(/^#\/?/, '').split('?');
  const [page, ...rest] = path.split('/').map(decoded);
  const query = new URLSearchParams(search);
  const views = { '': overview, keys: rest[0] ? key : keys, operations: operation, history, events, alerts, timings, runbook };
  return { page, view: (views[page] ?? unknown)(rest, query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unknown() {
  return {
    title: 'No such page', stream: null, async load() {},
    render: () => h('div', null, h('h1', { tabindex: -1 }, 'There is no such page'), h('p', null, link([], 'Overview'))),
  };
}

// open shows the view that the address names.
function open() {
  close();
  const { page, view } = choose(location.hash);
  show = { page, view, loading: false, dirty: false, cost: 0, drawn: false, said: null, timer: 0, stream: null };
  document.title = `${view.title} – cmkd`;
  drawFrame();
  if (!document.hidden) start(show);
  load(show);
}

function start(s) {
  s.timer = setInterval(() => load(s), poll);
  if (s.view.stream) s.stream = new Stream(s.view.stream, { heard: (e) => heard(s, e), changed: (state) => changed(s, state) });
}

function close() {
  if (!show) return;
  clearInterval(show.timer);
  clearTimeout(show.soon);
  show.stream?.close();
  show = null;
}

// heard takes an event: the view keeps it, or is read again.
function heard(s, e) {
  if (s !== show) return;
  if (s.view.heard?.(e)) soonDraw(s);
  if (s.view.wants ? s.view.wants(e) : true) soonLoad(s);
}

// soonLoad reads the view again, at most once a second and never most of the time.
function soonLoad(s) {
  if (s.soon) return;
  const wait = Math.max(pause, 10 * s.cost) - (performance.now() - (s.loaded ?? -Infinity));
  s.soon = setTimeout(() => {
    s.soon = 0;
    load(s);
  }, Math.max(wait, 0));
}

function soonDraw(s) {
  if (s.drawing) return;
  s.drawing = true;
  setTimeout(() => {
    s.drawing = false;
    if (s === show && s.drawn) draw(s);
  }, 250);
}

// changed takes the state of the stream.
function changed(s, state) {
  if (s !== show) return;
  if (state === 'login') return void ask();
  const back = connection === 'lost' && state === 'live';
  connection = state;
  drawFrame();
  if (back) load(s);
}

// load reads the summary and the view, and draws them.
async function load(s) {
  if (s !== show || asking) return;
  if (s.loading) {
    s.dirty = true;
    return;
  }
  s.loading = true;
  const began = performance.now();
  try {
    const [sum] = await Promise.all([get('summary').then((x) => {
      setClock(x, began);
      return x;
    }), s.view.load()]);
    if (s !== show) return;
    s.cost = performance.now() - began;
    s.loaded = performance.now();
    summary = sum;
    asOf = now();
    if (connection !== 'live' && (!s.stream || connection === 'connecting')) connection = 'live';
    draw(s);
  } catch (e) {
    if (s === show) failed(s, e);
  } finally {
    s.loading = false;
    if (s.dirty) {
      s.dirty = false;
      soonLoad(s);
    }
  }
}

function failed(s, e) {
  if (e instanceof Unauthorized) return void ask();
  if (e instanceof Refused) {
    connection = 'live';
    const box = h('div', null, h('h1', { tabindex: -1 }, s.view.title),
      h('div', { class: 'problem bad', role: 'alert' }, e.message, e.hint ? h('p', { class: 'hint' }, 'Next: ', e.hint) : null));
    if (s.drawn && e.status !== 404) say(`The daemon answered: ${e.message}`);
    else put(s, box);
  } else if (e instanceof Unreachable) {
    connection = 'lost';
    if (!s.stream) setTimeout(() => load(s), 5000);
  } else {
    throw e; // a mistake of this page belongs into the console
  }
  drawFrame();
}

async function ask() {
  if (asking) return;
  asking = true;
  show?.stream?.close();
  connection = 'login';
  drawFrame();
  await askToken($('main'));
  asking = false;
  connection = 'connecting';
  open();
}

function draw(s) {
  put(s, s.view.render(summary));
  drawFrame();
  announce(s);
}

function put(s, content) {
  const main = $('main');
  const first = !s.drawn;
  content.dataset.key = location.hash.split('?')[0] || '#/';
  morph(main, h('div', null, content));
  s.drawn = true;
  watchMore();
  if (first && opened++ > 0) {
    scrollTo(0, 0);
    main.querySelector('h1')?.focus({ preventScroll: true });
  }
}
let opened = 0;

// announce says what changed since the last time, for those who do not see it.
function announce(s) {
  if (!s.view.said) return;
  const was = s.said, is = new Map(s.view.said());
  s.said = is;
  if (!was) return;
  const news = [...is].filter(([id, text]) => was.get(id) !== text).map(([, text]) => text);
  if (news.length) say(news.length > 3 ? `${number(news.length)} changes, ${news[0]}` : news.join('. '));
}

function say(text) {
  $('said').textContent = text;
}

// drawFrame draws what stands around the view.
function drawFrame() {
  const count = Object.values(summary?.alerts ?? {}).reduce((a, b) => a + b, 0);
  const at = { operations: 'history', runbook: 'alerts' }[show?.page] ?? show?.page;
  morph($('nav'), h('ul', null, pages.map(([page, name]) => h('li', null, link(page ? [page] : [], [name, page === 'alerts' && count ? h('span', { class: 'count' }, number(count), h('span', { class: 'unseen' }, ' firing')) : ''],
    {}, { 'aria-current': page === at ? 'page' : null })))));
  const words = { live: 'live', lost: 'no connection', connecting: 'connecting', login: 'logged out' };
  morph($('state'), h('p', null, h('span', { class: 'dot is-' + connection, 'aria-hidden': 'true' }), words[connection], ' ', h('span', { id: 'clock', class: 'quiet' }, summary ? absolute(now()) : '')));
  morph($('banners'), h('div', null,
    connection === 'lost' ? h('p', { class: 'banner bad', 'data-key': 'lost' }, h('b', null, 'No connection to the daemon.'), summary ? ` What you see is as of ${absolute(asOf)}. ` : ' ', 'It is tried again by itself. ', h('button', { type: 'button', 'data-act': 'reconnect' }, 'Try now')) : null,
    summary?.simulated_clock ? h('p', { class: 'banner sim', 'data-key': 'sim' }, h('b', null, 'SIMULATED CLOCK '), summary.simulated_clock, '. Nothing here is real time.') : null,
    (summary?.freezes ?? []).map((f) => h('p', { class: 'banner bad', 'data-key': f.id }, h('b', null, 'Frozen: '), freeze(f))),
    summary?.blocked ? h('p', { class: 'banner bad', 'data-key': 'blocked' }, h('b', null, 'Nothing can be stored: '), summary.blocked) : null));
  morph($('foot'), h('footer', null, summary ? `cmkd ${summary.version}. ` : '', `Times are the daemon’s, in ${zone()}. `, 'This page changes nothing; the cmkd command does.'));
}

// Between two reads, times and bars move by the clock; without a connection they stand.
setInterval(() => {
  if (document.hidden || connection !== 'live' || !summary) return;
  tickTimes($('main'));
  tickBars($('main'));
  const clock = $('clock');
  if (clock) clock.textContent = absolute(now());
}, 1000);

// The button that shows more presses itself when it is scrolled to.
const seen = new IntersectionObserver((entries) => {
  for (const e of entries) if (e.isIntersecting && scrollY > 0) e.target.click();
}, { rootMargin: '400px' });
function watchMore() {
  seen.disconnect();
  for (const el of document.querySelectorAll('[data-auto]')) seen.observe(el);
}

function act(name, value) {
  if (name === 'reconnect') {
    show?.stream?.now();
    if (show) load(show);
    return;
  }
  const s = show, outcome = s?.view.act?.(name, value);
  if (outcome === 'load') load(s);
  else if (outcome?.go) location.hash = link(outcome.go, '', outcome.query).hash;
  else if (outcome) replaceQuery(outcome);
  if (s?.drawn && !outcome?.go) draw(s);
}

function replaceQuery(query) {
  const path = location.hash.split('?')[0] || '#/';
  const search = link([], '', query).hash.split('?')[1];
  window.history.replaceState(null, '', path + (search ? '?' + search : ''));
}

document.addEventListener('click', (e) => {
  const el = e.target.closest('[data-copy], button[data-act]');
  if (el?.dataset.copy) copy(el);
  else if (el) act(el.dataset.act, el.dataset.value);
});
document.addEventListener('input', (e) => {
  if (e.target.dataset.act) act(e.target.dataset.act, e.target.value);
});
document.addEventListener('submit', (e) => {
  if (!e.target.dataset.act) return;
  e.preventDefault();
  act(e.target.dataset.act, Object.fromEntries(new FormData(e.target)));
});

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
    say('Copied');
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 1500);
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    say('Selected; copy it with the keyboard');
  }
}

document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault(); // the hash is the address of the view
  $('main').focus();
  $('main').scrollIntoView();
});

// A page in the background holds no connection: browsers allow only a few.
document.addEventListener('visibilitychange', () => {
  if (!show || asking) return;
  if (document.hidden) {
    clearInterval(show.timer);
    show.stream?.close();
    show.stream = null;
    return;
  }
  start(show);
  load(show);
});

addEventListener('hashchange', open);
open();
