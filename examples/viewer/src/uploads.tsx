// Files of a session: what is known of them comes by sync, their bytes by GET /api/uploads, and only to whose they are.
import { useLiveQuery } from '@tanstack/react-db';
import { type ChangeEvent, useEffect, useRef, useState } from 'react';
import { followUploads, type Uploads } from './collections';
import { Follow, Loading } from './follow';
import { ask, sentence } from './gatekeeper';
import type { Session, Upload } from './rows';
import type { Me } from './sign-in';
import { Time } from './time';

// Of a long file the beginning is shown.
const SHOWN_BYTES = 65_536;

interface Props {
  session: Session;
  me: Me;
}

export const UploadsView = ({ session, me }: Props) => (
  <Follow start={(refused) => followUploads(session, refused)}>
    {(rows) => <List session={session} me={me} rows={rows} />}
  </Follow>
);

function List({ session, me, rows }: Props & { rows: Uploads }) {
  const [openId, setOpenId] = useState<string>();
  const { data, isReady } = useLiveQuery((query) => query.from({ upload: rows }).orderBy(({ upload }) => upload.stored_at, 'desc'), [rows]);
  if (!isReady) return <Loading />;
  const isMine = session.owner === me.account_id;
  const open = data.find(({ id }) => id === openId);
  return (
    <section className="scroll" aria-label="Uploads" tabIndex={0}>
      {isMine ? <Store session={session} /> : <p className="quiet">Only whose session it is can read its files.</p>}
      {data.length === 0 && <p className="quiet">There are no files.</p>}
      <ul className="events">
        {data.map((upload) => (
          <li key={upload.id}>
            <h3>{upload.original_name}</h3>
            <p className="about">
              <span>{upload.size_bytes.toLocaleString()} bytes</span>
              <Time at={upload.stored_at} />
            </p>
            {isMine && (
              <p className="about">
                <button type="button" onClick={() => setOpenId(upload.id)}>
                  Show<span className="for-ears"> {upload.original_name}</span>
                </button>
                <a href={`/api/uploads/${encodeURIComponent(upload.id)}?download=true`} download>
                  Download<span className="for-ears"> {upload.original_name}</span>
                </a>
              </p>
            )}
          </li>
        ))}
      </ul>
      {open && <Text key={open.id} upload={open} />}
    </section>
  );
}

function Text({ upload }: { upload: Upload }) {
  const [text, setText] = useState<string>();
  const [problem, setProblem] = useState<unknown>();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    // A range of nothing is refused.
    const headers = upload.size_bytes > 0 ? { range: `bytes=0-${SHOWN_BYTES - 1}` } : undefined;
    ask(`/api/uploads/${encodeURIComponent(upload.id)}`, headers && { headers })
      .then((response) => response.text())
      .then(setText, setProblem);
  }, []);
  return (
    <section aria-labelledby="upload">
      <h3 id="upload" ref={heading} tabIndex={-1}>
        {upload.original_name}
      </h3>
      {problem !== undefined && <p role="alert">{sentence(problem)}</p>}
      {text === undefined ? !problem && <Loading /> : <pre className="text">{text}</pre>}
      {upload.size_bytes > SHOWN_BYTES && <p className="quiet">This is the beginning. Download it to see the whole.</p>}
    </section>
  );
}

function Store({ session }: { session: Session }) {
  const [told, setTold] = useState('');
  const [problem, setProblem] = useState<unknown>();
  const store = async (event: ChangeEvent<HTMLInputElement>) => {
    const input = event.target;
    const file = input.files?.[0];
    if (!file) return;
    setProblem(undefined);
    setTold(`Storing ${file.name}…`);
    const query = new URLSearchParams({ name: file.name, session_id: session.session_id });
    try {
      await ask(`/api/uploads?${query}`, { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: file });
      setTold(`${file.name} is stored.`);
    } catch (error) {
      setTold('');
      setProblem(error);
    }
    // So that the same file can be chosen again.
    input.value = '';
  };
  return (
    <div className="store">
      <label htmlFor="file">Add a file</label>
      <input id="file" type="file" onChange={(event) => void store(event)} />
      <p role="status">{told}</p>
      {problem !== undefined && <p role="alert">{sentence(problem)}</p>}
    </div>
  );
}
