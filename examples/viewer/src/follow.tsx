// Follows rows for as long as it is on the screen, and says so while there are none yet.
import { type ReactNode, useEffect, useState } from 'react';
import { Refusal, sentence } from './gatekeeper';
import { signedOut } from './sign-in';

interface Props<Rows> {
  start: (refused: (error: Refusal) => void) => Promise<{ rows: Rows; close: () => void }>;
  children: (rows: Rows) => ReactNode;
}

// Whoever wants other rows gives this another key.
export function Follow<Rows>({ start, children }: Props<Rows>) {
  const [rows, setRows] = useState<Rows>();
  const [problem, setProblem] = useState<unknown>();

  useEffect(() => {
    let close: (() => void) | undefined;
    let isLeft = false;
    start(setProblem).then(
      (followed) => {
        close = followed.close;
        if (isLeft) close();
        else setRows(() => followed.rows);
      },
      (error: unknown) => {
        if (error instanceof Refusal && error.status === 401) signedOut();
        else setProblem(error);
      },
    );
    return () => {
      isLeft = true;
      close?.();
    };
  }, []);

  if (problem) return <p role="alert">{sentence(problem)}</p>;
  if (!rows) return <Loading />;
  return children(rows);
}

export const Loading = () => <p className="quiet">Loading…</p>;
