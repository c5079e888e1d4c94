// Tables: sorted by a column, filtered by a text, and drawn a chunk at a time. Roles
// are spelled out because narrow screens show rows as cards, which takes roles away.
import { h, number } from './dom.js';

export const chunk = 200;

// table draws rows. A column has a name, a cell(row) that makes its content and, if it
// can be sorted by, a key and a value(row). shown is how many rows at most; titled shows
// the caption, where no heading says the same.
export function table({ caption, columns, rows, rowKey, sort, desc, shown = rows.length, empty, unit = 'rows', titled = false }) {
  if (!rows.length) return h('p', { class: 'empty' }, empty);
  const some = rows.slice(0, shown);
  return h('div', { class: 'tablebox' },
    h('table', { role: 'table' },
      h('caption', { class: titled ? null : 'unseen' }, caption),
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((c) => head(c, sort, desc)))),
      h('tbody', { role: 'rowgroup' }, some.map((row) => h('tr', { role: 'row', 'data-key': rowKey(row) },
        columns.map((c, i) => cell(c, row, i))))),
    ),
    rows.length > some.length ? more(`Show more ${unit}`, `${number(some.length)} of ${number(rows.length)} are shown`) : null);
}

// more is the button that asks for the next chunk; it presses itself when it comes
// into view.
export function more(text, note) {
  return h('p', { class: 'more', 'data-key': 'more' }, h('button', { type: 'button', 'data-act': 'more', 'data-auto': '' }, text), ' ', h('span', { class: 'quiet' }, note));
}

function head(c, sort, desc) {
  const sorted = c.key && c.key === sort;
  const mark = sorted ? (desc ? ' ↓' : ' ↑') : '';
  return h('th', {
    role: 'columnheader', scope: 'col', class: c.class,
    'aria-sort': c.key ? (sorted ? (desc ? 'descending' : 'ascending') : 'none') : null,
  }, c.key ? h('button', { type: 'button', class: 'sort', 'data-act': 'sort', 'data-value': c.key }, c.name, h('span', { 'aria-hidden': 'true' }, mark)) : c.name);
}

function cell(c, row, i) {
  const content = c.cell(row);
  const blank = content === null || content === undefined || content === '';
  const props = { class: [c.class, blank ? 'blank' : ''].filter(Boolean).join(' ') || null, 'data-label': c.name };
  return i === 0 ? h('th', { ...props, scope: 'row', role: 'rowheader' }, content) : h('td', { ...props, role: 'cell' }, content);
}

// sorted returns rows in the order of a column; what has no value comes last.
export function sorted(rows, columns, sort, desc) {
  const value = columns.find((c) => c.key === sort)?.value;
  if (!value) return rows;
  const way = desc ? -1 : 1;
  const none = (x) => x === null || x === undefined || x === '' || Number.isNaN(x);
  const made = rows.map((row) => [value(row), row]);
  made.sort(([a], [b]) => {
    if (none(a) || none(b)) return none(a) - none(b);
    return way * (typeof a === 'string' ? collator.compare(a, b) : a - b);
  });
  return made.map(([, row]) => row);
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
