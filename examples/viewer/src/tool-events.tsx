// What tools were called, with what, and what came of it.
import { useLiveQuery } from '@tanstack/react-db';
import { followToolEvents, type ToolEvents } from './collections';
import { Follow, Loading } from './follow';
import type { Session } from './rows';
import { Time } from './time';

export const ToolEventsView = ({ session }: { session: Session }) => (
  <Follow start={(refused) => followToolEvents(session, refused)}>
    {(rows) => <List rows={rows} />}
  </Follow>
);

function List({ rows }: { rows: ToolEvents }) {
  const { data, isReady } = useLiveQuery((query) => query.from({ event: rows }).orderBy(({ event }) => event.started_at, 'desc'), [rows]);
  if (!isReady) return <Loading />;
  if (data.length === 0) return <p className="quiet">No tool was called.</p>;
  return (
    <section className="scroll" aria-label="Tool events" tabIndex={0}>
      <ol className="events">
        {data.map((event) => (
          <li key={event.id}>
            <h3>{event.tool_name}</h3>
            <p className="about">
              <span className="tag" data-status={event.status}>
                {event.status}
              </span>
              <Time at={event.started_at} />
              {event.latency_ms !== null && <span>{event.latency_ms} ms</span>}
            </p>
            {event.error && <p>{event.error}</p>}
            <Json label="Arguments" value={event.arguments} />
            <Json label="Result" value={event.result} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Json({ label, value }: { label: string; value: unknown }) {
  if (value === null) return null;
  return (
    <details>
      <summary>{label}</summary>
      <pre>{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
