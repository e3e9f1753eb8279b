// The messages of a thread as a collection of TanStack DB: they come by sync, and are written by api.append_message.
import { createCollection } from '@tanstack/db';
import { electricCollectionOptions } from '@tanstack/electric-db-collection';

// As long as a timer can be.
const LONGEST_MS = 2 ** 31 - 1;

// shapeOptions: how the shape thread_messages of the thread is asked for. append: calls api.append_message with these
// arguments, wherever the application does that; gives the row that it returned.
export function messagesOfThread(thread, shapeOptions, append) {
  return createCollection(electricCollectionOptions({
    id: `messages of ${thread.id}`,
    // All rows at first, then what changes. The other modes ask for parts of a shape, which is not allowed here.
    syncMode: 'eager',
    shapeOptions,
    // The primary key and nothing else: updates and deletes come with that and what changed. The account is the shape's.
    getKey: (message) => message.id,
    onInsert: async ({ transaction }) => {
      const { account_id, session_id, id: thread_id } = thread;
      const written = await Promise.all(transaction.mutations.map(({ modified: { role, content, client_message_id } }) => (
        append({ account_id, session_id, thread_id, role, content, client_message_id })
      )));
      // The collection waits until these transactions have come by sync; meanwhile it has the messages as they were sent, and
      // afterwards the synced ones instead, in one step. There is no giving up: they are written.
      return { txid: written.map(({ txid }) => txid), timeout: LONGEST_MS };
    },
  }));
}

// Shows a message at once and writes it. isPersisted.promise of what this returns fails if it was not written; then it is not
// shown any more. The database gives a message its id; until that comes by sync, client_message_id stands for it.
export function send(messages, content, client_message_id = crypto.randomUUID()) {
  return messages.insert({ id: client_message_id, client_message_id, role: 'user', content });
}

// What a screen shows, by keys that stay while a message gets its id. After a 409 a collection has a message that was on its way
// twice for a while, as it was sent and as it came.
export function shown(messages) {
  const byKey = new Map();
  for (const message of messages.toArray) {
    const key = message.client_message_id ?? message.id;
    if (message.$synced || !byKey.has(key)) byKey.set(key, message);
  }
  return byKey;
}
