// Making elements, and changing those on the page into what they should be. A text
// is always a text: nothing here makes markup of data.

// h makes an element. Of props, `style` holds custom properties, which the content
// security policy allows only this way; null and false leave an attribute out.
export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'style') for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else el.setAttribute(name, value === true ? '' : value);
  }
  add(el, children);
  return el;
}

function add(el, children) {
  for (const c of children) {
    if (c === null || c === undefined || c === false || c === '') continue;
    if (Array.isArray(c)) add(el, c);
    else el.append(c instanceof Node ? c : document.createTextNode(String(c)));
  }
}

const keyOf = (node) => node.dataset?.key;

const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

// morph makes the children of `to` like those of `from`. Elements stay where they
// can, so that focus, scrolling, open disclosures and typed text stay too.
export function morph(to, from) {
  const focus = document.activeElement;
  children(to, from);
  if (focus && focus !== document.activeElement && focus.isConnected && to.contains(focus)) focus.focus({ preventScroll: true });
}

function children(to, from) {
  const keyed = new Map();
  for (const c of to.childNodes) if (keyOf(c)) keyed.set(keyOf(c), c);
  let at = to.firstChild;
  for (const want of [...from.childNodes]) {
    const have = keyOf(want) ? keyed.get(keyOf(want)) : at;
    if (have && alike(have, want)) {
      if (have === at) at = at.nextSibling;
      else to.insertBefore(have, at);
      change(have, want);
    } else if (at && !keyOf(at) && !keyOf(want)) {
      const next = at.nextSibling;
      to.replaceChild(want, at);
      at = next;
    } else {
      to.insertBefore(want, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function change(to, from) {
  if (to.nodeType !== Node.ELEMENT_NODE) {
    if (to.data !== from.data) to.data = from.data;
    return;
  }
  for (const { name } of [...to.attributes]) {
    if (name !== 'style' && name !== 'open' && !from.hasAttribute(name)) to.removeAttribute(name);
  }
  for (const { name, value } of from.attributes) {
    if (name !== 'style' && name !== 'open' && to.getAttribute(name) !== value) to.setAttribute(name, value);
  }
  if (to.style.cssText !== from.style.cssText) to.style.cssText = from.style.cssText;
  children(to, from);
}

// plural counts things: "1 dependent", "3 dependents".
export const plural = (n, one, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;

const digits = new Intl.NumberFormat('en');

// number writes a count with separators.
export const number = (n) => digits.format(n);

// link leads to a page of the dashboard. Each part is escaped.
export function link(parts, text, query, props) {
  return h('a', { href: address(parts, query), ...props }, text);
}

// address returns the hash that stands for a page.
export function address(parts, query = {}) {
  const given = Object.entries(query).filter(([, v]) => v !== '' && v !== null && v !== undefined && v !== false);
  const search = new URLSearchParams(given).toString();
  return '#/' + parts.map(encodeURIComponent).join('/') + (search ? '?' + search : '');
}

// command shows what to type, with a button that copies it.
export function command(text) {
  return h('span', { class: 'command' }, h('code', null, text),
    h('button', { type: 'button', class: 'small', 'data-copy': text, 'aria-label': 'Copy: ' + text }, 'Copy'));
}

// prose turns what stands in backquotes into code, with a button where it is a command.
export function prose(text) {
  return text.split('`').map((part, i) => {
    if (i % 2 === 0) return part;
    return /^(cmkd|systemctl|journalctl|az|openssl) /.test(part) ? command(part) : h('code', null, part);
  });
}

// fact is a row of a list of facts; nothing if there is no value.
export function fact(name, ...value) {
  const given = value.flat(3).filter((v) => v !== null && v !== undefined && v !== '' && v !== false);
  return given.length ? h('div', null, h('dt', null, name), h('dd', null, given)) : null;
}

// wide is a fact that takes the whole width.
export function wide(name, ...value) {
  const row = fact(name, ...value);
  row?.classList.add('wide');
  return row;
}

// short is the beginning of a version, with all of it in the title.
export function short(version) {
  return version ? h('code', { title: version, class: 'version' }, version.slice(0, 8)) : null;
}
