// until looks again and again whether something is reached and returns it, or
// fails after a number of seconds. It is the only way in which these tests wait.
export async function until(what, seconds, reached) {
  const limit = Date.now() + seconds * 1000;
  for (;;) {
    const got = await reached();
    if (got) return got;
    if (Date.now() > limit) throw new Error(`${seconds} s passed before: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}
