// Who is signed in, and how one signs in and out: OpenID Connect for a token, and that for the gatekeeper's cookie.
import { useSyncExternalStore } from 'react';
import { ask, mayPass, Refusal } from './gatekeeper';

export interface Me {
  account_id: string;
  // What the identity provider calls them, if it was seen in this browser.
  name?: string;
  // single: the gatekeeper knows no accounts but one, and nobody signs in.
  kind: 'session' | 'single' | 'jwt';
}

export type Who =
  | { state: 'asking' }
  | { state: 'unreachable' }
  | { state: 'out'; why?: string }
  | { state: 'in'; me: Me };

let who: Who = { state: 'asking' };
const listeners = new Set<() => void>();

function set(next: Who) {
  who = next;
  for (const listener of listeners) listener();
}

export const useWho = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => who,
  );

// When the gatekeeper knows this browser no more: signed out in another window, by an operator, or for lack of use.
export function signedOut() {
  if (who.state === 'in') set({ state: 'out', why: 'You were signed out.' });
}

// When the page opens: end a sign-in that was begun, or ask who this is.
export async function begin() {
  const answer = takeAnswer();
  if (answer) {
    set(await finish(answer).catch(failed));
  } else {
    set(await recall().catch(failed));
  }
}

const failed = (error: unknown): Who =>
  mayPass(error) ? { state: 'unreachable' } : { state: 'out', why: error instanceof Error ? error.message : String(error) };

async function recall(): Promise<Who> {
  try {
    return known((await (await ask('/auth/session')).json()) as Me);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return { state: 'out' };
    throw error;
  }
}

// Leaves this page for the identity provider's, which comes back with a token behind the #.
export async function signIn() {
  const config = (await (await ask('/viewer-config.json')).json()) as Config;
  if (!config.sign_in?.authorize_url) {
    set({ state: 'out', why: 'This server names no page to sign in at. Whoever runs it sets SESSIONBASE_VIEWER_AUTHORIZE_URL.' });
    return;
  }
  const state = random();
  const nonce = random();
  sessionStorage.setItem(PENDING, JSON.stringify({ state, nonce }));
  const query = new URLSearchParams({
    response_type: 'id_token',
    response_mode: 'fragment',
    scope: 'openid',
    client_id: config.sign_in.client_id,
    redirect_uri: `${location.origin}/`,
    state,
    nonce,
  });
  location.assign(`${config.sign_in.authorize_url}?${query}`);
}

interface Config {
  sign_in: { authorize_url: string | null; client_id: string } | null;
}

const PENDING = 'sign-in';

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
}

// The token is taken out of the address at once, so that neither history nor a copied address has it.
function takeAnswer() {
  const answer = new URLSearchParams(location.hash.slice(1));
  if (!answer.has('state')) return undefined;
  history.replaceState(null, '', '/');
  return answer;
}

async function finish(answer: URLSearchParams): Promise<Who> {
  const begun = JSON.parse(sessionStorage.getItem(PENDING) ?? '{}') as { state?: string; nonce?: string };
  sessionStorage.removeItem(PENDING);
  // Somebody else's answer would sign this person in as somebody else.
  if (!begun.state || answer.get('state') !== begun.state) {
    return { state: 'out', why: 'This sign-in was not begun in this window. Please begin again.' };
  }
  const token = answer.get('id_token');
  if (!token) return { state: 'out', why: 'You did not sign in.' };
  const { nonce, name } = claims(token);
  if (nonce !== begun.nonce) {
    return { state: 'out', why: 'This sign-in is an old one. Please begin again.' };
  }
  const response = await ask('/auth/session', { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  const me = (await response.json()) as Me;
  if (name) localStorage.setItem(`name of ${me.account_id}`, name);
  const found = await recall();
  // Without TLS some browsers take no such cookie, on this machine's own names neither.
  return found.state === 'out' ? { ...found, why: 'You signed in, but this browser did not keep the cookie. Is TLS there (https)?' } : found;
}

// For windows that did not sign in themselves. Signing out empties the storage.
function known(me: Me): Who {
  const name = localStorage.getItem(`name of ${me.account_id}`);
  return { state: 'in', me: name ? { ...me, name } : me };
}

// What a token says. Whether it is true is for the gatekeeper to find out.
function claims(token: string): { nonce?: string; name?: string } {
  const payload = atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(payload, (character) => character.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)) as { nonce?: string; name?: string };
}

// Here, or wherever the account is signed in. The gatekeeper ends what these login sessions follow.
export async function signOut(where: 'here' | 'everywhere') {
  try {
    await ask(where === 'here' ? '/auth/session' : '/auth/sessions', { method: 'DELETE' });
  } catch (error) {
    // Somebody else was faster.
    if (!(error instanceof Refusal && error.status === 401)) throw error;
  }
  set({ state: 'out', why: where === 'here' ? 'You are signed out.' : 'You are signed out everywhere.' });
}
