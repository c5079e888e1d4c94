// Following events as the daemon commits them.

const silence = 45_000; // three missed signs of life

// Stream follows the events that a query selects, and connects again by itself until
// it is closed. heard gets each event, changed the state: live, lost or login.
export class Stream {
  constructor(query, { heard, changed }) {
    this.query = query;
    this.heard = heard;
    this.changed = changed;
    this.after = null;
    this.closing = new AbortController();
    this.run();
  }

  close() {
    this.closing.abort();
    this.again?.();
  }

  // now ends the wait before the next attempt.
  now() {
    this.again?.();
  }

  async run() {
    let wait = 1000;
    while (!this.closing.signal.aborted) {
      try {
        if (!(await this.follow())) return;
        wait = 1000; // it was connected
      } catch {
        // what went wrong is that the daemon cannot be reached
      }
      if (this.closing.signal.aborted) return;
      this.changed('lost');
      await new Promise((resolve) => {
        this.again = resolve;
        setTimeout(resolve, wait);
      });
      wait = Math.min(wait * 2, 15_000);
    }
  }

  // follow reads until the stream ends; false if it cannot be had.
  async follow() {
    const from = this.after === null ? { last: true, limit: 1 } : { after: this.after };
    const attempt = new AbortController();
    const signal = AbortSignal.any([this.closing.signal, attempt.signal]);
    let timer = setTimeout(() => attempt.abort(), silence);
    try {
      const r = await fetch('/v1/events?' + new URLSearchParams({ ...this.query, ...from }), {
        headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal,
      });
      if (r.status === 401) {
        this.changed('login');
        return false;
      }
      if (!r.ok) throw new Error(`status ${r.status}`);
      this.changed('live');
      const first = this.after === null;
      let rest = '';
      for await (const chunk of chunks(r.body.pipeThrough(new TextDecoderStream()))) {
        clearTimeout(timer);
        timer = setTimeout(() => attempt.abort(), silence);
        const parts = (rest + chunk).split('\n\n');
        rest = parts.pop();
        for (const part of parts) this.take(part, first);
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }

  take(text) {
    const data = text.split('\n').filter((l) => l.startsWith('data: ')).map((l) => l.slice(6)).join('\n');
    if (!data) return;
    const event = JSON.parse(data);
    const known = this.after === null; // the newest one there was at the beginning
    this.after = event.seq;
    if (!known) this.heard(event);
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
