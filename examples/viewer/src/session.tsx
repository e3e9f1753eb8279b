// A session that is open: its views, one of which is shown.
import { useEffect, useRef } from 'react';
import { Chat } from './chat';
import { HOME, linkTo, type Route, type View, VIEWS } from './route';
import type { Session } from './rows';
import type { Me } from './sign-in';
import { TimelineView } from './timeline';
import { TodosView } from './todos';
import { ToolEventsView } from './tool-events';
import { UploadsView } from './uploads';

interface Props {
  session: Session;
  route: Route;
  me: Me;
}

export function SessionView({ session, route, me }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Who opens a session goes on from its heading, with the keyboard too.
  useEffect(() => heading.current?.focus(), []);
  return (
    <article className="session" aria-labelledby="session">
      <header>
        <a className="back" href={HOME}>
          ‹ All sessions
        </a>
        <h2 id="session" ref={heading} tabIndex={-1}>
          {session.session_id}
        </h2>
        <nav aria-label="Views" className="tabs">
          <ul>
            {(Object.keys(VIEWS) as View[]).map((view) => (
              <li key={view}>
                <a href={linkTo({ ...route, view, thread: undefined })} aria-current={view === route.view ? 'page' : undefined}>
                  {VIEWS[view]}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      {route.view === 'chat' && <Chat session={session} route={route} me={me} />}
      {route.view === 'tools' && <ToolEventsView session={session} />}
      {route.view === 'todos' && <TodosView session={session} />}
      {route.view === 'timeline' && <TimelineView session={session} />}
      {route.view === 'uploads' && <UploadsView session={session} me={me} />}
    </article>
  );
}
