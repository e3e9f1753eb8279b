// Threads, the messages of one of them, and the field to write another.
import { useLiveQuery } from '@tanstack/react-db';
import { type FormEvent, type KeyboardEvent, memo, useEffect, useRef, useState } from 'react';
import { followMessages, followThreads, type Messages, messageKey, send, shown, startThread, type Threads } from './collections';
import { Follow, Loading } from './follow';
import { sentence } from './gatekeeper';
import { linkTo, type Route } from './route';
import { type Message, mayWrite, type Session } from './rows';
import type { Me } from './sign-in';
import { Time } from './time';

interface Props {
  session: Session;
  route: Route;
  me: Me;
}

export function Chat(props: Props) {
  return (
    <Follow start={(refused) => followThreads(props.session, refused)}>
      {(threads) => <ThreadList {...props} threads={threads} />}
    </Follow>
  );
}

function ThreadList({ session, route, me, threads }: Props & { threads: Threads }) {
  const [problem, setProblem] = useState<unknown>();
  const { data, isReady } = useLiveQuery((query) => query.from({ thread: threads }).orderBy(({ thread }) => thread.updated_at, 'desc'), [threads]);
  // Who begins another thread moves nobody else out of what they read and write.
  const stay = useRef<string>(undefined);
  if (!isReady) return <Loading />;
  const named = route.thread ?? stay.current;
  const open = data.find(({ id }) => id === named) ?? data.find(({ status }) => status === 'active') ?? data[0];
  stay.current = open?.id;

  const start = async () => {
    const thread = await startThread(session);
    location.hash = linkTo({ ...route, thread: thread.id });
  };
  return (
    <>
      <nav aria-label="Threads" className="threads">
        <ul>
          {data.map((thread) => (
            <li key={thread.id}>
              <a href={linkTo({ ...route, thread: thread.id })} aria-current={thread.id === open?.id ? 'true' : undefined} title={thread.title}>
                <span className="title">{thread.title}</span> <span className="count">{thread.message_count}</span>
              </a>
            </li>
          ))}
        </ul>
        {mayWrite(session) && (
          <button type="button" onClick={() => start().catch(setProblem)}>
            New thread
          </button>
        )}
      </nav>
      {problem !== undefined && <p role="alert">{sentence(problem)}</p>}
      {open ? (
        <Follow key={open.id} start={(refused) => followMessages(session, open.id, refused)}>
          {(messages) => <Thread key={open.id} session={session} me={me} messages={messages} />}
        </Follow>
      ) : (
        <p className="quiet">There are no threads yet.</p>
      )}
    </>
  );
}

// Of a long thread the newest are shown, and more by and by: a browser lays out hundreds at once, and thousands not.
const AT_ONCE = 300;

function Thread({ session, me, messages }: { session: Session; me: Me; messages: Messages }) {
  const { data, isReady } = useLiveQuery(
    (query) =>
      query
        .from({ message: messages })
        .orderBy(({ message }) => message.created_at)
        .orderBy(({ message }) => message.id),
    [messages],
  );
  const [count, setCount] = useState(AT_ONCE);
  const list = shown(data);
  const news = useNews(isReady ? list : undefined, me);
  if (!isReady) return <Loading />;
  return (
    <>
      {/* Its bottom is where it begins and stays, by the style sheet. Focusable, so that the keyboard can scroll it. */}
      <section className="scroll" aria-label="Messages" tabIndex={0}>
        <ol className="messages">
          {list.length > count && (
            <li className="earlier">
              <button type="button" onClick={() => setCount(count + AT_ONCE)}>
                Earlier messages
              </button>
            </li>
          )}
          {list.slice(-count).map((message) => (
            <MessageItem
              key={messageKey(message)}
              role={message.role}
              content={message.content}
              at={message.created_at.getTime()}
              isMine={isBy(me, message)}
              isOnItsWay={!message.$synced}
            />
          ))}
        </ol>
        {list.length === 0 && <p className="quiet">No messages yet.</p>}
      </section>
      <p className="for-ears" role="log" aria-label="New messages">
        {news}
      </p>
      {mayWrite(session) ? (
        <Composer messages={messages} me={me} />
      ) : (
        <p className="quiet reading">You may read this session, and not write to it.</p>
      )}
    </>
  );
}

const SPEAKERS = { user: 'User', assistant: 'Assistant', system: 'System' };

// What an assistant says is not its account's own words.
const isBy = (me: Me, { role, author_account_id }: Message) => role === 'user' && author_account_id === me.account_id;

interface ItemProps {
  role: Message['role'];
  content: string;
  at: number;
  isMine: boolean;
  isOnItsWay: boolean;
}

// Plain values, so that of thousands of messages only those are made anew that changed.
const MessageItem = memo(({ role, content, at, isMine, isOnItsWay }: ItemProps) => (
  <li className="message" data-role={role} data-mine={isMine} data-way={isOnItsWay ? 'sending' : 'there'}>
    <p className="by">
      <strong>{isMine ? 'You' : SPEAKERS[role]}</strong> {isOnItsWay ? <span>Sending…</span> : <Time at={new Date(at)} />}
    </p>
    <p className="content">{content}</p>
  </li>
));

// The last message of somebody else that came after the first ones, to be read out.
function useNews(messages: Message[] | undefined, me: Me): string {
  const [news, setNews] = useState('');
  const seen = useRef<Set<string>>(undefined);
  const last = messages?.at(-1);
  useEffect(() => {
    if (!messages) return;
    const isNew = last && seen.current && !seen.current.has(messageKey(last));
    seen.current = new Set(messages.map(messageKey));
    if (isNew && !isBy(me, last)) {
      setNews(`${SPEAKERS[last.role]}: ${last.content.slice(0, 300)}`);
    }
  }, [messages === undefined, messages?.length, last && messageKey(last)]);
  return news;
}

function Composer({ messages, me }: { messages: Messages; me: Me }) {
  const [draft, setDraft] = useState('');
  const [problem, setProblem] = useState<string>();

  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    const content = draft;
    if (!content.trim()) return;
    setDraft('');
    setProblem(undefined);
    send(messages, content, me.account_id).isPersisted.promise.catch((error: unknown) => {
      setProblem(`This was not sent. ${sentence(error)}`);
      // Nothing that somebody wrote is lost, and nothing that they write now is overwritten.
      setDraft((next) => next || content);
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter can also end what an input method composes.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  return (
    <form className="composer" onSubmit={submit}>
      {problem && <p role="alert">{problem}</p>}
      <label htmlFor="draft">Message</label>
      <textarea
        id="draft"
        rows={2}
        value={draft}
        aria-describedby="draft-hint"
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <button type="submit" className="main">
        Send
      </button>
      <p id="draft-hint" className="quiet">
        Enter sends, Shift and Enter begin a new line.
      </p>
    </form>
  );
}
