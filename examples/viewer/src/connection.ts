// Whether what is on the screen is up to date. What is followed says so, and the page's header shows it.
import { useSyncExternalStore } from 'react';

export type Connection = 'connecting' | 'live' | 'reconnecting';

const followed = new Map<symbol, Connection>();
const listeners = new Set<() => void>();

export interface Line {
  heard: () => void;
  lost: () => void;
  close: () => void;
}

// A line to the server. It counts until it is closed.
export function openLine(): Line {
  const line = Symbol();
  const set = (state: Connection) => {
    if (!followed.has(line) || followed.get(line) === state) return;
    followed.set(line, state);
    tell();
  };
  followed.set(line, 'connecting');
  tell();
  return {
    heard: () => set('live'),
    lost: () => set('reconnecting'),
    close: () => {
      followed.delete(line);
      tell();
    },
  };
}

// fetch for one line: its answers say how that is.
export function fetchOn(line: Line): typeof fetch {
  return async (input, init) => {
    try {
      const response = await fetch(input, init);
      if (response.status < 500) line.heard();
      else line.lost();
      return response;
    } catch (error) {
      // The client itself ends what it waits for, when the page is hidden for one.
      if (!init?.signal?.aborted) line.lost();
      throw error;
    }
  };
}

// The worst of all lines, for a screen that is half up to date is not.
function worst(): Connection {
  const states = new Set(followed.values());
  return (['reconnecting', 'connecting'] as const).find((state) => states.has(state)) ?? 'live';
}

export const useConnection = () => useSyncExternalStore(subscribe, worst);

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener();
}
