// The messages of a thread as a collection of TanStack DB: they come by sync, and are written by api.append_message.
import { createCollection } from '@tanstack/db';
import { electricCollectionOptions } from '@tanstack/electric-db-collection';

// As long as a timer can be.
const LONGEST_MS = 2 ** 31 - 1;

// shapeOptions: how the shape thread_messages is asked for. append: calls api.append_message with these arguments, wherever
// the application does that; it gives the row that the function returned, as JSON.
export function messagesOfThread(thread, shapeOptions, append) {
  return createCollection(electricCollectionOptions({
    id: `messages of ${thread.id}`,
    // All rows at first, then what changes. The other modes ask for parts of a shape, which is not allowed here.
    syncMode: 'eager',
    shapeOptions,
    // The primary key and nothing else: updates and deletes come with that and what changed, and the account is the shape's.
    getKey: (message) => message.id,
    onInsert: async ({ transaction, collection }) => {
      await Promise.all(transaction.mutations.map(async ({ modified }) => {
        const written = await append({
          session_id: thread.session_id,
          thread_id: thread.id,
          account_id: thread.account_id,
          role: modified.role,
          content: modified.content,
          client_message_id: modified.client_message_id,
        });
        await arrived(collection.utils, written);
      }));
    },
  }));
}

// Waits until a row that was written has come by sync: its transaction did or, where all rows came anew after a 409, the row
// itself, for then they come without their transactions. There is no giving up: the row is written. While this waits the
// message is shown as it was sent, and afterwards the synced one instead, in one step.
function arrived({ awaitTxId, awaitMatch }, { txid, id }) {
  return Promise.any([
    awaitTxId(txid, LONGEST_MS),
    awaitMatch((message) => message.value?.id === id, LONGEST_MS),
  ]);
}

// Shows a message at once and writes it. isPersisted.promise of what this returns fails if it was not written; then it is not
// shown any more. The database gives a message its id, so until it comes by sync client_message_id stands for that;
// a list on a screen is best keyed by client_message_id ?? id, which stays.
export function send(messages, content, client_message_id = crypto.randomUUID()) {
  return messages.insert({ id: client_message_id, client_message_id, role: 'user', content, created_at: new Date().toISOString() });
}
