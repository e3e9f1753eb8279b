// The frame: who is signed in, whether what one sees is up to date, the sessions, and the one that is open.
import { useEffect, useState } from 'react';
import { type Connection, useConnection } from './connection';
import { sentence } from './gatekeeper';
import { Loading } from './follow';
import { useRoute } from './route';
import { SessionView } from './session';
import { SessionList, useSessions } from './sessions';
import { type Me, signIn, signOut, useWho } from './sign-in';

export function App() {
  const who = useWho();
  if (who.state === 'in') return <SignedIn key={who.me.account_id} me={who.me} />;
  return (
    <>
      <header className="bar">
        <h1>Sessions</h1>
        <p role="status" className="connection" data-state="out">
          {who.state === 'out' ? 'Signed out' : 'Connecting…'}
        </p>
      </header>
      <main className="door">
        {who.state === 'asking' && <Loading />}
        {who.state === 'unreachable' && <Unreachable />}
        {who.state === 'out' && <SignedOut why={who.why} />}
      </main>
    </>
  );
}

function Unreachable() {
  return (
    <>
      <p role="alert">The server can’t be reached. Is this device online?</p>
      <button type="button" onClick={() => location.reload()}>
        Try again
      </button>
    </>
  );
}

function SignedOut({ why }: { why: string | undefined }) {
  const [problem, setProblem] = useState<unknown>();
  return (
    <>
      <h2>Welcome</h2>
      <p role="alert">{problem ? sentence(problem) : why}</p>
      <p>Sign in to see your sessions, and those that others share with you.</p>
      <button type="button" className="main" onClick={() => signIn().catch(setProblem)}>
        Sign in
      </button>
    </>
  );
}

function SignedIn({ me }: { me: Me }) {
  const route = useRoute();
  const { sessions, open, isMissing, more, problem } = useSessions(route);
  return (
    <>
      <a className="skip" href="#content" onClick={skip}>
        Skip to the session
      </a>
      <header className="bar">
        <h1>Sessions</h1>
        <ConnectionState />
        {me.kind !== 'single' && <Account me={me} />}
      </header>
      {/* On a phone one of the two columns is shown: which one, the style sheet decides by this. */}
      <main className="columns" data-open={route ? 'session' : 'list'}>
        <SessionList sessions={sessions} more={more} problem={problem} route={route} me={me} />
        <section id="content" aria-label="Session" tabIndex={-1}>
          {!route && <p className="quiet">Choose a session.</p>}
          {route && open && <SessionView key={`${route.owner} ${route.session}`} session={open} route={route} me={me} />}
          {isMissing && (
            <p role="alert">There is no such session, or it is not shared with you. <a href="#/">All sessions</a></p>
          )}
        </section>
      </main>
    </>
  );
}

// The part of the address behind the # says which session is open, so it can't name a place on the page.
function skip(event: { preventDefault: () => void }) {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

const STATES: Record<Connection, string> = {
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
};

function ConnectionState() {
  const state = useConnection();
  useEffect(() => {
    document.title = state === 'reconnecting' ? 'Sessions (reconnecting)' : 'Sessions';
  }, [state]);
  return (
    <p role="status" className="connection" data-state={state}>
      {STATES[state]}
    </p>
  );
}

function Account({ me }: { me: Me }) {
  const [problem, setProblem] = useState<unknown>();
  return (
    <div className="account">
      {me.name && <span>{me.name}</span>}
      <button type="button" onClick={() => signOut('here').catch(setProblem)}>
        Sign out
      </button>
      <button type="button" onClick={() => signOut('everywhere').catch(setProblem)}>
        Sign out everywhere
      </button>
      {problem !== undefined && <p role="alert">{sentence(problem)}</p>}
    </div>
  );
}
