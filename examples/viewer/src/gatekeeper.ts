// The gatekeeper over HTTP: questions, functions of schema api, and shapes by token.
// It is of the page's own origin, so the cookie of the login session goes along by itself.
import type { ShapeStreamOptions } from '@electric-sql/client';

// What the gatekeeper, or Postgres behind it, said no to. message is a sentence for people.
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
  ) {
    super(message);
  }
}

const isBusy = (status: number) => status === 429 || status >= 500;

// The same question may be answered later: nobody was reached, or who was is too busy.
export const mayPass = (error: unknown) => !(error instanceof Refusal) || isBusy(error.status);

// What to tell a person.
export function sentence(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  return 'The server can’t be reached. Is this device online?';
}

// Asks, and gives the answer if it is a good one. Throws a Refusal, or fetch's TypeError where nobody answers.
export async function ask(path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(path, init);
  if (response.ok) return response;
  // What stands between here and the gatekeeper answers in forms of its own.
  const body = (await response.json().catch(() => undefined)) as { error?: { code?: string; message?: string } } | undefined;
  const { code = 'unknown', message = `The server answers ${response.status}.` } = body?.error ?? {};
  throw new Refusal(message, response.status, code);
}

const post = (path: string, body: object) =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

// Calls a function of schema api; what it returned.
export async function call<Answer>(name: string, given: object): Promise<Answer> {
  return (await post(`/rpc/${name}`, given)).json() as Promise<Answer>;
}

// The same, again and again until it is through or refused: for calls that may be made twice.
export async function callUntilDone<Answer>(name: string, given: object): Promise<Answer> {
  return untilDone(() => call<Answer>(name, given));
}

async function untilDone<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let pause = 250; ; pause = Math.min(2 * pause, 4000)) {
    try {
      return await work();
    } catch (error) {
      if (!mayPass(error)) throw error;
      await new Promise((wake) => setTimeout(wake, pause));
    }
  }
}

// Which rows: docs/gatekeeper.md, and GET /v1/sessions lists the shapes.
export interface Wanted {
  shape: string;
  session_id: string;
  owner: string;
  thread_id?: string;
}

interface Token {
  token: string;
  expires_at: number;
  url: string;
  params: NonNullable<ShapeStreamOptions['params']>;
}

// When so much of a token's life is left, the next one is fetched.
const RESERVE = 0.2;

// What Electric's client must know of a shape. Its tokens live for minutes; each request gets one that is still good.
export async function shapeByToken(wanted: Wanted) {
  let held: { told: Promise<Token>; freshUntil: number } | undefined;

  const fetchToken = () => {
    const asked = performance.now();
    const mine = { told: post('/v1/shape-tokens', wanted).then(read), freshUntil: Infinity };
    async function read(response: Response) {
      const token = (await response.json()) as Token;
      // By the gatekeeper's clock, for the reader's can be wrong.
      const lives = 1000 * token.expires_at - Date.parse(response.headers.get('date') ?? '');
      mine.freshUntil = asked + lives * (1 - RESERVE);
      return token;
    }
    mine.told.catch(() => {
      if (held === mine) held = undefined;
    });
    return mine;
  };
  const current = () => {
    if (!held || performance.now() > held.freshUntil) held = fetchToken();
    return held.told;
  };

  const { url, params } = await untilDone(current);
  return {
    url,
    params,
    // Never a part of the address, which names the shape in caches, the client's own among them.
    headers: { authorization: async () => `Bearer ${(await current()).token}` },
    // After a 401: a gatekeeper that was started again may know no token of the one before.
    forgetToken: () => {
      held = undefined;
    },
  };
}
