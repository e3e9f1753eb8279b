// Rows as collections of TanStack DB: they come by sync, and are written by functions of schema api.
import { createCollection } from '@tanstack/db';
import { electricCollectionOptions } from '@tanstack/electric-db-collection';
import { fetchOn, openLine } from './connection';
import { call, callUntilDone, Refusal, shapeByToken, type Wanted } from './gatekeeper';
import type { Message, Session, Thread, TimelineEvent, Todo, ToolEvent, Upload } from './rows';
import { signedOut } from './sign-in';

// As long as a timer can be. A message that is written is never given up.
const LONGEST_MS = 2 ** 31 - 1;

// How long rows are kept that no screen shows any more.
const FORGOTTEN_MS = 1000;

// Postgres' text of a time, "2026-05-04 12:30:00.5+00", as browsers read it.
const timestamptz = (text: string) => new Date(`${text.replace(' ', 'T')}:00`);

// Told when rows are not for who asks any more.
type Refused = (error: Refusal) => void;

// What all shapes have in common. A collection follows its shape while something on the screen uses it.
async function follow(wanted: Wanted, refused: Refused) {
  const line = openLine();
  const { forgetToken, ...shape } = await shapeByToken(wanted).catch((error: unknown) => {
    line.close();
    throw error;
  });
  const stop = new AbortController();
  return {
    close: () => {
      stop.abort();
      line.close();
    },
    options: {
      id: JSON.stringify(wanted),
      // All rows at first, then what changes. The other modes ask for parts of a shape, which the gatekeeper does not allow.
      syncMode: 'eager' as const,
      gcTime: FORGOTTEN_MS,
      shapeOptions: {
        ...shape,
        signal: stop.signal,
        fetchClient: fetchOn(line),
        // No bigint of these rows comes near 2^53.
        parser: { int8: Number, timestamptz },
        backoffOptions: { initialDelay: 250, maxDelay: 4000, multiplier: 2 },
        onError: (error: Error & { status?: number }) => {
          if (!isFinal(error)) {
            forgetToken();
            line.lost();
            return {};
          }
          line.close();
          if (error instanceof Refusal && error.status === 401) signedOut();
          else refused(new Refusal('You may not see this any more.', error.status ?? 403, 'forbidden'));
          return undefined;
        },
      },
    },
  };
}

// A 401 of the shape is of the token: the next one may do. One of the token's own route is of the login session.
function isFinal(error: Error & { status?: number }) {
  if (error instanceof Refusal) return error.status < 500 && error.status !== 429;
  return [400, 403, 404].includes(error.status ?? 0);
}

const of = (session: Session) => ({ session_id: session.session_id, owner: session.owner });

// Rows that this page only reads. getKey: updates and deletes bring the primary key and what changed, no more.
export async function followThreads(session: Session, refused: Refused) {
  const { options, close } = await follow({ shape: 'session_threads', ...of(session) }, refused);
  return { close, rows: createCollection(electricCollectionOptions<Thread>({ ...options, getKey: ({ id }) => id })) };
}

export async function followToolEvents(session: Session, refused: Refused) {
  const { options, close } = await follow({ shape: 'session_tool_events', ...of(session) }, refused);
  return { close, rows: createCollection(electricCollectionOptions<ToolEvent>({ ...options, getKey: ({ id }) => id })) };
}

export async function followTimeline(session: Session, refused: Refused) {
  const { options, close } = await follow({ shape: 'session_timeline', ...of(session) }, refused);
  return { close, rows: createCollection(electricCollectionOptions<TimelineEvent>({ ...options, getKey: ({ event_index }) => event_index })) };
}

export async function followUploads(session: Session, refused: Refused) {
  const { options, close } = await follow({ shape: 'session_uploads', ...of(session) }, refused);
  return { close, rows: createCollection(electricCollectionOptions<Upload>({ ...options, getKey: ({ id }) => id })) };
}

export async function followMessages(session: Session, thread: string, refused: Refused) {
  const { options, close } = await follow({ shape: 'thread_messages', ...of(session), thread_id: thread }, refused);
  const rows = createCollection(
    electricCollectionOptions<Message>({
      ...options,
      getKey: ({ id }) => id,
      onInsert: async ({ transaction }) => {
        const written = await Promise.all(
          transaction.mutations.map(({ modified: { role, content, client_message_id } }) =>
            // It may be called twice, for the same client_message_id writes nothing the second time.
            callUntilDone<{ txid: number }>('append_message', {
              session_id: session.session_id,
              account_id: session.owner,
              thread_id: thread,
              role,
              content,
              client_message_id,
            }),
          ),
        );
        // The collection waits until these transactions have come by sync (awaitTxId). Until then it has the messages as they
        // were sent, then the synced ones instead, in one step.
        return { txid: written.map(({ txid }) => txid), timeout: LONGEST_MS };
      },
    }),
  );
  return { close, rows };
}

// Shows a message at once and writes it. isPersisted.promise of what this returns fails if it was refused; then it is not shown
// any more. The database gives a message its id; until that comes by sync, client_message_id stands for it.
export function send(messages: Messages, content: string, me: string) {
  const client_message_id = crypto.randomUUID();
  return messages.insert({
    id: client_message_id,
    client_message_id,
    role: 'user',
    content,
    author_account_id: me,
    created_at: new Date(),
  });
}

export const messageKey = (message: Message) => message.client_message_id ?? message.id;

// What a screen shows. After all rows came anew (409), a message that was on its way is there twice for a while: as it was sent
// and as it came.
export function shown<Row extends Message & { $synced: boolean }>(messages: Row[]): Row[] {
  const synced = new Set(messages.filter((message) => message.$synced).map(messageKey));
  return messages.filter((message) => message.$synced || !synced.has(messageKey(message)));
}

export async function followTodos(session: Session, refused: Refused) {
  const { options, close } = await follow({ shape: 'session_todos', ...of(session) }, refused);
  const rows = createCollection(
    electricCollectionOptions<Todo>({
      ...options,
      getKey: ({ id }) => id,
      onUpdate: async ({ transaction }) => {
        const written = await Promise.all(
          transaction.mutations.map(({ modified: { id, completed } }) =>
            call<{ txid: number }>('update_todo', { todo_id: id, completed, account_id: session.owner }),
          ),
        );
        return { txid: written.map(({ txid }) => txid), timeout: LONGEST_MS };
      },
    }),
  );
  return { close, rows };
}

export const startThread = (session: Session) =>
  call<Thread>('start_thread', { session_id: session.session_id, account_id: session.owner });

// The collections, as components take them.
type RowsOf<Follow extends (...given: never[]) => Promise<{ rows: unknown }>> = Awaited<ReturnType<Follow>>['rows'];
export type Messages = RowsOf<typeof followMessages>;
export type Threads = RowsOf<typeof followThreads>;
export type TimelineEvents = RowsOf<typeof followTimeline>;
export type Todos = RowsOf<typeof followTodos>;
export type ToolEvents = RowsOf<typeof followToolEvents>;
export type Uploads = RowsOf<typeof followUploads>;
