// Shapes and functions through the gatekeeper: options for Electric's client and so for collections of TanStack DB.
// origin: where the gatekeeper is. signedIn: the headers that say who asks, values or functions that give them; in a browser
// with the cookie of a login session there are none. wanted: { shape, session_id, thread_id, owner }, as far as they apply.

// When so much of a token's life is left, the next one is fetched.
const RESERVE = 0.2;

// The shape by its name. The gatekeeper asks Postgres at each request whether who asks may have it.
export function shapeByName(origin, { shape, session_id, ...more }, signedIn = {}) {
  return {
    url: `${origin}/v1/sessions/${encodeURIComponent(session_id)}/shapes/${shape}`,
    params: more,
    headers: signedIn,
  };
}

// The shape by tokens of a few minutes, which say what Postgres answered. They are fetched before they end, one at a time.
export async function shapeByToken(origin, wanted, signedIn = {}) {
  let held;
  const fetchToken = async (mine) => {
    const asked = performance.now();
    const response = await post(`${origin}/v1/shape-tokens`, wanted, signedIn);
    const told = await response.json();
    // By the gatekeeper's clock, for the reader's can be wrong.
    const lives = 1000 * told.expires_at - Date.parse(response.headers.get('date'));
    mine.freshUntil = asked + lives * (1 - RESERVE);
    return told;
  };
  const current = () => {
    if (!held || performance.now() > held.freshUntil) {
      const mine = held = { freshUntil: Infinity };
      mine.told = fetchToken(mine).catch((error) => {
        if (held === mine) held = undefined;
        throw error;
      });
    }
    return held.told;
  };
  const { url, params } = await current();
  return {
    url,
    params,
    // Never a part of the URL, which names the shape in caches, the client's own among them.
    headers: { authorization: async () => `Bearer ${(await current()).token}` },
    onError: (error) => {
      // What is refused stays refused: a shape that is not for them, a token for who is not signed in any more.
      if (error.isFinal || [400, 403, 404].includes(error.status)) return undefined;
      // This token is known no more, or there was no way to the next one: again, after a pause that the client makes.
      held = undefined;
      return {};
    },
  };
}

// Calls a function of schema api; what it returned.
export async function callFunction(origin, name, given, signedIn = {}) {
  return (await post(`${origin}/rpc/${name}`, given, signedIn)).json();
}

async function post(url, body, signedIn) {
  const headers = { 'content-type': 'application/json' };
  for (const [name, value] of Object.entries(signedIn)) {
    headers[name] = typeof value === 'function' ? await value() : value;
  }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (response.ok) return response;
  const { error } = await response.json();
  const isFinal = response.status < 500 && response.status !== 429;
  throw Object.assign(new Error(error.message), error, { status: response.status, isFinal });
}
