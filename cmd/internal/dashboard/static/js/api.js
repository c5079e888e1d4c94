// Reading the API.

// Unauthorized: the daemon wants a token.
export class Unauthorized extends Error {}

// Refused: the daemon answered with an error.
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `the daemon answered with status ${status}`);
    this.status = status;
    this.hint = error?.hint ?? '';
  }
}

// Unreachable: no answer of the daemon came.
export class Unreachable extends Error {}

const patience = 20_000;

async function ask(url, options) {
  try {
    return await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(patience), ...options });
  } catch (e) {
    throw new Unreachable(e.message);
  }
}

// get reads /v1/path.
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, v]) => v !== '' && v !== undefined && v !== null);
  const search = given.length ? '?' + new URLSearchParams(given) : '';
  const r = await ask('/v1/' + path + search, { headers: { Accept: 'application/json' } });
  if (r.status === 401) throw new Unauthorized();
  if (!r.ok) throw new Refused(r.status, (await r.json().catch(() => null))?.error);
  try {
    return await r.json();
  } catch (e) {
    throw new Unreachable(e.message); // it broke off
  }
}

// optional reads what a daemon may not be able to tell.
export async function optional(path, otherwise) {
  try {
    return await get(path);
  } catch (e) {
    if (e instanceof Refused) return otherwise;
    throw e;
  }
}

// login shows the token; it returns why it is not taken, or ''.
export async function login(token) {
  const r = await ask('/login', { method: 'POST', body: new URLSearchParams({ token }) });
  if (r.ok) return '';
  const error = (await r.json().catch(() => null))?.error;
  return error?.message ?? `the daemon answered with status ${r.status}`;
}
