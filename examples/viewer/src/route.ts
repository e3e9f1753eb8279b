// Where one is, as the address says it behind the #: back and forward, reloading and copied links work.
import { useSyncExternalStore } from 'react';

export const VIEWS = {
  chat: 'Chat',
  tools: 'Tool events',
  todos: 'Todos',
  timeline: 'Timeline',
  uploads: 'Uploads',
};
export type View = keyof typeof VIEWS;

export interface Route {
  owner: string;
  session: string;
  view: View;
  thread?: string | undefined;
}

export const linkTo = ({ owner, session, view, thread }: Route) =>
  `#/${[owner, session, view, ...(thread ? [thread] : [])].map(encodeURIComponent).join('/')}`;

export const HOME = '#/';

function parse(hash: string): Route | undefined {
  const [owner, session, view, thread] = hash.slice(2).split('/').map(decode);
  if (!owner || !session) return undefined;
  return { owner, session, view: view && view in VIEWS ? (view as View) : 'chat', thread };
}

// A link that somebody typed may be no percent encoding.
function decode(part: string) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function useRoute(): Route | undefined {
  const hash = useSyncExternalStore(
    (listener) => {
      addEventListener('hashchange', listener);
      return () => removeEventListener('hashchange', listener);
    },
    () => location.hash,
  );
  return parse(hash);
}
