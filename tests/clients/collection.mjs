// Follows the messages of a thread with a collection of TanStack DB, and writes into it, as examples/clients/ show it.
// Environment besides: THREAD, the row; LATE_MS, how much longer the answer to a write takes.
import { setTimeout as pause } from "node:timers/promises";
import { createLiveQueryCollection } from "@tanstack/db";
import { messagesOfThread, send, shown } from "./messages.mjs";
import { callAsMe, obey, options, say, sayRows } from "./program.mjs";

const thread = JSON.parse(process.env.THREAD);
const append = async (message) => {
  const row = await callAsMe("append_message", message);
  say({ written: row.txid });
  await pause(Number(process.env.LATE_MS ?? 0));
  return row;
};

const messages = messagesOfThread(thread, options, append);
const contents = (collection) => [...shown(collection).values()].map(({ content }) => content).toSorted();
const initially = { includeInitialState: true };

messages.subscribeChanges(() => {
  sayRows(messages.toArray);
  say({ screen: contents(messages) });
}, initially);
// What a screen shows often comes from a query.
const query = createLiveQueryCollection((from) => from.from({ message: messages }));
query.subscribeChanges(() => say({ screen: contents(query) }), initially);

obey({
  send: ({ content }) => {
    send(messages, content).isPersisted.promise.then(
      () => say({ persisted: content }),
      (error) => say({ refused: error.code ?? String(error) }),
    );
  },
  wait: ({ txid, seconds }) => {
    messages.utils.awaitTxId(txid, seconds * 1000).then(
      () => say({ awaited: txid }),
      (error) => say({ missed: error.name }),
    );
  },
});
