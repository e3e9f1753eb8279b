// Which sessions there are. They are asked for now and then instead of followed: without TLS a browser has six connections to a
// server, for all of its windows together, and what is followed holds one. What is open is worth more of them.
import { useEffect, useState } from 'react';
import { openLine } from './connection';
import { Loading } from './follow';
import { ask, mayPass, Refusal, sentence } from './gatekeeper';
import { linkTo, type Route } from './route';
import type { Session } from './rows';
import { type Me, signedOut } from './sign-in';
import { Time } from './time';

const EVERY_MS = 10_000;

export function useSessions() {
  const [sessions, setSessions] = useState<Session[]>();
  const [hasMore, setHasMore] = useState(false);
  const [pages, setPages] = useState(1);
  const [problem, setProblem] = useState<unknown>();

  useEffect(() => {
    const line = openLine();
    let isLeft = false;
    const look = async () => {
      try {
        const found = await list(pages);
        if (isLeft) return;
        line.heard();
        setProblem(undefined);
        setSessions(found.sessions);
        setHasMore(found.next !== null);
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
  }, [pages]);

  return { sessions, problem, more: hasMore ? () => setPages(pages + 1) : undefined };
}

interface Page {
  sessions: Session[];
  next: string | null;
}

async function list(pages: number): Promise<Page> {
  const found: Page = { sessions: [], next: null };
  for (let page = 0; page < pages; page += 1) {
    const query = found.next === null ? '' : `?${new URLSearchParams({ after: found.next })}`;
    const { sessions, next } = (await (await ask(`/v1/sessions${query}`)).json()) as Page;
    found.sessions.push(...sessions);
    found.next = next;
    if (next === null) break;
  }
  return found;
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
          <li key={`${session.owner} ${session.session_id}`}>
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
