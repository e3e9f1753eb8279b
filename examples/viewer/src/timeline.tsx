// The log of an agent, entry by entry, as invoke ingest-sessions read it.
import { useLiveQuery } from '@tanstack/react-db';
import { useState } from 'react';
import { followTimeline, type TimelineEvents } from './collections';
import { Follow, Loading } from './follow';
import type { Session } from './rows';
import { Time } from './time';

const AT_ONCE = 200;
const SHORT = 500;

export const TimelineView = ({ session }: { session: Session }) => (
  <Follow start={(refused) => followTimeline(session, refused)}>
    {(rows) => <List rows={rows} />}
  </Follow>
);

function List({ rows }: { rows: TimelineEvents }) {
  const [count, setCount] = useState(AT_ONCE);
  const { data, isReady } = useLiveQuery((query) => query.from({ event: rows }).orderBy(({ event }) => event.event_index), [rows]);
  if (!isReady) return <Loading />;
  if (data.length === 0) return <p className="quiet">This session has no log.</p>;
  return (
    <section className="scroll" aria-label="Timeline" tabIndex={0}>
      <ol className="events">
        {data.slice(0, count).map((event) => (
          <li key={event.event_index}>
            <h3>
              {event.event_index + 1}. {event.event_type}
              {event.name && `: ${event.name}`}
            </h3>
            <p className="about">
              {event.role && <span className="tag">{event.role}</span>}
              {event.occurred_at && <Time at={event.occurred_at} />}
            </p>
            {event.body && <Body text={event.body} />}
          </li>
        ))}
      </ol>
      {count < data.length && (
        <button type="button" onClick={() => setCount(count + AT_ONCE)}>
          {AT_ONCE} more of {data.length}
        </button>
      )}
    </section>
  );
}

function Body({ text }: { text: string }) {
  if (text.length <= SHORT) return <pre>{text}</pre>;
  return (
    <details>
      <summary>{text.slice(0, SHORT / 4)}…</summary>
      <pre>{text}</pre>
    </details>
  );
}
