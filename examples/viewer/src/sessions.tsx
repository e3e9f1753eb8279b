// Which sessions there are. They are asked for now and then instead of followed: without TLS a browser has six connections to a
// server, for all of its windows together, and what is followed holds one. What is open is worth more of them. Behind HTTP/2
// follow account_sessions for one's own. Which of others' are shared, account_memberships says; no one shape has those sessions,
// for a shape is of one account.
import { useEffect, useRef, useState } from 'react';
import { openLine } from './connection';
import { Loading } from './follow';
import { ask, mayPass, Refusal, sentence } from './gatekeeper';
import { linkTo, type Route } from './route';
import type { Session } from './rows';
import { type Me, signedOut } from './sign-in';
import { Time } from './time';

const EVERY_MS = 10_000;

// The sessions of the first pages, and of as many as it takes to find the one that is open.
export function useSessions(route: Route | undefined) {
  const [found, setFound] = useState<Found>();
  const [pages, setPages] = useState(1);
  const [problem, setProblem] = useState<unknown>();
  const wanted = route && keyOf(route.owner, route.session);
  const open = found?.sessions.find(({ owner, session_id }) => keyOf(owner, session_id) === wanted);
  const latest = useRef(wanted);
  latest.current = wanted;

  useEffect(() => {
    const line = openLine();
    let isLeft = false;
    const look = async () => {
      try {
        const answer = await list(pages, latest.current);
        if (isLeft) return;
        line.heard();
        setProblem(undefined);
        setFound(answer);
      } catch (error) {
        if (isLeft) return;
        if (error instanceof Refusal && error.status === 401) signedOut();
        else if (mayPass(error)) line.lost();
        else setProblem(error);
      }
    };
    void look();
    const timer = setInterval(() => void look(), EVERY_MS);
    addEventListener('focus', look);
    return () => {
      isLeft = true;
      clearInterval(timer);
      removeEventListener('focus', look);
      line.close();
    };
  }, [pages, open ? undefined : wanted]);

  return {
    sessions: found?.sessions,
    open,
    isMissing: wanted !== undefined && !open && found?.wanted === wanted,
    problem,
    more: found?.next ? () => setPages(found.pages + 1) : undefined,
  };
}

// A session's id is its owner's own: two people may have one of the same name.
const keyOf = (owner: string, session: string) => `${owner} ${session}`;

interface Page {
  sessions: Session[];
  next: string | null;
}

interface Found extends Page {
  pages: number;
  // What was open when it was asked for.
  wanted: string | undefined;
}

async function list(pages: number, wanted: string | undefined): Promise<Found> {
  const found: Found = { sessions: [], next: null, pages: 0, wanted };
  for (;;) {
    const query = found.next === null ? '' : `?${new URLSearchParams({ after: found.next })}`;
    const { sessions, next } = (await (await ask(`/v1/sessions${query}`)).json()) as Page;
    found.sessions.push(...sessions);
    found.next = next;
    found.pages += 1;
    const hasWanted = !wanted || found.sessions.some(({ owner, session_id }) => keyOf(owner, session_id) === wanted);
    if (next === null || (found.pages >= pages && hasWanted)) return found;
  }
}

interface Props {
  sessions: Session[] | undefined;
  more: (() => void) | undefined;
  problem: unknown;
  route: Route | undefined;
  me: Me;
}

export function SessionList({ sessions, more, problem, route, me }: Props) {
  return (
    <nav aria-label="Sessions" className="sessions">
      {problem !== undefined && <p role="alert">{sentence(problem)}</p>}
      {!sessions && !problem && <Loading />}
      {sessions?.length === 0 && <p className="quiet">There are no sessions yet.</p>}
      <ul>
        {sessions?.map((session) => (
          <li key={keyOf(session.owner, session.session_id)}>
            <SessionLink session={session} route={route} me={me} />
          </li>
        ))}
      </ul>
      {more && (
        <button type="button" onClick={more}>
          More sessions
        </button>
      )}
    </nav>
  );
}

function SessionLink({ session, route, me }: Pick<Props, 'route' | 'me'> & { session: Session }) {
  const { owner, session_id, role, updated_at } = session;
  const isOpen = route?.owner === owner && route.session === session_id;
  return (
    <a href={linkTo({ owner, session: session_id, view: 'chat' })} aria-current={isOpen ? 'true' : undefined}>
      <span className="name">{session_id}</span>
      <span className="about">
        <Time at={new Date(updated_at)} />
        {owner !== me.account_id && <span className="tag">shared with you: {role}</span>}
      </span>
    </a>
  );
}
